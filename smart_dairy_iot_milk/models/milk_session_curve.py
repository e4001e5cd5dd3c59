"""The course of a milking's flow, and what is read from it."""

from odoo import fields, models


class MilkSession(models.Model):
    _inherit = "milk.session"

    flow_curve = fields.Json(
        readonly=True,
        copy=False,
        help='{"step_seconds": seconds, "flow_lpm": [L/min, or null where nothing was heard]} from the start on.',
    )
    time_to_peak_seconds = fields.Integer(string="Time to Peak Flow (s)", readonly=True, group_operator="avg")
    low_flow_seconds = fields.Integer(string="Low Flow (s)", readonly=True, group_operator="avg")
    kick_off_count = fields.Integer(string="Kick-offs", readonly=True)
    pulsation_ratio = fields.Float(string="Pulsation Ratio (%)", digits=(5, 2), group_operator="avg")
