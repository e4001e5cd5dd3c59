"""What a meter has measured is recorded by its milkings alone, under their names.

A record that somebody else made under the name of a milking would keep the milking's own out, now or years later. What
a person typed into a milking's record stays there, whatever the meter says later.
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


class FarmMilkProduction(models.Model):
    _inherit = "farm.milk.production"

    typed_values = fields.Json(
        readonly=True, copy=False, help="Names of the fields that a person typed into a milking's record."
    )

    @api.model_create_multi
    def create(self, vals_list):
        # What vals leave out, the ORM takes from the context.
        otherwise = self.env.context.get("default_source")
        self._check_source_of_users([vals.get("source", otherwise) for vals in vals_list])
        return super().create(vals_list)

    def write(self, vals):
        if {"source", "source_reference"} & vals.keys():
            self._check_source_of_users([*self.mapped("source"), vals.get("source")])
        names = _FROM_MILKING & vals.keys()
        if self.env.context.get("from_meter") or not names:
            return super().write(vals)
        before = {production: {name: production[name] for name in names} for production in self}
        result = super().write(vals)
        for production in self.filtered(lambda production: production.source == "iot_meter"):
            typed = {name for name in names if production[name] != before[production][name]}
            if typed:
                production.typed_values = sorted(typed.union(production.typed_values or ()))
        return result

    @api.model
    def _check_source_of_users(self, sources):
        if "iot_meter" in sources and not self.env.su:
            raise UserError(_("Only a milking of a milk meter makes a production record with this source."))

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
