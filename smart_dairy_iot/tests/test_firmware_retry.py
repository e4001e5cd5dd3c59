"""Devices that failed are tried again when whatever was wrong is mended."""

from odoo.exceptions import UserError
from odoo.tests import tagged

from .firmware import FirmwareCase


@tagged("post_install", "-at_install")
class TestRetry(FirmwareCase):
    def stopped(self):
        """A roll-out that paused by itself: of the first wave of three two failed, a second wave waits."""
        rollout = self.started(5, waves=[(3, "devices")], failure_limit=2)
        lines = self.lines(rollout)
        for device_id, status in (("T-01", "failed"), ("T-02", "done"), ("T-03", "failed")):
            self.acknowledge(lines[device_id], status, message="no power")
        self.step(rollout)
        self.assertEqual(rollout.state, "paused")
        return rollout

    def test_what_failed_is_tried_again_before_the_next_wave(self):
        rollout = self.stopped()
        commands = rollout.sudo().line_ids.device_command_id
        rollout.action_retry_failed()
        self.assertEqual((rollout.state, rollout.pause_reason, rollout.failed_count), ("running", False, 0))
        self.assertIn("2", rollout.message_ids[0].body)
        self.step(rollout)
        self.assertEqual(self.states(rollout), ["sent", "installed", "sent", "waiting", "waiting"])
        again = self.lines(rollout)["T-01"]
        self.assertEqual((again.progress, again.error), (0, False))
        self.assertNotIn(again.device_command_id, commands, "a command of its own")
        for device_id in ("T-01", "T-03"):
            self.acknowledge(self.lines(rollout)[device_id], "done")
        self.step(rollout)
        self.assertEqual(self.states(rollout), ["installed"] * 3 + ["sent"] * 2)

    def test_what_fails_again_counts_again(self):
        rollout = self.stopped()
        rollout.action_retry_failed()
        self.step(rollout)
        self.assertEqual(rollout.state, "running")
        for device_id in ("T-01", "T-03"):
            self.acknowledge(self.lines(rollout)[device_id], "failed")
        self.step(rollout)
        self.assertEqual((rollout.state, rollout.failed_count), ("paused", 2))

    def test_what_is_done_goes_on_for_those_that_failed_alone(self):
        rollout = self.started(2)
        self.acknowledge(self.lines(rollout)["T-01"], "done")
        self.acknowledge(self.lines(rollout)["T-02"], "failed")
        self.step(rollout)
        self.assertEqual(rollout.state, "done")
        rollout.action_retry_failed()
        self.assertEqual((rollout.state, rollout.finished_at), ("running", False))
        self.step(rollout)
        self.assertEqual(self.states(rollout), ["installed", "sent"])
        self.acknowledge(self.lines(rollout)["T-02"], "done")
        self.step(rollout)
        self.assertEqual((rollout.state, self.states(rollout)), ("done", ["installed", "installed"]))

    def test_a_device_that_runs_the_version_by_now_is_not_told_again(self):
        rollout = self.started(1)
        line = self.lines(rollout)["T-01"]
        self.acknowledge(line, "failed")
        self.step(rollout)
        self.report(line.iot_device_id, "2.0")
        rollout.action_retry_failed()
        self.step(rollout)
        self.assertEqual((rollout.state, line.state), ("done", "installed"))

    def test_what_the_device_says_of_the_first_attempt_is_nothing_to_the_second(self):
        rollout = self.started(1, install_hours=1)
        line = self.lines(rollout)["T-01"]
        first = line.device_command_id
        self.acknowledge(line, "accepted")
        self.step(rollout, hours=2)
        self.assertEqual((line.state, first.state), ("failed", "accepted"))
        rollout.action_retry_failed()
        self.assertEqual(first.state, "cancelled")
        self.step(rollout)
        first._acknowledge({"status": "failed"}, self.now, self.now)
        self.assertEqual(line.state, "sent")

    def test_who_has_gone_meanwhile_is_skipped(self):
        rollout = self.stopped()
        self.lines(rollout)["T-01"].iot_device_id.action_deactivate()
        rollout.action_retry_failed()
        self.step(rollout)
        self.assertEqual(self.states(rollout)[:3], ["skipped", "installed", "sent"])

    def test_there_has_to_be_something_to_try_again(self):
        rollout = self.started(2)
        with self.assertRaisesRegex(UserError, "has failed"), self.env.cr.savepoint():
            rollout.action_retry_failed()
        self.acknowledge(self.lines(rollout)["T-01"], "failed")
        rollout.action_cancel()
        with self.assertRaisesRegex(UserError, "cancelled"):
            rollout.action_retry_failed()

    def test_withdrawn_firmware_is_not_tried_again(self):
        rollout = self.started(1)
        self.acknowledge(self.lines(rollout)["T-01"], "failed")
        self.step(rollout)
        self.firmware.action_withdraw()
        with self.assertRaisesRegex(UserError, "not released"):
            rollout.action_retry_failed()
