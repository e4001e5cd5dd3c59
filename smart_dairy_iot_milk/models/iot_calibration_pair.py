"""One milking, or one bucket of water, that a meter showed and a scale weighed."""

from odoo import _, api, fields, models
from odoo.exceptions import AccessError

#: Kilograms per litre of water of 20 °C.
WATER_DENSITY = 0.998
# What follows from what was shown and weighed.
_FOLLOWING = {"corrected_liters", "shown_kg", "difference_liters", "percent"}


class IotCalibrationPair(models.Model):
    _name = "iot.calibration.pair"
    _description = "Meter and Scale"
    _order = "calibration_id, sequence, id"

    calibration_id = fields.Many2one("iot.calibration", required=True, index=True, ondelete="cascade")
    sequence = fields.Integer(default=10)
    shown_liters = fields.Float(string="Shown (L)", digits=(10, 3), required=True, help="What the platform shows.")
    weighed_kg = fields.Float(string="Weighed (kg)", digits=(10, 3), required=True)
    density = fields.Float(
        string="Density (kg/L)", digits=(6, 4), compute="_compute_density", store=True, readonly=False, precompute=True
    )
    corrected_liters = fields.Float(
        string="With the Tested Factor (L)", digits=(10, 3), compute="_compute_difference", store=True
    )
    shown_kg = fields.Float(digits=(10, 4), compute="_compute_difference", store=True)
    difference_liters = fields.Float(
        string="Difference (L)", digits=(10, 3), compute="_compute_difference", store=True, group_operator="avg"
    )
    percent = fields.Float(
        string="Difference (%)", digits=(8, 3), compute="_compute_difference", store=True, group_operator="avg"
    )

    _sql_constraints = [
        ("shown_positive", "CHECK(shown_liters >= 0)", "What a meter shows cannot be negative."),
        # ICAR's limits are of milkings of 2 kg and more.
        ("weighed_range", "CHECK(weighed_kg >= 2.0)", "Weigh 2 kg or more: the limits hold from there on."),
        ("density_range", "CHECK(density BETWEEN 0.9 AND 1.1)", "A density lies between 0.9 and 1.1 kg/L."),
    ]

    @api.depends("calibration_id.method")
    def _compute_density(self):
        for pair in self:
            is_water = pair.calibration_id.method == "water"
            pair.density = WATER_DENSITY if is_water else self.env["iot.settings"]._milk_density()

    @api.depends(
        "shown_liters",
        "weighed_kg",
        "density",
        "calibration_id.factor_before",
        "calibration_id.factor_tested",
    )
    def _compute_difference(self):
        for pair in self:
            calibration = pair.calibration_id
            scale = calibration.factor_tested / calibration.factor_before if calibration.factor_before else 1.0
            pair.corrected_liters = pair.shown_liters * scale
            pair.shown_kg = pair.shown_liters * scale * pair.density
            weighed = pair.weighed_kg / pair.density if pair.density else 0.0
            pair.difference_liters = pair.shown_liters * scale - weighed
            pair.percent = 100 * pair.difference_liters / weighed if weighed else 0.0

    @api.model
    def default_get(self, fields_list):
        """What follows from the facts has no default, whatever context and users' defaults say."""
        return super().default_get([name for name in fields_list if name not in _FOLLOWING])

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            self._refuse_following(vals)
        pairs = super().create(vals_list)
        pairs.calibration_id._refuse_settled()
        return pairs

    def write(self, vals):
        self.calibration_id._refuse_settled()
        self._refuse_following(vals)
        result = super().write(vals)
        # Of those that they belong to now.
        self.calibration_id._refuse_settled()
        return result

    @api.model
    def _refuse_following(self, vals):
        if _FOLLOWING & vals.keys():
            raise AccessError(_("A pair's differences follow from what was shown and weighed: nobody writes them."))

    @api.ondelete(at_uninstall=False)
    def _unlink_except_settled(self):
        self.calibration_id.filtered(lambda calibration: calibration.state != "cancelled")._refuse_settled()
