"""Milkings: one cow at one milking point, from the first drop to the last.

How sessions come from messages is in `milk_session_reaction` and `milk_session_identification`, what happens at their
end in `milk_session_completion`, `milk_session_parts` and `milk_session_production`, and what people correct in
`milk_session_correction`.
"""

from odoo import _, api, fields, models
from odoo.exceptions import ValidationError

from ..quality import GRADES, quality_grade


class MilkSession(models.Model):
    _name = "milk.session"
    _description = "Milking Session"
    _inherit = ["mail.thread", "farm.owned.mixin"]
    _order = "start_time desc, id desc"
    _rec_names_search = ["name", "animal_id.name", "rfid_tag"]
    _owner_fields = frozenset({"company_id", "farm_id", "meter_id"})

    name = fields.Char(string="Session", readonly=True, copy=False, required=True, default=lambda self: _("New"))
    session_key = fields.Char(
        string="Meter's Session ID",
        readonly=True,
        copy=False,
        help="The milking, as the meter names it; with its beginning where the meter has used that name before.",
    )
    wire_session_id = fields.Char(
        string="Session ID as Sent", readonly=True, copy=False, index=True, help="Meters use their ids again."
    )
    source = fields.Selection(
        [("modbus", "Modbus"), ("mqtt", "MQTT"), ("api", "REST API"), ("manual", "Entered by Hand")],
        required=True,
        readonly=True,
        copy=False,
        default="manual",
        help="How the first message of the milking came.",
    )

    meter_id = fields.Many2one("iot.milk_meter", string="Milk Meter", required=True, index=True, tracking=True)
    farm_id = fields.Many2one(
        "farm.location",
        compute="_compute_farm_id",
        store=True,
        precompute=True,
        required=True,
        index=True,
        help="Where the milking was: it stays when the meter moves.",
    )
    company_id = fields.Many2one(related="farm_id.company_id", store=True, index=True)
    animal_id = fields.Many2one(
        "farm.animal", index=True, tracking=True, help="Empty as long as nobody knows who was milked."
    )
    milking_point = fields.Many2one("iot.milk_meter.point", index=True, domain="[('meter_id', '=', meter_id)]")
    channel = fields.Integer(readonly=True, copy=False, help="Number of the milking point on the wire.")
    rfid_tag = fields.Char(
        string="RFID Tag", index=True, help="As 16 hexadecimal digits; as it was sent where it is no animal's tag."
    )

    start_time = fields.Datetime(required=True, index=True, default=fields.Datetime.now, tracking=True)
    end_time = fields.Datetime(copy=False, tracking=True)
    last_message_at = fields.Datetime(
        string="Last Message", readonly=True, copy=False, help="The meter's time of its last message."
    )
    last_received_at = fields.Datetime(
        readonly=True, copy=False, help="When the last message arrived: long silence ends a session."
    )
    ended_by_meter = fields.Boolean(
        readonly=True,
        copy=False,
        help="The meter itself said that the milking was over. One ended by hand or by its time-out may still go on.",
    )
    duration_seconds = fields.Integer(
        string="Duration (s)", compute="_compute_duration", store=True, group_operator="avg"
    )

    current_yield = fields.Float(string="Current Yield (L)", digits=(10, 3))
    total_yield = fields.Float(string="Total Yield (L)", digits=(10, 3), tracking=True)
    current_flow_rate = fields.Float(string="Current Flow Rate (L/min)", digits=(8, 3), group_operator="avg")
    peak_flow_rate = fields.Float(string="Peak Flow Rate (L/min)", digits=(8, 3), group_operator="avg")
    avg_flow_rate = fields.Float(
        string="Average Flow Rate (L/min)", digits=(8, 3), compute="_compute_duration", store=True, group_operator="avg"
    )

    milk_temperature = fields.Float(string="Milk Temperature (°C)", digits=(5, 2), group_operator="avg")
    conductivity = fields.Float(string="Conductivity (mS/cm)", digits=(6, 3), group_operator="avg")
    fat_percentage = fields.Float(string="Fat (%)", digits=(5, 2), group_operator="avg")
    protein_percentage = fields.Float(string="Protein (%)", digits=(5, 2), group_operator="avg")
    lactose_percentage = fields.Float(string="Lactose (%)", digits=(5, 2), group_operator="avg")
    somatic_cell_count = fields.Integer(string="Somatic Cells (1/mL)", group_operator="avg")
    blood_detected = fields.Boolean()

    vacuum_level = fields.Float(string="Vacuum (kPa)", digits=(5, 2), group_operator="avg")
    pulsation_rate = fields.Integer(string="Pulsation (1/min)", group_operator="avg")

    quality_grade = fields.Selection(GRADES, compute="_compute_quality_grade", store=True, index=True)
    is_abnormal = fields.Boolean(string="Abnormal", compute="_compute_is_abnormal", store=True)
    abnormality_reason = fields.Char(compute="_compute_is_abnormal", store=True)

    state = fields.Selection(
        [("in_progress", "In Progress"), ("completed", "Completed"), ("cancelled", "Cancelled")],
        string="Status",
        required=True,
        readonly=True,
        default="in_progress",
        copy=False,
        index=True,
        tracking=True,
    )
    production_id = fields.Many2one(
        "farm.milk.production", string="Production Record", readonly=True, copy=False, ondelete="set null"
    )
    continues_id = fields.Many2one(
        "milk.session",
        readonly=True,
        copy=False,
        index="btree_not_null",
        help="The milking of which this is the rest: the meter began anew.",
    )
    continued_by_ids = fields.One2many("milk.session", "continues_id", string="Continued by")
    typed_values = fields.Json(readonly=True, copy=False, help="Names of the fields that a person typed.")

    _sql_constraints = [
        ("name_unique", "UNIQUE(name)", "Session ID must be unique!"),
        ("key_unique", "UNIQUE(meter_id, session_key)", "The meter has reported this session already."),
        ("yield_positive", "CHECK(current_yield >= 0 AND total_yield >= 0)", "A yield cannot be negative."),
        ("end_after_start", "CHECK(end_time >= start_time)", "A milking cannot end before it has begun."),
    ]

    @api.constrains("meter_id", "milking_point")
    def _check_milking_point(self):
        for session in self:
            if session.milking_point and session.milking_point.meter_id != session.meter_id:
                names = {"point": session.milking_point.name, "meter": session.meter_id.name}
                raise ValidationError(_("%(point)s is not a milking point of %(meter)s.", **names))

    @api.onchange("milking_point")
    def _onchange_milking_point(self):
        """Say that another cow stands there. No more: milkings of the past are entered while others are milked."""
        if not self.milking_point or self.state != "in_progress":
            return None
        running = self.search(
            [
                ("milking_point", "=", self.milking_point._origin.id),
                ("state", "=", "in_progress"),
                ("id", "not in", self._origin.ids),
            ],
            limit=1,
        )
        if not running:
            return None
        names = {"session": running.name, "point": self.milking_point.name}
        return {
            "warning": {
                "title": _("The milking point is occupied"),
                "message": _(
                    "%(session)s is in progress at point %(point)s: it shows as occupied until both are ended.", **names
                ),
            }
        }

    # Not of meter_id.farm_id: where it was milked does not change when the meter moves.
    @api.depends("meter_id")
    def _compute_farm_id(self):
        for session in self:
            session.farm_id = session.meter_id.farm_id

    @api.depends("start_time", "end_time", "last_message_at", "total_yield")
    def _compute_duration(self):
        for session in self:
            until = session.end_time or session.last_message_at
            seconds = (until - session.start_time).total_seconds() if until and session.start_time else 0
            session.duration_seconds = max(0, int(seconds))
            session.avg_flow_rate = session.total_yield * 60 / seconds if seconds > 0 else 0.0

    # Not of the farm's limits: milk keeps the grade by which it was delivered.
    @api.depends("fat_percentage", "protein_percentage", "somatic_cell_count", "blood_detected", "under_withdrawal")
    def _compute_quality_grade(self):
        for session in self:
            session.quality_grade = (
                "reject"
                if session.under_withdrawal
                else quality_grade(
                    session.fat_percentage,
                    session.protein_percentage,
                    session.somatic_cell_count,
                    session.blood_detected,
                    session.farm_id._grade_limits(),
                )
            )

    # Judged at its end: while it runs every yield is small, and there is a message each second.
    @api.depends("state", "total_yield", "conductivity", "animal_id")
    def _compute_is_abnormal(self):
        for session in self:
            is_over = session.state == "completed" and session.animal_id
            reasons = session._abnormalities() if is_over else []
            session.is_abnormal = bool(reasons)
            session.abnormality_reason = "; ".join(reasons)

    def init(self):
        """What is looked up with each batch of messages: the milkings around it at a point, and an animal's before."""
        result = super().init()
        self.env.cr.execute(
            """
            CREATE INDEX IF NOT EXISTS milk_session_point_start
                ON milk_session (meter_id, channel, start_time DESC);
            CREATE INDEX IF NOT EXISTS milk_session_animal_start
                ON milk_session (animal_id, start_time DESC) WHERE state = 'completed';
            """
        )
        return result

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            if vals.get("name", _("New")) == _("New"):
                vals["name"] = self.env["ir.sequence"].next_by_code("milk.session.sequence")
        return super().create(vals_list)
