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
    milking_from = fields.Selection(
        [("status", "A status register"), ("flow", "The flow of milk")],
        string="Milking Told By",
        required=True,
        default="status",
        help="A meter without a register that says whether a cow is being milked is read by the flow of her milk.",
    )
    flow_from = fields.Float(
        string="Flow From (L/min)",
        digits=(6, 3),
        required=True,
        default=0.2,
        help="From this flow on a cow is being milked. An assumption: no source for this limit was at hand.",
    )
    idle_seconds = fields.Integer(
        string="Over After (s)",
        required=True,
        default=20,
        help="A milking is over after so many seconds without that flow. An assumption, as the flow is.",
    )
    point_stride = fields.Integer(
        string="Registers per Point",
        required=True,
        default=0,
        help="From the registers of one milking point to those of the next, for meters of several points.",
    )
    largest_gap = fields.Integer(
        required=True,
        default=0,
        help="So many registers without a meaning, 16 at most, may be read to save a request. Not every meter allows "
        "it: one may refuse the whole request.",
    )
    line_ids = fields.One2many("iot.modbus.profile.line", "profile_id", string="Registers", copy=True)
    request_count = fields.Integer(
        string="Requests per Reading",
        compute="_compute_request_count",
        help="Registers of a kind without too large a gap between them are read in one request.",
    )
    problem = fields.Char(
        compute="_compute_request_count", help="What is missing before a meter can be polled with it."
    )
    notes = fields.Text()
    active = fields.Boolean(default=True)

    _sql_constraints = [
        ("name_unique", "UNIQUE(name)", "Another profile has this name already."),
        ("flow_positive", "CHECK(flow_from > 0)", "The flow of a milking is greater than 0."),
        ("idle_positive", "CHECK(idle_seconds >= 1)", "A milking ends after a second without flow at the earliest."),
        ("stride_range", "CHECK(point_stride BETWEEN 0 AND 65535)", "Points lie 0 to 65535 registers apart."),
        ("gap_range", "CHECK(largest_gap BETWEEN 0 AND 16)", "0 to 16 registers can be read across."),
    ]

    @api.depends(
        "milking_from",
        "flow_from",
        "idle_seconds",
        "point_stride",
        "largest_gap",
        "line_ids.quantity",
        "line_ids.register_type",
        "line_ids.address",
        "line_ids.data_type",
        "line_ids.byte_order",
        "line_ids.length",
        "line_ids.bit",
        "line_ids.scale",
        "line_ids.minimum",
        "line_ids.maximum",
        "line_ids.unavailable",
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
        required = REQUIRED_QUANTITIES.get(self.milking_from, ())
        missing = [labels[quantity] for quantity in required if quantity not in present]
        return missing and _("No register for: %s", ", ".join(missing))

    def _as_profile(self):
        """This register map as the poller's `Profile`; raises ProfileError where meters cannot be read with it."""
        self.ensure_one()
        return Profile(
            self.name or "",
            tuple(line._as_line() for line in self.line_ids),
            self.milking_from,
            self.flow_from,
            self.idle_seconds,
            self.point_stride,
            self.largest_gap,
        )
