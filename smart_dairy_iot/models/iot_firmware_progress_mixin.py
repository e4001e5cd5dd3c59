"""How far a roll-out, or one wave of it, is: counted from the lines of its devices."""

from odoo import api, fields, models

from .iot_firmware_rollout_line import UNDER_WAY

COUNTS = {
    "waiting_count": ("waiting",),
    "under_way_count": UNDER_WAY,
    "installed_count": ("installed",),
    "failed_count": ("failed",),
    "skipped_count": ("skipped",),
}
"""Field → the states of the lines that it counts."""


class IotFirmwareProgressMixin(models.AbstractModel):
    """A model that inherits it has `line_ids`, and names in `_line_field` the lines' field that leads back to it."""

    _name = "iot.firmware.progress.mixin"
    _description = "Progress of Devices"

    _line_field = None

    device_count = fields.Integer(string="Devices", compute="_compute_progress")
    waiting_count = fields.Integer(string="Waiting", compute="_compute_progress")
    under_way_count = fields.Integer(string="Under Way", compute="_compute_progress")
    installed_count = fields.Integer(string="Installed", compute="_compute_progress")
    failed_count = fields.Integer(string="Failed", compute="_compute_progress")
    skipped_count = fields.Integer(string="Skipped", compute="_compute_progress")
    progress = fields.Float(
        string="Progress (%)", compute="_compute_progress", help="Devices that have ended, of those not skipped."
    )

    @api.depends("line_ids.state")
    def _compute_progress(self):
        groups = self.env["iot.firmware.rollout.line"]._read_group(
            [(self._line_field, "in", self.ids)], [self._line_field, "state"], ["__count"]
        )
        counted = {(record.id, state): count for record, state, count in groups}
        for record in self:
            for name, states in COUNTS.items():
                record[name] = sum(counted.get((record._origin.id, state), 0) for state in states)
            record.device_count = sum(record[name] for name in COUNTS)
            taking_part = record.device_count - record.skipped_count
            ended = record.installed_count + record.failed_count
            record.progress = 100 * ended / taking_part if taking_part else 0
