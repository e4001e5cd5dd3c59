"""Farms: where animals and devices are, whose clock counts, and who may see what happens there."""

import re
from datetime import timezone

import pytz

from odoo import _, api, fields, models
from odoo.exceptions import ValidationError

from odoo.addons.base.models.res_partner import _tz_get

CODE_PATTERN = re.compile(r"[A-Za-z0-9_-]+")


class FarmLocation(models.Model):
    """A farm. Its code is its name in places where a text is needed, such as topics and files."""

    _name = "farm.location"
    _description = "Farm"
    _inherit = ["farm.owned.mixin"]
    _order = "name, id"
    _rec_names_search = ["name", "code"]

    name = fields.Char(required=True)
    code = fields.Char(
        required=True,
        copy=False,
        help="Short and unique: letters, digits, '_' and '-'. Devices and files know the farm by it.",
    )
    company_id = fields.Many2one("res.company", required=True, index=True, default=lambda self: self.env.company)
    tz = fields.Selection(
        _tz_get,
        string="Time Zone",
        required=True,
        default=lambda self: self.env.user.tz or self.env.company.partner_id.tz or "UTC",
        help="The farm's clock: it decides to which day a milking belongs, and whether to its morning or evening.",
    )
    street = fields.Char()
    city = fields.Char()
    zip = fields.Char(string="ZIP")
    country_id = fields.Many2one("res.country")
    latitude = fields.Float(digits=(9, 6), help="Degrees north of the equator; south is negative.")
    longitude = fields.Float(digits=(9, 6), help="Degrees east of Greenwich; west is negative.")
    user_ids = fields.Many2many(
        "res.users",
        string="Allowed Users",
        domain="[('share', '=', False)]",
        help="Who may see this farm and all that belongs to it. Empty: every dairy user of the company. "
        "Dairy administrators see every farm of their companies.",
    )
    pen_ids = fields.One2many("farm.pen", "farm_id", string="Pens")
    animal_ids = fields.One2many("farm.animal", "farm_id", string="Animals")
    pen_count = fields.Integer(compute="_compute_pen_count")
    animal_count = fields.Integer(compute="_compute_animal_count")
    active = fields.Boolean(default=True)

    _sql_constraints = [
        ("code_unique", "UNIQUE(code)", "Another farm has this code already."),
        ("latitude_range", "CHECK(latitude BETWEEN -90 AND 90)", "A latitude lies between -90 and 90 degrees."),
        ("longitude_range", "CHECK(longitude BETWEEN -180 AND 180)", "A longitude lies between -180 and 180 degrees."),
    ]

    @api.constrains("code")
    def _check_code(self):
        for farm in self:
            if not CODE_PATTERN.fullmatch(farm.code):
                raise ValidationError(_("The farm code %r may have letters, digits, '_' and '-' only.", farm.code))

    @api.depends("pen_ids")
    def _compute_pen_count(self):
        counts = dict(self.env["farm.pen"]._read_group([("farm_id", "in", self.ids)], ["farm_id"], ["__count"]))
        for farm in self:
            farm.pen_count = counts.get(farm, 0)

    @api.depends("animal_ids")
    def _compute_animal_count(self):
        counts = dict(self.env["farm.animal"]._read_group([("farm_id", "in", self.ids)], ["farm_id"], ["__count"]))
        for farm in self:
            farm.animal_count = counts.get(farm, 0)

    def _local_datetime(self, moment):
        """Return the time on the farm's clock, an aware datetime, at a moment (naive datetime in UTC)."""
        self.ensure_one()
        return moment.replace(tzinfo=timezone.utc).astimezone(pytz.timezone(self.tz))

    def _local_date(self, moment):
        """Return the farm's date at a moment (naive datetime in UTC)."""
        return self._local_datetime(moment).date()

    def _milking_time(self, moment):
        """Return ``"am"`` or ``"pm"``: the half of the farm's day in which a moment (naive datetime in UTC) lies."""
        return "am" if self._local_datetime(moment).hour < 12 else "pm"

    def action_view_pens(self):
        """Open this farm's pens."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("smart_dairy_farm.farm_pen_action")
        return {**action, "domain": [("farm_id", "=", self.id)], "context": {"default_farm_id": self.id}}

    def action_view_animals(self):
        """Open this farm's animals."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("smart_dairy_farm.farm_animal_action")
        return {**action, "domain": [("farm_id", "=", self.id)], "context": {"default_farm_id": self.id}}
