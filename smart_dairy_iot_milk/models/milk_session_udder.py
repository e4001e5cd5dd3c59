"""How a milking stands to what is usual of its cow, and what that says of her udder's health."""

from odoo import fields, models

from .milk_session_quarters import QUARTERS


class MilkSession(models.Model):
    _inherit = "milk.session"

    expected_yield = fields.Float(string="Expected Yield (L)", digits=(10, 3), readonly=True, group_operator="avg")
    yield_deviation = fields.Float(string="Deviation (%)", digits=(6, 1), readonly=True, group_operator="avg")
    conductivity_25 = fields.Float(
        string="Conductivity at 25 °C (mS/cm)", digits=(6, 3), readonly=True, group_operator="avg"
    )
    mastitis_score = fields.Float(digits=(6, 3), readonly=True, group_operator="max", help="0 to 100.")
    mastitis_level = fields.Selection(
        [("normal", "Normal"), ("watch", "Watch"), ("warning", "Warning"), ("critical", "Critical")],
        string="Udder Health",
        readonly=True,
        index=True,
        help="Empty where there is not enough to judge by.",
    )
    mastitis_reasons = fields.Text(readonly=True)
    mastitis_quarter = fields.Selection([(quarter, quarter.upper()) for quarter in QUARTERS], readonly=True)
    mastitis_event_id = fields.Many2one("farm.health.event", string="Episode", readonly=True, copy=False)
    under_withdrawal = fields.Boolean(readonly=True, help="The cow is under treatment: her milk is not delivered.")
