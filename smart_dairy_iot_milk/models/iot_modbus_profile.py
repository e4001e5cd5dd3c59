"""Register maps of milk meters. Data, not code: no maker publishes one, so people find out and write down."""

from odoo import _, api, fields, models

from ..modbus.profile import REQUIRED_QUANTITIES, Profile, ProfileError
from .iot_milk_meter import MANUFACTURERS


class IotModbusProfile(models.Model):
    _name = "iot.modbus.profile"
    _description = "Modbus Profile"
    _inherit = ["iot.registry.mixin"]
    _order = "manufacturer, name"

    name = fields.Char(required=True)
    manufacturer = fields.Selection(MANUFACTURERS, required=True, default="other")
    register_type = fields.Selection(
        [("holding", "Holding registers (function 3)"), ("input", "Input registers (function 4)")],
        required=True,
        default="holding",
    )
    line_ids = fields.One2many("iot.modbus.profile.line", "profile_id", string="Registers", copy=True)
    request_count = fields.Integer(
        string="Requests per Reading",
        compute="_compute_request_count",
        help="Registers without a gap between them are read in one request; a gap is never read across.",
    )
    problem = fields.Char(
        compute="_compute_request_count", help="What is missing before a meter can be polled with it."
    )
    notes = fields.Text()
    active = fields.Boolean(default=True)

    _sql_constraints = [
        ("name_unique", "UNIQUE(name)", "Another profile has this name already."),
    ]

    @api.depends(
        "register_type",
        "line_ids.quantity",
        "line_ids.address",
        "line_ids.data_type",
        "line_ids.byte_order",
        "line_ids.length",
        "line_ids.bit",
    )
    def _compute_request_count(self):
        for profile in self:
            try:
                profile.request_count = len(profile._as_profile().blocks)
                profile.problem = False
            except ProfileError as error:
                profile.request_count = 0
                profile.problem = profile._missing() or str(error)

    def _missing(self):
        labels = dict(self.env["iot.modbus.profile.line"]._fields["quantity"]._description_selection(self.env))
        present = self.line_ids.mapped("quantity")
        missing = [labels[quantity] for quantity in REQUIRED_QUANTITIES if quantity not in present]
        return missing and _("No register for: %s", ", ".join(missing))

    def _as_profile(self):
        """This register map as the poller's `Profile`; raises ProfileError where meters cannot be read with it."""
        self.ensure_one()
        return Profile(self.name or "", self.register_type, tuple(line._as_line() for line in self.line_ids))
