"""Under which name other systems know a farm."""

from odoo import _, api, fields, models
from odoo.exceptions import ValidationError

from ..exchange.ade import Identifier

FARM_SCHEME = "smart-dairy.farm"
"""Of farms' codes, by which every farm can be asked for."""


class FarmLocation(models.Model):
    _inherit = "farm.location"

    ade_scheme = fields.Char(
        string="Location Scheme",
        copy=False,
        help="The scheme of the farm's official number in data exchange (ICAR ADE), e.g. nl.ubn.",
    )
    ade_id = fields.Char(string="Location ID", copy=False, help="The farm's official number.")

    _sql_constraints = [
        ("ade_unique", "UNIQUE(ade_scheme, ade_id)", "Another farm has this location ID already."),
    ]

    @api.constrains("ade_scheme", "ade_id")
    def _check_ade(self):
        for farm in self:
            if bool(farm.ade_scheme) != bool(farm.ade_id):
                raise ValidationError(_("Give %s a location scheme and a location ID, or neither.", farm.name))
            if farm.ade_scheme and (farm.ade_scheme == FARM_SCHEME or {"/", "?", "#"} & set(farm._ade_text())):
                raise ValidationError(_("This cannot be the identity of a farm: %s", farm._ade_text()))

    def _ade_text(self):
        return f"{self.ade_scheme} {self.ade_id}"

    def _ade_identifier(self):
        """The farm, as other systems know it; by its code where it has no official number."""
        self.ensure_one()
        if self.ade_scheme:
            return Identifier(self.ade_scheme, self.ade_id)
        return Identifier(FARM_SCHEME, self.code)

    @api.model
    def _find_by_ade(self, identifier):
        """The farm that the user may see and other systems know so; by its code in any case."""
        if identifier.scheme == FARM_SCHEME:
            return self.search([("code", "=", identifier.id)])
        return self.search([("ade_scheme", "=", identifier.scheme), ("ade_id", "=", identifier.id)])
