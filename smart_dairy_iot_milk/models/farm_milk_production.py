"""What a meter has measured is recorded by its milkings alone, under their names.

A record that somebody else made under the name of a milking would keep the milking's own out, now or years later. What
a person typed into a milking's record stays there, whatever the meter says later. Whose milk it is, and where it was
milked, is corrected on the milking.
"""

from odoo import _, api, fields, models
from odoo.exceptions import UserError

_FROM_MILKING = frozenset(
    {
        "date",
        "milking_time",
        "quantity",
        "fat_percentage",
        "protein_percentage",
        "lactose_percentage",
        "somatic_cell_count",
    }
)
_WHOSE = frozenset({"animal_id", "farm_id", "company_id"})


class FarmMilkProduction(models.Model):
    _inherit = "farm.milk.production"

    typed_values = fields.Json(
        readonly=True, copy=False, help="Names of the fields that a person typed into a milking's record."
    )

    @api.model_create_multi
    def create(self, vals_list):
        # What vals leave out, the ORM takes from the context and from the defaults of the user.
        otherwise = self.default_get(["source", "typed_values"])
        for vals in vals_list:
            self._check_source_of_users([(otherwise | vals).get("source")])
            self._check_typed_by_users(otherwise | vals)
        return super().create(vals_list)

    def write(self, vals):
        if {"source", "source_reference"} & vals.keys():
            self._check_source_of_users([*self.mapped("source"), vals.get("source")])
        if _WHOSE & vals.keys():
            self._check_whose_by_users(vals)
        self._check_typed_by_users(vals)
        names = _FROM_MILKING & vals.keys()
        if (self.env.su and self.env.context.get("from_meter")) or not names:
            return super().write(vals)
        before = {production: {name: production[name] for name in names} for production in self}
        result = super().write(vals)
        for production in self.filtered(lambda production: production.source == "iot_meter"):
            typed = {name for name in names if production[name] != before[production][name]}
            if typed:
                # sudo: what was typed is noted by the platform alone.
                production.sudo().typed_values = sorted(typed.union(production.typed_values or ()))
        return result

    @api.model
    def _check_source_of_users(self, sources):
        if "iot_meter" in sources and not self.env.su:
            raise UserError(_("Only a milking makes a production record with this source."))

    def _check_whose_by_users(self, vals):
        """An export that comes back names the animal and the farm, too: as they are, they may."""
        owners = {name: vals[name] for name in _WHOSE & vals.keys()}
        moved = self.filtered(lambda production: any(production[name].id != id_ for name, id_ in owners.items()))
        if "iot_meter" in moved.mapped("source") and not self.env.su:
            raise UserError(_("This is the record of a milking: correct there whose milk it is."))

    @api.model
    def _check_typed_by_users(self, vals):
        if "typed_values" in vals and not self.env.su:
            raise UserError(_("What was typed into a milking's record is noted by the platform alone."))

    def _typed_vals(self):
        """What a person typed, as vals of a record that takes the place of this one."""
        typed = self.typed_values or []
        return {**{name: self[name] for name in typed}, "typed_values": typed or False}

    def _follow(self, vals):
        """Take over what the milking says, but for what a person typed here."""
        typed = self.typed_values or ()
        changed = {name: value for name, value in vals.items() if name not in typed and self[name] != value}
        if changed:
            self.with_context(from_meter=True).write(changed)
