"""One wave of a roll-out: so many devices at a time, the next ones when they have ended well."""

from odoo import _, api, fields, models
from odoo.exceptions import UserError


class IotFirmwareRolloutWave(models.Model):
    _name = "iot.firmware.rollout.wave"
    _description = "Wave of a Firmware Roll-out"
    _inherit = ["iot.firmware.progress.mixin"]
    _order = "rollout_id, sequence, id"
    _line_field = "wave_id"

    rollout_id = fields.Many2one("iot.firmware.rollout", required=True, index=True, ondelete="cascade")
    sequence = fields.Integer(required=True, default=1)
    size = fields.Integer(required=True, default=10)
    unit = fields.Selection(
        [("devices", "Devices"), ("percent", "% of All Devices")],
        required=True,
        default="devices",
        help="Percent of the devices that take part, rounded up.",
    )
    line_ids = fields.One2many("iot.firmware.rollout.line", "wave_id", string="Progress of Devices", readonly=True)
    started_at = fields.Datetime(string="Started", readonly=True, copy=False)
    finished_at = fields.Datetime(string="Ended", readonly=True, copy=False)

    _sql_constraints = [
        ("size_positive", "CHECK(size > 0)", "A wave has at least one device."),
        ("percent_sensible", "CHECK(unit != 'percent' OR size <= 100)", "There are no more than 100 % of all devices."),
    ]

    @api.depends("sequence")
    def _compute_display_name(self):
        for wave in self:
            number = wave.rollout_id.wave_ids.sorted("sequence").ids.index(wave.id) + 1 if wave.id else wave.sequence
            wave.display_name = _("Wave %s", number)

    # ------------------------------------------------------------------ create, write, unlink

    @api.model_create_multi
    def create(self, vals_list):
        waves = super().create(vals_list)
        waves._check_plan()
        for vals in vals_list:
            self._check_facts(vals)
        return waves

    def write(self, vals):
        self._check_plan()
        self._check_facts(vals)
        if "rollout_id" in vals and self.rollout_id.ids != [vals["rollout_id"]]:
            raise UserError(_("A wave stays with its roll-out."))
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_while_planned(self):
        self._check_plan()

    def _check_plan(self):
        if not self.env.su and self.rollout_id.filtered(lambda rollout: rollout.state != "draft"):
            raise UserError(_("The plan of a roll-out stays as it is once it has been started."))

    def _check_facts(self, vals):
        if not self.env.su and (vals.get("started_at") or vals.get("finished_at")):
            raise UserError(_("When a wave begins and ends is for the roll-out to say."))

    def _number_of(self, total):
        """How many of `total` devices are in this wave."""
        return -(-total * self.size // 100) if self.unit == "percent" else self.size
