"""Pens: the parts of a farm in which groups of animals live or are milked."""

from odoo import api, fields, models


class FarmPen(models.Model):
    """A pen, barn section or parlour of one farm."""

    _name = "farm.pen"
    _description = "Pen"
    _inherit = ["farm.owned.mixin"]
    _order = "farm_id, name, id"
    _rec_names_search = ["name", "code", "reference"]

    name = fields.Char(required=True)
    code = fields.Char(required=True, help="Short name, unique on the farm.")
    reference = fields.Char(
        compute="_compute_reference",
        store=True,
        help="Farm code and pen code: names one pen among those of all farms, for instance in a file to import.",
    )
    farm_id = fields.Many2one("farm.location", required=True, index=True, ondelete="restrict")
    company_id = fields.Many2one(related="farm_id.company_id", store=True, index=True)
    pen_type = fields.Selection(
        [
            ("milking", "Lactating Cows"),
            ("dry", "Dry Cows"),
            ("calving", "Calving"),
            ("hospital", "Hospital"),
            ("calf", "Calves"),
            ("bull", "Bulls"),
            ("parlour", "Milking Parlour"),
            ("other", "Other"),
        ],
        required=True,
        default="milking",
    )
    capacity = fields.Integer(help="Places for animals; 0 when it has not been counted.")
    animal_ids = fields.One2many("farm.animal", "pen_id", string="Animals")
    animal_count = fields.Integer(compute="_compute_animal_count")
    occupancy = fields.Float(
        compute="_compute_animal_count", help="Animals per 100 places; 0 when the capacity is not known."
    )
    active = fields.Boolean(default=True)

    _sql_constraints = [
        ("code_unique", "UNIQUE(farm_id, code)", "Another pen of this farm has this code already."),
        ("capacity_positive", "CHECK(capacity >= 0)", "The capacity of a pen cannot be negative."),
    ]

    @api.depends("code", "farm_id.code")
    def _compute_reference(self):
        for pen in self:
            pen.reference = f"{pen.farm_id.code}/{pen.code}"

    @api.depends("animal_ids", "capacity")
    def _compute_animal_count(self):
        counts = dict(self.env["farm.animal"]._read_group([("pen_id", "in", self.ids)], ["pen_id"], ["__count"]))
        for pen in self:
            pen.animal_count = counts.get(pen, 0)
            pen.occupancy = 100.0 * pen.animal_count / pen.capacity if pen.capacity else 0.0

    def action_view_animals(self):
        """Open the animals in this pen."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("smart_dairy_farm.farm_animal_action")
        return {
            **action,
            "domain": [("pen_id", "=", self.id)],
            "context": {"default_farm_id": self.farm_id.id, "default_pen_id": self.id},
        }
