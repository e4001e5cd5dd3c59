"""The worker that looks after commands, with real transactions: several at once, and one that fails."""

import threading
from contextlib import contextmanager
from datetime import timedelta
from unittest.mock import patch

from psycopg2.errors import SerializationFailure

from odoo import fields
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..models.iot_device_command import IotDeviceCommand
from ..models.iot_device_commands import IotDevice
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
        self.seconds = 0
        self.loop = CommandLoop(self.registry.db_name, now=lambda: self.later, clock=lambda: self.seconds)

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

    @contextmanager
    def looking_after(self, broken):
        """Looking after each of these commands fails. Gives [(second, id)] of all that are looked after."""
        looked_after, look_after = [], IotDeviceCommand._look_after

        def count_and_fail(command, now):
            looked_after.append((self.seconds, command.id))
            if command.id in broken:
                raise ZeroDivisionError
            look_after(command, now)

        with patch.object(IotDeviceCommand, "_look_after", count_and_fail):
            yield looked_after

    def make_rounds(self, seconds):
        """Make a round at each of these seconds; the log's complaints."""
        with self.assertLogs("odoo.addons.smart_dairy_iot.reactors.rounds", "ERROR") as logged:
            for self.seconds in seconds:
                self.loop.make_round(threading.Event())
        return logged.records

    def test_each_command_that_cannot_be_looked_after_is_in_the_log_with_its_error(self):
        with self.looking_after(broken=self.command_ids):
            records = self.make_rounds([0])
        self.assertEqual([record.exc_info[0] for record in records], [ZeroDivisionError] * 2)
        for command_id, record in zip(self.command_ids, records, strict=True):
            self.assertIn(f"iot.device.command {command_id} ", record.getMessage())

    def test_a_command_that_always_fails_holds_up_no_other_in_any_round(self):
        broken, other = self.command_ids
        with self.looking_after([broken]):
            self.make_rounds([0])
        self.assertEqual(self.stored(), [("sent", 1, 1), ("sent", 2, 2)])
        with self.looking_after([broken]) as looked_after:
            for self.seconds in range(1, 20):
                self.later += timedelta(hours=1)
                with self.environment() as env:
                    env["iot.device.command"].browse(other).write({"state": "sent", "attempts": 1})
                with mute_logger("odoo.addons.smart_dairy_iot.reactors.rounds"):
                    self.loop.make_round(threading.Event())
        self.assertEqual([second for second, looked_at in looked_after if looked_at == other], list(range(1, 20)))

    def test_commands_that_always_fail_leave_room_for_the_others_however_many_they_are(self):
        broken, other = self.command_ids
        self.loop.most_at_once = 1
        with self.looking_after([broken]) as looked_after:
            self.make_rounds([0])
            self.loop.make_round(threading.Event())
        self.assertEqual([looked_at for _second, looked_at in looked_after], [broken, other])
        self.assertEqual(self.stored(), [("sent", 1, 1), ("sent", 2, 2)])

    def test_devices_that_cannot_be_sent_to_leave_room_for_the_others_however_many_they_are(self):
        broken = self.device_ids[0]
        with self.environment() as env:
            env["iot.device.command"].browse(self.command_ids).write({"state": "queued", "timeout_at": False})
        self.loop.most_at_once = 1
        send = IotDevice._send_waiting_commands

        def fail_for_one(device, now):
            if device.id == broken:
                raise ZeroDivisionError
            send(device, now)

        with patch.object(IotDevice, "_send_waiting_commands", fail_for_one):
            self.make_rounds([0])
            self.loop.make_round(threading.Event())
        self.assertEqual(self.stored(), [("queued", 1, 1), ("sent", 2, 2)])

    def test_what_fails_again_and_again_is_tried_ever_more_rarely_and_does_not_fill_the_log(self):
        to_be_tried = [0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 811, 1111]
        a_second_before = [second - 1 for second in to_be_tried[1:]]
        with self.looking_after([self.command_ids[0]]) as looked_after:
            records = self.make_rounds(sorted({*to_be_tried, *a_second_before}))
        tried = [second for second, looked_at in looked_after if looked_at == self.command_ids[0]]
        self.assertEqual(tried, to_be_tried)
        self.assertEqual(len(records), len(tried))

    def test_a_failure_is_forgotten_once_the_command_was_looked_after_or_is_no_longer_due(self):
        broken = self.command_ids[:1]
        due, not_due = self.later, self.later - timedelta(seconds=60)
        with self.looking_after(broken) as looked_after:
            self.make_rounds([0, 1])
            self.later = not_due
            self.loop.make_round(threading.Event())
            self.later = due
            self.make_rounds([1])
            broken.clear()
            self.seconds = 2
            self.loop.make_round(threading.Event())
        tried = [second for second, looked_at in looked_after if looked_at == self.command_ids[0]]
        self.assertEqual(tried, [0, 1, 1, 2])
        self.assertEqual(self.stored()[0], ("sent", 2, 2))
        self.assertFalse(self.loop._failures)
