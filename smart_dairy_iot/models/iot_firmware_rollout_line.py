"""One device in a roll-out: waiting → sent → downloading → installed, or failed; or skipped.

When is it installed? When the device reports the new version in a status: what it says of itself with every status is
better evidence than one acknowledgement. A device that acknowledges the command as done has `CONFIRM_WITHIN` to report
it, for what was installed may be undone by a start that fails. A device that has never reported any version is taken at
its word. Reporting the version counts whatever became of the command, and after a failure as well.
"""

from datetime import timedelta

from odoo import _, api, fields, models
from odoo.exceptions import UserError
from odoo.tools.parse_version import parse_version

from .iot_device_command import OPEN_STATES
from .iot_device_provisioning import CONNECTABLE_STATES

COMMAND = "update_firmware"

UNDER_WAY = ("sent", "downloading")
ENDED = ("installed", "failed")

CONFIRM_WITHIN = timedelta(minutes=30)
"""Time to start anew and to report the version, once the command is acknowledged as done. Ours: devices report their
status every few minutes."""

TIMEOUT_SECONDS = 600
"""A device that has accepted the command tells of its progress at least so often, or is sent the command again."""


class IotFirmwareRolloutLine(models.Model):
    _name = "iot.firmware.rollout.line"
    _description = "Device in a Firmware Roll-out"
    _order = "rollout_id desc, wave_id, id"
    _rec_name = "iot_device_id"

    rollout_id = fields.Many2one(
        "iot.firmware.rollout", string="Roll-out", required=True, readonly=True, index=True, ondelete="cascade"
    )
    wave_id = fields.Many2one("iot.firmware.rollout.wave", readonly=True, index=True, ondelete="set null")
    iot_device_id = fields.Many2one(
        "iot.device", string="Device", required=True, readonly=True, index=True, ondelete="cascade"
    )
    firmware_id = fields.Many2one(related="rollout_id.firmware_id", store=True, index=True)
    state = fields.Selection(
        [
            ("waiting", "Waiting"),
            ("sent", "Sent"),
            ("downloading", "Downloading"),
            ("installed", "Installed"),
            ("failed", "Failed"),
            ("skipped", "Skipped"),
        ],
        string="Status",
        default="waiting",
        required=True,
        readonly=True,
        index=True,
    )
    progress = fields.Integer(string="Progress (%)", readonly=True, group_operator=False)
    error = fields.Char(string="Reason", readonly=True, help="Why the device failed or was skipped.")
    previous_version = fields.Char(readonly=True, help="What the device reported when the roll-out was started.")
    reported_version = fields.Char(related="iot_device_id.reported_firmware_version", string="Reports Version")
    device_command_id = fields.Many2one("iot.device.command", string="Command", readonly=True, ondelete="set null")
    sent_at = fields.Datetime(string="Sent", readonly=True)
    deadline = fields.Datetime(readonly=True, help="A device that does not report the version by then has failed.")
    finished_at = fields.Datetime(string="Ended", readonly=True)
    settled = fields.Boolean(
        readonly=True, help="Ended before the roll-out was resumed: no longer counts as a failure."
    )

    _sql_constraints = [
        ("device_once", "UNIQUE(rollout_id, iot_device_id)", "A device is in a roll-out once."),
        (
            "one_at_a_time",
            "EXCLUDE USING btree (iot_device_id WITH =) WHERE (state IN ('sent', 'downloading'))",
            "A device installs one firmware at a time.",
        ),
    ]

    def init(self):
        # Acknowledgements come by command; most lines have none any more, or not yet.
        self.env.cr.execute(
            "CREATE INDEX IF NOT EXISTS iot_firmware_rollout_line_device_command_id_index"
            " ON iot_firmware_rollout_line (device_command_id) WHERE device_command_id IS NOT NULL"
        )

    # ------------------------------------------------------------------ who takes part

    def _obstacle(self):
        """Why the device cannot be sent the firmware now, None where it can."""
        self.ensure_one()
        device, rollout = self.iot_device_id, self.rollout_id
        reported, version = device.reported_firmware_version, self.firmware_id.version
        if device.state not in CONNECTABLE_STATES or not device.active:
            return _("The device is not in service.")
        if not device.uses_mqtt:
            return _("The device does not connect over MQTT.")
        if device.auth_method != "password":
            return _("The device has no password, with which it would download the firmware.")
        if rollout.farm_id and device.farm_id != rollout.farm_id:
            return _("The device has left the farm.")
        if reported == version:
            return _("The device runs this version already.")
        if reported and not rollout.allow_downgrade and parse_version(reported) > parse_version(version):
            return _("The device runs a newer version, %s.", reported)
        return None

    def _skip_hindered(self, busy_states, now=None):
        """Skip those that cannot take part, or are in another roll-out in one of these states; returns the others."""
        others = self.search(
            [
                ("iot_device_id", "in", self.iot_device_id.ids),
                ("rollout_id", "not in", self.rollout_id.ids),
                ("state", "in", busy_states),
            ]
        )
        rollouts = {other.iot_device_id: other.rollout_id for other in others}
        for line in self:
            obstacle = line._obstacle()
            if not obstacle and line.iot_device_id in rollouts:
                obstacle = _("The device is in another roll-out, %s.", rollouts[line.iot_device_id].name)
            if obstacle:
                line._end("skipped", obstacle, now)
        return self.filtered(lambda line: line.state == "waiting")

    # ------------------------------------------------------------------ sending

    def _send(self, now):
        """Send the command to the devices; one that cannot take it any more is skipped."""
        # Two roll-outs that were started at the same moment may both have planned the device.
        for line in self._skip_hindered(UNDER_WAY, now):
            deadline = now + timedelta(hours=line.rollout_id.install_hours)
            try:
                with self.env.cr.savepoint():
                    command = line._send_command(deadline)
            except UserError as error:
                line._end("failed", str(error), now)
                continue
            line.write({"state": "sent", "sent_at": now, "deadline": deadline, "device_command_id": command.id})

    def _send_command(self, deadline):
        firmware, device = self.firmware_id, self.iot_device_id
        return device._send_command(
            COMMAND,
            {
                "version": firmware.version,
                "url": firmware._download_url(device),
                "sha256": firmware.sha256,
                "size": firmware.size,
            },
            timeout_seconds=TIMEOUT_SECONDS,
            expires_at=deadline,
            source="rollout",
        )

    # ------------------------------------------------------------------ following

    def _follow_devices(self, now):
        """See which devices report the version, and whose time is up."""
        for line in self.filtered(lambda line: line.state in (*UNDER_WAY, "failed")):
            if line._reports_version():
                line._end("installed", now=now)
            elif line.state in UNDER_WAY and line.deadline <= now:
                line._end("failed", line._overdue_reason(), now)

    def _follow_command(self):
        """Take over how far the command has come. It may end twice: a late answer counts after a time-out."""
        for line in self.filtered(lambda line: line.state in (*UNDER_WAY, "failed")):
            command = line.device_command_id
            if command.state == "done":
                line._command_done()
            elif line.state == "failed":
                continue
            elif command.state in ("failed", "expired", "cancelled"):
                line._command_failed(command)
            elif command.progress:
                line.write({"state": "downloading", "progress": int(command.progress)})

    def _command_done(self):
        if self._reports_version() or not self.iot_device_id.reported_firmware_version:
            self._end("installed")
        elif self.state in UNDER_WAY:
            deadline = min(self.deadline, fields.Datetime.now() + CONFIRM_WITHIN)
            self.write({"state": "downloading", "progress": 100, "deadline": deadline})

    def _command_failed(self, command):
        if self._reports_version():
            self._end("installed")
            return
        self._end("failed", command.error or _("The command was cancelled."))

    def _call_back(self, reason):
        """Take back the command from devices that have not begun."""
        lines = self.filtered(lambda line: line.state == "sent" and line.device_command_id.state in ("queued", "sent"))
        for line in lines:
            line._end("skipped", reason)
        lines.device_command_id.action_cancel()

    def _try_again(self):
        """Have devices that failed wait for another attempt, which is nothing to the earlier one's command."""
        commands = self.device_command_id.filtered(lambda command: command.state in OPEN_STATES)
        self.write(
            {
                "state": "waiting",
                "progress": 0,
                "error": False,
                "device_command_id": False,
                "sent_at": False,
                "deadline": False,
                "finished_at": False,
                "settled": False,
            }
        )
        if commands:
            commands.action_cancel()

    def _note_download(self):
        """The device has begun to download."""
        self.filtered(lambda line: line.state == "sent").write({"state": "downloading"})

    def _reports_version(self):
        return self.iot_device_id.reported_firmware_version == self.firmware_id.version

    def _overdue_reason(self):
        reported = self.iot_device_id.reported_firmware_version
        if self.device_command_id.state == "done":
            return _("The device said that it was done, but still reports version %s.", reported)
        return _("The device did not report the version in time.")

    def _end(self, state, error=False, now=None):
        values = {"state": state, "error": error, "finished_at": now or fields.Datetime.now()}
        if state == "installed":
            values["progress"] = 100
            self.iot_device_id.filtered(lambda device: device.firmware_version != self.firmware_id.version).write(
                {"firmware_version": self.firmware_id.version}
            )
        self.write(values)

    # ------------------------------------------------------------------ actions

    def action_open_device(self):
        """Open the device's form."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "iot.device",
            "res_id": self.iot_device_id.id,
            "view_mode": "form",
            "views": [(False, "form")],
        }

    # ------------------------------------------------------------------ for devices

    @api.model
    def _of_download(self, device, version):
        """The line by which the device may download the version now; empty where it may not."""
        line = self.search(
            [("iot_device_id", "=", device.id), ("state", "in", UNDER_WAY), ("firmware_id.version", "=", version)],
            limit=1,
        )
        firmware = line.firmware_id
        return line if firmware.state == "released" and firmware._fits(device) else self.browse()
