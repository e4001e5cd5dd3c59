"""The worker that keeps roll-outs going, with real transactions: several at once, and one that dies."""

import base64
import threading

from psycopg2.errors import SerializationFailure

from odoo import fields
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..reactors.rollouts import RolloutLoop
from .common import CommittedCase


@tagged("post_install", "-at_install")
class TestRolloutLoop(CommittedCase):
    """A roll-out to two devices, started."""

    def setUp(self):
        super().setUp()
        with self.environment() as env:
            parameters = env["ir.config_parameter"]
            self.address = parameters.get_param("web.base.url")
            parameters.set_param("web.base.url", "https://dairy.example")
            devices = self.new_devices(env, "ROLL", "gate")
            firmware = env["iot.firmware"].create(
                {
                    "name": "Gates",
                    "version": "2.0",
                    "file": base64.b64encode(b"gate"),
                    "device_type_ids": [(6, 0, env.ref("smart_dairy_iot.iot_device_type_gate").ids)],
                }
            )
            firmware.action_release()
            rollout = env["iot.firmware.rollout"].create(
                {"firmware_id": firmware.id, "farm_id": self.farm_id, "device_ids": [(6, 0, devices.ids)]}
            )
            rollout.action_start()
            self.firmware_id, self.rollout_id = firmware.id, rollout.id
        self.addCleanup(self.remove)
        self.loop = RolloutLoop(self.registry.db_name)

    def remove(self):
        with self.environment() as env:
            rollout, firmware = self.rollout(env), env["iot.firmware"].browse(self.firmware_id)
            if rollout.state in ("running", "paused"):
                rollout.action_cancel()
            rollout.unlink()
            env.cr.execute("UPDATE iot_firmware SET state = 'draft' WHERE id = %s", [firmware.id])
            firmware.invalidate_recordset()
            firmware.unlink()
            self.remove_devices(env)
            env["ir.config_parameter"].set_param("web.base.url", self.address)

    def rollout(self, env):
        return env["iot.firmware.rollout"].browse(self.rollout_id)

    def stored(self):
        """(the roll-out's state, the states of its lines, how many commands there are)"""
        with self.environment() as env:
            lines = self.rollout(env).line_ids
            commands = env["iot.device.command"].search_count([("iot_device_id", "in", lines.iot_device_id.ids)])
            return self.rollout(env).state, lines.mapped("state"), commands

    def test_a_round_sends_what_is_next(self):
        self.loop.make_round(threading.Event())
        self.assertEqual(self.stored(), ("running", ["sent", "sent"], 2))

    def test_two_workers_at_once_do_not_send_it_twice(self):
        with self.environment() as env, self.environment() as other_env:
            first, second = self.rollout(env), self.rollout(other_env)
            self.assertEqual((first.state, second.state), ("running", "running"))
            first._step(fields.Datetime.now())
            env.cr.commit()
            with self.assertRaises(SerializationFailure), mute_logger("odoo.sql_db"):
                second._step(fields.Datetime.now())
                other_env.flush_all()
            other_env.cr.rollback()
        self.assertEqual(self.stored(), ("running", ["sent", "sent"], 2))

    def test_a_worker_that_dies_in_the_middle_has_sent_nothing_and_the_next_one_does(self):
        with self.environment() as env:
            self.rollout(env)._step(fields.Datetime.now())
            env.flush_all()
            env.cr.rollback()
        self.assertEqual(self.stored(), ("running", ["waiting", "waiting"], 0))
        self.loop.make_round(threading.Event())
        self.assertEqual(self.stored(), ("running", ["sent", "sent"], 2))

    def test_once_it_is_paused_nothing_is_sent_by_a_worker_that_has_not_seen_it(self):
        with self.environment() as env:
            self.assertEqual(self.rollout(env).state, "running")
            with self.environment() as user_env:
                self.rollout(user_env).action_pause()
            with self.assertRaises(SerializationFailure), mute_logger("odoo.sql_db"):
                self.rollout(env)._step(fields.Datetime.now())
                env.flush_all()
            env.cr.rollback()
        self.loop.make_round(threading.Event())
        self.assertEqual(self.stored(), ("paused", ["waiting", "waiting"], 0))
