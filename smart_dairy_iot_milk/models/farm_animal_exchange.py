"""Under which name other systems know an animal."""

from odoo import _, api, fields, models
from odoo.exceptions import ValidationError

from odoo.addons.smart_dairy_farm.tools.rfid import to_decimal

from ..exchange.ade import Identifier

TAG_SCHEME = "iso.11784"
"""Of the fifteen digits of an ISO 11784 tag."""
ANIMAL_SCHEME = "smart-dairy.animal"
"""Of the farm's code and the animal's number on it, e.g. `HILL/17`."""


class FarmAnimal(models.Model):
    _inherit = "farm.animal"

    ade_scheme = fields.Char(
        string="Identity Scheme",
        copy=False,
        help="The scheme of the animal's official number in data exchange (ICAR ADE), e.g. nl.v1.",
    )
    ade_id = fields.Char(string="Official Number", copy=False, index="btree_not_null")

    _sql_constraints = [
        (
            "ade_unique",
            "UNIQUE(farm_id, ade_scheme, ade_id)",
            "Another animal of this farm has this official number already.",
        ),
    ]

    @api.constrains("ade_scheme", "ade_id")
    def _check_ade(self):
        for animal in self:
            if bool(animal.ade_scheme) != bool(animal.ade_id):
                raise ValidationError(
                    _("Give animal %s an identity scheme and an official number, or neither.", animal.name)
                )
            if animal.ade_scheme in (TAG_SCHEME, ANIMAL_SCHEME):
                raise ValidationError(_("The scheme %s is of tags and farm numbers.", animal.ade_scheme))

    def _ade_identifier(self):
        """The animal, as other systems know it: by its official number, else by its tag, else by its farm's number."""
        self.ensure_one()
        if self.ade_scheme:
            return Identifier(self.ade_scheme, self.ade_id)
        digits = self.rfid_tag and to_decimal(self.rfid_tag)
        if digits:
            return Identifier(TAG_SCHEME, digits)
        return Identifier(ANIMAL_SCHEME, f"{self.farm_id.code}/{self.name}")

    @api.model
    def _find_by_ade(self, identifier, farm, at):
        """The animal of the farm's company that the user may see and that was known so.

        Archived ones too: a cow that has left has been milked.

        :param at: when, naive UTC: tags change their animals
        """
        everything = self.with_context(active_test=False)
        if identifier.scheme == TAG_SCHEME:
            found = everything._find_by_rfid(identifier.id, at)
        elif identifier.scheme == ANIMAL_SCHEME:
            code, _slash, number = identifier.id.partition("/")
            found = everything.search([("farm_id.code", "=", code), ("name", "=", number)])
        else:
            found = everything.search([("ade_scheme", "=", identifier.scheme), ("ade_id", "=", identifier.id)])
        found = found.filtered(lambda animal: animal.company_id == farm.company_id)
        # One that was sold within the company may have a record on each of its farms.
        here = found.filtered(lambda animal: animal.farm_id == farm)
        return (here or found)[:1]
