"""What the platform does for a roll-out that was started: one step at a time, as long as there is anything to do."""

from odoo import _, api, models
from odoo.exceptions import UserError

from .iot_firmware_rollout_line import ENDED, UNDER_WAY

SEND_BATCH = 200
"""Devices that are sent the command in one transaction, so that none is long and failures are looked at in between."""


class IotFirmwareRollout(models.Model):
    _inherit = "iot.firmware.rollout"

    @api.model
    def _live(self):
        """The roll-outs that there is anything to do for."""
        under_way = [("line_ids.state", "in", UNDER_WAY)]
        return self.search(["|", ("state", "=", "running"), *under_way], order="id")

    def _step(self, now):
        """Do what is next; to be called with the platform's rights.

        :param now: naive UTC
        """
        for rollout in self:
            rollout._take_turn()
            rollout._lines_to_follow(now)._follow_devices(now)
            if rollout.state == "running":
                rollout._judge()
            if rollout.state == "running":
                rollout._advance(now)

    def _take_turn(self):
        """Have whoever pauses or cancels it wait for this step's end, and the step fail that began before he did.

        Nothing is sent once a user has been told that it is paused.
        """
        self.env.cr.execute("SELECT FROM iot_firmware_rollout WHERE id = %s FOR NO KEY UPDATE", [self.id])

    def _lines_to_follow(self, now):
        """The lines whose devices report the version by now, or whose time is up.

        By SQL, as the bridge alone writes what devices report; of thousands that are under way there are few such.
        """
        lines = self.env["iot.firmware.rollout.line"]
        lines.flush_model(["rollout_id", "iot_device_id", "state", "deadline"])
        self.env.cr.execute(
            "SELECT line.id FROM iot_firmware_rollout_line line"
            "  LEFT JOIN iot_device_state reported USING (iot_device_id)"
            " WHERE line.rollout_id = %s"
            "   AND (line.state IN %s AND reported.firmware_version = %s OR line.state IN %s AND line.deadline <= %s)",
            [self.id, (*UNDER_WAY, "failed"), self.firmware_id.version, UNDER_WAY, now],
        )
        return lines.browse(line_id for (line_id,) in self.env.cr.fetchall())

    def _judge(self):
        """Pause where the failures have reached their limit."""
        ended = [("rollout_id", "=", self.id), ("state", "in", ENDED), ("settled", "=", False)]
        lines = self.env["iot.firmware.rollout.line"]
        if lines.search_count([*ended, ("state", "=", "failed")]) < (self.failure_limit or 1):
            return
        outcomes = [line.state == "failed" for line in lines.search_fetch(ended, ["state"], order="finished_at, id")]
        if limit_reached(outcomes, self.failure_limit, self.failure_window):
            counts = {"failed": sum(outcomes), "ended": len(outcomes), "limit": self.failure_limit}
            if self.failure_window:
                reason = _(
                    "%(failed)s of %(ended)s devices have failed. The limit is %(limit)s of any %(window)s in a row.",
                    window=self.failure_window,
                    **counts,
                )
            else:
                reason = _("%(failed)s of %(ended)s devices have failed. The limit is %(limit)s.", **counts)
            self._pause(reason)

    def _look_at_address(self):
        """Pause where the address of downloads is no longer one that devices may send their password to."""
        try:
            self.firmware_id._check_download_address()
        except UserError as error:
            self._pause(str(error))

    def _pause(self, reason):
        self.write({"state": "paused", "pause_reason": reason})
        self.message_post(body=_("Paused. %s", reason), subtype_xmlid="mail.mt_comment")

    def _advance(self, now):
        """Send the next devices; begin the next wave where one has ended; end where none is left."""
        lines = self.env["iot.firmware.rollout.line"]
        for wave in self.wave_ids.sorted("sequence").filtered(lambda wave: not wave.finished_at):
            wave.started_at = wave.started_at or now
            of_wave = [("wave_id", "=", wave.id)]
            waiting = lines.search([*of_wave, ("state", "=", "waiting")], order="id", limit=SEND_BATCH)
            if waiting:
                self._look_at_address()
                if self.state != "running":
                    return
                waiting._send(now)
            if lines.search_count([*of_wave, ("state", "in", ("waiting", *UNDER_WAY))], limit=1):
                return
            wave.finished_at = now
            self._judge()
            if self.state != "running":
                return
        self.write({"state": "done", "finished_at": now})
        self.message_post(
            body=_(
                "Done: %(installed)s installed, %(failed)s failed, %(skipped)s skipped.",
                installed=self.installed_count,
                failed=self.failed_count,
                skipped=self.skipped_count,
            ),
            subtype_xmlid="mail.mt_comment",
        )


def limit_reached(outcomes, limit, window):
    """Whether `limit` of some `window` neighbours among the outcomes are failures.

    :param outcomes: whether each failed, in the order in which they ended
    :param limit: 0: never
    :param window: 0: all of them
    """
    failures = [index for index, failed in enumerate(outcomes) if failed]
    if not limit:
        return False
    return any(
        not window or last - first < window for first, last in zip(failures, failures[limit - 1 :], strict=False)
    )
