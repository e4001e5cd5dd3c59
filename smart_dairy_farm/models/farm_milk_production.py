"""Milk production: what one animal gave at one milking, typed in, imported, or measured by a meter."""

from odoo import _, api, fields, models


class FarmMilkProduction(models.Model):
    """The milk of one animal at one milking."""

    _name = "farm.milk.production"
    _description = "Milk Production"
    _inherit = ["farm.owned.mixin"]
    _order = "date desc, milking_time desc, id desc"

    animal_id = fields.Many2one("farm.animal", required=True, index=True, ondelete="restrict")
    farm_id = fields.Many2one(
        "farm.location",
        compute="_compute_farm_id",
        store=True,
        precompute=True,
        required=True,
        index=True,
        ondelete="restrict",
        help="The farm on which the animal was milked: it stays when the animal moves.",
    )
    company_id = fields.Many2one(related="farm_id.company_id", store=True, index=True)
    date = fields.Date(required=True, index=True, default=fields.Date.context_today, help="By the farm's calendar.")
    milking_time = fields.Selection(
        [("am", "Morning"), ("pm", "Evening")],
        string="Milking",
        required=True,
        default="am",
        help="Half of the farm's day. A cow at a robot may have several milkings in one half.",
    )
    quantity = fields.Float(string="Quantity (L)", digits=(10, 3), required=True)
    fat_percentage = fields.Float(string="Fat (%)", digits=(5, 2), group_operator="avg")
    protein_percentage = fields.Float(string="Protein (%)", digits=(5, 2), group_operator="avg")
    lactose_percentage = fields.Float(string="Lactose (%)", digits=(5, 2), group_operator="avg")
    somatic_cell_count = fields.Integer(group_operator="avg", help="Somatic cells per mL; 0 when not measured.")
    source = fields.Selection(
        [("manual", "Entered by Hand"), ("iot_meter", "Milking"), ("import", "Import")],
        required=True,
        default="manual",
        index=True,
    )
    source_reference = fields.Char(
        copy=False, help="The record's name where it comes from. What comes twice from one source is refused."
    )

    _sql_constraints = [
        (
            "source_reference_unique",
            "UNIQUE(source, source_reference)",
            "The milk production with this source reference is there already.",
        ),
        ("quantity_positive", "CHECK(quantity >= 0)", "A quantity of milk cannot be negative."),
        (
            "percentages_range",
            (
                "CHECK(fat_percentage BETWEEN 0 AND 100 AND protein_percentage BETWEEN 0 AND 100 "
                "AND lactose_percentage BETWEEN 0 AND 100)"
            ),
            "Fat, protein and lactose lie between 0 and 100 per cent.",
        ),
        ("cell_count_positive", "CHECK(somatic_cell_count >= 0)", "A somatic cell count cannot be negative."),
    ]

    # Not of animal_id.farm_id: where it was milked does not change when the animal moves.
    @api.depends("animal_id")
    def _compute_farm_id(self):
        for production in self:
            production.farm_id = production.animal_id.farm_id

    @api.depends("animal_id.name", "date", "milking_time")
    def _compute_display_name(self):
        labels = dict(self._fields["milking_time"]._description_selection(self.env))
        for production in self:
            label = labels.get(production.milking_time, "")
            production.display_name = f"{production.animal_id.name or ''} {production.date or ''} {label}".strip()

    @api.onchange("animal_id")
    def _onchange_animal_id(self):
        """Propose the farm's current half day for a milking being entered by hand."""
        if self.animal_id and not self._origin:
            now = fields.Datetime.now()
            self.date = self.farm_id._local_date(now)
            self.milking_time = self.farm_id._milking_time(now)

    @api.model
    def get_import_templates(self):
        """Offer the template of Odoo's own import."""
        return [
            {
                "label": _("Import Template for Milk Production"),
                "template": "/smart_dairy_farm/static/import/milk_production.xls",
            }
        ]
