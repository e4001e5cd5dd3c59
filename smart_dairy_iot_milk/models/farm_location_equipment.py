"""What a farm asks of its milking equipment: norms of the machine, limits of its meters' errors."""

from odoo import fields, models

from ..calibration import VALID_DAYS, Limits
from ..equipment import Norms

_LIMITS = Limits()
_NORMS = Norms()


class FarmLocation(models.Model):
    _inherit = "farm.location"

    vacuum_least = fields.Float(
        string="Least Vacuum (kPa)",
        digits=(5, 2),
        default=_NORMS.vacuum[0],
        help="Parlours and makers differ: ask yours. In the claw at peak flow, 32 to 42 kPa are usual.",
    )
    vacuum_most = fields.Float(string="Greatest Vacuum (kPa)", digits=(5, 2), default=_NORMS.vacuum[1])
    pulsation_least = fields.Float(
        string="Least Pulsation (1/min)",
        digits=(5, 1),
        default=_NORMS.pulsation_rate[0],
        help="Parlours and makers differ: ask yours. 55 to 65 pulsations a minute are usual.",
    )
    pulsation_most = fields.Float(string="Greatest Pulsation (1/min)", digits=(5, 1), default=_NORMS.pulsation_rate[1])
    pulsation_ratio_least = fields.Float(
        string="Least Pulsation Ratio (%)",
        digits=(5, 2),
        default=_NORMS.pulsation_ratio[0],
        help="Parlours and makers differ: ask yours. Share of the cycle in which the liner is open: 60:40 to 65:35 is "
        "usual.",
    )
    pulsation_ratio_most = fields.Float(
        string="Greatest Pulsation Ratio (%)", digits=(5, 2), default=_NORMS.pulsation_ratio[1]
    )
    kick_offs_most = fields.Integer(
        string="Most Kick-offs", default=_NORMS.kick_offs, help="In one milking; more are a sign of the machine or cow."
    )
    calibration_bias_kg = fields.Float(
        string="Limit of the Bias (kg)",
        digits=(5, 3),
        default=_LIMITS.bias_kg,
        help="ICAR's limits of the mean error are 0.2 kg for milkings of 2 to 10 kg, and 2 % above. "
        "Ask the milk recording organisation which it asks of you.",
    )
    calibration_bias_percent = fields.Float(string="Limit of the Bias (%)", digits=(5, 2), default=_LIMITS.bias_percent)
    calibration_sd_kg = fields.Float(
        string="Limit of the Spread (kg)",
        digits=(5, 3),
        default=_LIMITS.sd_kg,
        help="ICAR's limits of the errors' standard deviation are 0.5 kg for milkings of 2 to 10 kg, and 5 % above.",
    )
    calibration_sd_percent = fields.Float(string="Limit of the Spread (%)", digits=(5, 2), default=_LIMITS.sd_percent)
    calibration_days = fields.Integer(
        string="Calibration Holds (days)", default=VALID_DAYS, help="After so many days a meter is calibrated again."
    )

    _sql_constraints = [
        ("vacuum_order", "CHECK(vacuum_least < vacuum_most)", "The least vacuum is less than the greatest."),
        (
            "pulsation_order",
            "CHECK(pulsation_least < pulsation_most)",
            "The least pulsation is below the greatest.",
        ),
        (
            "pulsation_ratio_order",
            "CHECK(pulsation_ratio_least < pulsation_ratio_most)",
            "The least pulsation ratio is less than the greatest.",
        ),
        ("kick_offs_range", "CHECK(kick_offs_most >= 0)", "The number of kick-offs cannot be negative."),
        (
            "limits_positive",
            "CHECK(calibration_bias_kg > 0 AND calibration_bias_percent > 0"
            " AND calibration_sd_kg > 0 AND calibration_sd_percent > 0)",
            "The limits of a calibration are greater than 0.",
        ),
        ("calibration_days_range", "CHECK(calibration_days > 0)", "A calibration holds for a day at least."),
    ]

    def _equipment_norms(self):
        """The farm's `Norms`."""
        self.ensure_one()
        return Norms(
            vacuum=(self.vacuum_least, self.vacuum_most),
            pulsation_rate=(self.pulsation_least, self.pulsation_most),
            pulsation_ratio=(self.pulsation_ratio_least, self.pulsation_ratio_most),
            kick_offs=self.kick_offs_most,
        )

    def _calibration_limits(self):
        """The farm's `Limits`."""
        self.ensure_one()
        return Limits(
            bias_kg=self.calibration_bias_kg,
            bias_percent=self.calibration_bias_percent,
            sd_kg=self.calibration_sd_kg,
            sd_percent=self.calibration_sd_percent,
        )
