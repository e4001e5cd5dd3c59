"""Animals of the herd, found by their number or by any form of any tag they wear or wore."""

import re

from odoo import _, api, fields, models
from odoo.exceptions import UserError, ValidationError

from ..tools.rfid import RfidError, normalize

# Of the digits of a tag, so many find it.
_LEAST_DIGITS = 4
# A number of an animal is as long as its tag's at most.
_MOST_DIGITS = 15


class FarmAnimal(models.Model):
    """An animal of a farm."""

    _name = "farm.animal"
    _description = "Animal"
    _inherit = ["mail.thread", "farm.owned.mixin"]
    _order = "farm_id, number_order, id"
    _rec_names_search = ["name", "rfid_numbers"]

    name = fields.Char(string="Number", required=True, tracking=True, help="The animal's number or name on the farm.")
    number_order = fields.Char(
        string="Order by Number",
        compute="_compute_number_order",
        store=True,
        help="The number with its digits filled up: 9 comes before 10, and before 19 where 9 is searched for.",
    )
    farm_id = fields.Many2one(
        "farm.location",
        required=True,
        index=True,
        tracking=True,
        ondelete="restrict",
        default=lambda self: self._default_farm(),
    )
    company_id = fields.Many2one(related="farm_id.company_id", store=True, index=True)
    pen_id = fields.Many2one(
        "farm.pen", index=True, tracking=True, ondelete="restrict", domain="[('farm_id', '=', farm_id)]"
    )
    group_name = fields.Char(string="Group", help="The herd manager's own grouping, such as a feeding group.")
    breed = fields.Char()
    sex = fields.Selection([("female", "Female"), ("male", "Male")], required=True, default="female")
    birth_date = fields.Date()
    status = fields.Selection(
        [
            ("calf", "Calf"),
            ("heifer", "Heifer"),
            ("lactating", "Lactating"),
            ("dry", "Dry"),
            ("sold", "Sold"),
            ("dead", "Dead"),
        ],
        required=True,
        default="lactating",
        index=True,
        tracking=True,
    )
    lactation_number = fields.Integer(string="Lactation", tracking=True, group_operator="avg")
    last_calving_date = fields.Date(tracking=True)
    days_in_milk = fields.Integer(
        compute="_compute_days_in_milk",
        help="Days since the last calving, by the farm's calendar; 0 for an animal that gives no milk.",
    )
    conductivity_baseline = fields.Float(
        digits=(6, 3),
        group_operator="avg",
        help="The usual conductivity of this cow's milk in mS/cm at 25 °C; 0 as long as it is not known.",
    )
    rfid_ids = fields.One2many("farm.animal.rfid", "animal_id", string="Tags")
    rfid_tag = fields.Char(
        string="RFID Tag",
        compute="_compute_rfid_tag",
        inverse="_inverse_rfid_tag",
        store=True,
        index=True,
        copy=False,
        tracking=True,
        help="The primary tag that the animal wears now, as 16 hexadecimal digits. Any printed form may be entered: "
        "it replaces the tag worn so far, which stays in the history.",
    )
    rfid_numbers = fields.Char(
        string="Tag Numbers",
        compute="_compute_rfid_numbers",
        search="_search_rfid_numbers",
        help="All tags that the animal wears now. The search takes any form of a tag, or some of its digits.",
    )
    production_ids = fields.One2many("farm.milk.production", "animal_id", string="Milk Production")
    health_event_ids = fields.One2many("farm.health.event", "animal_id", string="Health Events")
    production_count = fields.Integer(compute="_compute_production_count")
    health_event_count = fields.Integer(compute="_compute_health_event_count", help="Health events not yet done.")
    active = fields.Boolean(default=True)

    _sql_constraints = [
        ("name_unique", "UNIQUE(farm_id, name)", "Another animal of this farm has this number already."),
        ("lactation_number_positive", "CHECK(lactation_number >= 0)", "The lactation number cannot be negative."),
        ("conductivity_positive", "CHECK(conductivity_baseline >= 0)", "A conductivity cannot be negative."),
    ]

    @api.constrains("farm_id", "pen_id")
    def _check_pen(self):
        for animal in self:
            if animal.pen_id and animal.pen_id.farm_id != animal.farm_id:
                raise ValidationError(
                    _(
                        "Animal %(animal)s is on farm %(farm)s, but pen %(pen)s is on another one.",
                        animal=animal.name,
                        farm=animal.farm_id.name,
                        pen=animal.pen_id.reference,
                    )
                )

    @api.constrains("birth_date", "last_calving_date", "farm_id")
    def _check_dates(self):
        now = fields.Datetime.now()
        for animal in self:
            today = animal.farm_id._local_date(now)
            if animal.birth_date and animal.birth_date > today:
                raise ValidationError(_("Animal %s cannot be born in the future.", animal.name))
            if animal.last_calving_date and animal.last_calving_date > today:
                raise ValidationError(_("Animal %s cannot have calved in the future.", animal.name))
            if animal.birth_date and animal.last_calving_date and animal.last_calving_date <= animal.birth_date:
                raise ValidationError(_("Animal %s cannot have calved before it was born.", animal.name))

    @api.model
    def _default_farm(self):
        """The only farm, where the user sees no other."""
        farms = self.env["farm.location"].search([("company_id", "=", self.env.company.id)], limit=2)
        return farms if len(farms) == 1 else farms.browse()

    @api.depends("status", "last_calving_date", "farm_id.tz")
    def _compute_days_in_milk(self):
        now = fields.Datetime.now()
        for animal in self:
            animal.days_in_milk = 0
            if animal.status == "lactating" and animal.last_calving_date and animal.farm_id:
                animal.days_in_milk = (animal.farm_id._local_date(now) - animal.last_calving_date).days

    @api.depends("rfid_ids.rfid_tag", "rfid_ids.is_primary", "rfid_ids.date_to")
    def _compute_rfid_tag(self):
        for animal in self:
            animal.rfid_tag = animal.rfid_ids._current_primary().rfid_tag

    def _inverse_rfid_tag(self):
        for animal in self:
            animal.rfid_ids._current_primary()._replace(animal, animal.rfid_tag)
        # A field being written is not recomputed by itself, and what was written may be any printed form.
        self._compute_rfid_tag()

    @api.depends("name")
    def _compute_number_order(self):
        for animal in self:
            animal.number_order = re.sub(r"\d+", lambda digits: digits[0].zfill(_MOST_DIGITS), animal.name or "")

    @api.depends("rfid_ids.tag_decimal", "rfid_ids.rfid_tag", "rfid_ids.date_to")
    def _compute_rfid_numbers(self):
        for animal in self:
            worn = animal.rfid_ids.filtered(lambda tag: not tag.date_to)
            animal.rfid_numbers = ", ".join(tag.tag_decimal or tag.rfid_tag for tag in worn)

    @api.model
    def _search_rfid_numbers(self, operator, value):
        """Animals that wear a tag now, given in any form (``=``, ``in``) or by some of its digits (``ilike``)."""
        if operator not in ("=", "in", "like", "ilike"):
            raise UserError(_("Tags are searched by 'is equal to' and 'contains' only."))
        tags = self.env["farm.animal.rfid"]
        values = [value] if isinstance(value, str) else [text for text in value or [] if isinstance(text, str)]
        worn = [("date_to", "=", False)]
        for text in values:
            tags |= tags.search([*worn, ("rfid_tag", "=", _canonical(text))])
            # A few digits are in every tag: those are a number's.
            if operator in ("like", "ilike") and len(text.strip()) >= _LEAST_DIGITS:
                tags |= tags.search([*worn, "|", ("printed_tag", "ilike", text), ("tag_decimal", "ilike", text)])
        return [("id", "in", tags.animal_id.ids)]

    @api.depends("production_ids")
    def _compute_production_count(self):
        counts = self._count_by_animal("farm.milk.production", [])
        for animal in self:
            animal.production_count = counts.get(animal, 0)

    @api.depends("health_event_ids.state")
    def _compute_health_event_count(self):
        counts = self._count_by_animal("farm.health.event", [("state", "=", "open")])
        for animal in self:
            animal.health_event_count = counts.get(animal, 0)

    def _count_by_animal(self, model, domain):
        groups = self.env[model]._read_group([("animal_id", "in", self.ids), *domain], ["animal_id"], ["__count"])
        return dict(groups)

    @api.onchange("farm_id")
    def _onchange_farm_id(self):
        if self.pen_id.farm_id != self.farm_id:
            self.pen_id = False

    @api.model
    def get_import_templates(self):
        """Offer the template of Odoo's own import."""
        return [{"label": _("Import Template for Animals"), "template": "/smart_dairy_farm/static/import/animals.xls"}]

    @api.model
    def _find_by_rfid(self, tag, at=None):
        """Return the animal that wears a tag, or an empty recordset if none that the user may see does.

        :param tag: any form of a tag (see ``tools.rfid.normalize``); what is no tag finds no animal
        :param at: naive datetime in UTC at which the animal wore the tag; now when left out
        """
        canonical = _canonical(tag)
        if not canonical:
            return self.browse()
        return self.env["farm.animal.rfid"]._worn(canonical, at).animal_id

    def action_view_production(self):
        """Open this animal's milk production."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("smart_dairy_farm.farm_milk_production_action")
        return {**action, "domain": [("animal_id", "=", self.id)], "context": {"default_animal_id": self.id}}

    def action_view_health_events(self):
        """Open this animal's health events."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("smart_dairy_farm.farm_health_event_action")
        return {**action, "domain": [("animal_id", "=", self.id)], "context": {"default_animal_id": self.id}}


def _canonical(tag):
    """Return the canonical form of a tag, or None for what is no animal's tag."""
    try:
        return normalize(tag)
    except RfidError:
        return None
