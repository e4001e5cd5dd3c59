"""The worker that looks after commands, with real transactions: several at once, and one that fails."""

import threading
from datetime import timedelta
from unittest.mock import patch

from psycopg2.errors import SerializationFailure

from odoo import fields
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..models.iot_device_command import IotDeviceCommand
from ..reactors.commands import CommandLoop
from .common import CommittedCase


@tagged("post_install", "-at_install")
class TestCommandLoop(CommittedCase):
    """Two devices that are there and have answered nothing."""

    def setUp(self):
        super().setUp()
        with self.environment() as env:
            devices = self.new_devices(env, "LOOP")
            commands = devices._send_command("restart")
            env.cr.execute("UPDATE iot_outbox SET state = 'sent' WHERE iot_device_id IN %s", [tuple(devices.ids)])
            env.cr.execute(
                "INSERT INTO iot_device_state (iot_device_id, last_seen, silent) SELECT unnest(%s), %s, false",
                [devices.ids, fields.Datetime.now()],
            )
            self.command_ids = commands.ids
            self.later = commands[0].issued_at + timedelta(seconds=61)
        self.addCleanup(self.remove)
        self.loop = CommandLoop(self.registry.db_name, now=lambda: self.later)

    def remove(self):
        with self.environment() as env:
            self.remove_devices(env)

    def stored(self):
        """[(state, attempts, entries in the outbox)] of the commands."""
        with self.environment() as env:
            entries = env["iot.outbox"]
            return [
                (
                    command.state,
                    command.attempts,
                    entries.search_count([("iot_device_id", "=", command.iot_device_id.id)]),
                )
                for command in env["iot.device.command"].browse(self.command_ids)
            ]

    def test_a_round_sends_again_what_was_not_answered(self):
        self.loop.make_round(threading.Event())
        self.assertEqual(self.stored(), [("sent", 2, 2), ("sent", 2, 2)])

    def test_two_workers_at_once_do_not_send_a_command_twice(self):
        with self.environment() as env, self.environment() as other_env:
            command, same = (each["iot.device.command"].browse(self.command_ids[0]) for each in (env, other_env))
            self.assertEqual((command.state, same.state), ("sent", "sent"))
            command._look_after(self.later)
            env.cr.commit()
            with self.assertRaises(SerializationFailure), mute_logger("odoo.sql_db"):
                same._look_after(self.later)
                other_env.flush_all()
            other_env.cr.rollback()
        self.assertEqual(self.stored()[0], ("sent", 2, 2))

    def test_a_worker_that_dies_in_the_middle_has_sent_nothing_and_the_next_one_does(self):
        with self.environment() as env:
            env["iot.device.command"].browse(self.command_ids)[0]._look_after(self.later)
            env.flush_all()
            env.cr.rollback()
        self.assertEqual(self.stored()[0], ("sent", 1, 1))
        self.loop.make_round(threading.Event())
        self.assertEqual(self.stored()[0], ("sent", 2, 2))

    def test_an_answer_wins_over_the_time_out_that_was_about_to_be_noted(self):
        with self.environment() as env:
            command = env["iot.device.command"].browse(self.command_ids[0])
            self.assertEqual(command.state, "sent")
            with self.environment() as other_env:
                payload = {"command_id": command.command_id, "status": "done"}
                other_env["iot.inbox"]._put("command_ack", self.device_ids[0], command.issued_at, payload)
                other_env["iot.inbox"].process()
            with self.assertRaises(SerializationFailure), mute_logger("odoo.sql_db"):
                command._look_after(self.later)
                env.flush_all()
            env.cr.rollback()
        self.loop.make_round(threading.Event())
        self.assertEqual(self.stored()[0], ("done", 1, 1))

    def test_a_command_that_cannot_be_looked_after_holds_up_no_other_and_is_not_kept_quiet(self):
        broken, look_after = self.command_ids[0], IotDeviceCommand._look_after

        def fail(command, now):
            if command.id == broken:
                raise ZeroDivisionError
            look_after(command, now)

        with patch.object(IotDeviceCommand, "_look_after", fail), self.assertRaises(ZeroDivisionError):
            self.loop.make_round(threading.Event())
        self.assertEqual(self.stored(), [("sent", 1, 1), ("sent", 2, 2)])
