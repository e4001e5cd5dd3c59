"""What a meter has measured is recorded by its milkings alone, under their names.

A record that somebody else made under the name of a milking would keep the milking's own out, now or years later.
"""

from odoo import _, api, models
from odoo.exceptions import UserError


class FarmMilkProduction(models.Model):
    _inherit = "farm.milk.production"

    @api.model_create_multi
    def create(self, vals_list):
        self._check_source_of_users([vals.get("source") for vals in vals_list])
        return super().create(vals_list)

    def write(self, vals):
        if {"source", "source_reference"} & vals.keys():
            self._check_source_of_users([*self.mapped("source"), vals.get("source")])
        return super().write(vals)

    @api.model
    def _check_source_of_users(self, sources):
        if "iot_meter" in sources and not self.env.su:
            raise UserError(_("Only a milking of a milk meter makes a production record with this source."))
