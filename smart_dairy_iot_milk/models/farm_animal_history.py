"""The way from an animal to what she has given."""

from odoo import _, models


class FarmAnimal(models.Model):
    _inherit = "farm.animal"

    def action_view_milk_history(self):
        """Open what the animal has given, and the course of her lactation."""
        self.ensure_one()
        return {
            "type": "ir.actions.client",
            "tag": "milk_history",
            "name": _("Milk of %s", self.name),
            "params": {"animal_id": self.id},
        }
