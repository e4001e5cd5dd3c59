"""A completed milking's production record, which is the animal's milk of that half day."""

from odoo import _, models
from odoo.exceptions import UserError


class MilkSession(models.Model):
    _inherit = "milk.session"

    def action_create_production_record(self):
        """Make the production record of a completed session, once its animal is known.

        :return: `farm.milk.production`
        """
        self.ensure_one()
        if self.production_id:
            raise UserError(_("%s has a production record already.", self.name))
        if self.state != "completed":
            raise UserError(_("%s is not completed.", self.name))
        if not self.animal_id:
            raise UserError(_("%s needs an animal: milk production is recorded per animal.", self.name))
        self._create_production()
        return self.production_id

    def action_view_production(self):
        """Open the production record."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "farm.milk.production",
            "res_id": self.production_id.id,
            "view_mode": "form",
            "views": [(False, "form")],
        }

    def _create_production(self):
        """Record the milk of the sessions that have an animal and milk."""
        productive = self.filtered(lambda session: session.animal_id and session.total_yield > 0)
        # sudo: a meter's records are the milkings' alone to make; whoever completes one was allowed to write it.
        productions = self.env["farm.milk.production"].sudo()
        productions = productions.create([session._production_vals() for session in productive])
        for session, production in zip(productive, productions, strict=True):
            session.production_id = production

    def _production_vals(self):
        return {
            "animal_id": self.animal_id.id,
            "farm_id": self.farm_id.id,
            "source": "iot_meter",
            "source_reference": self.name,
            **self._measured_vals(),
        }

    def _measured_vals(self):
        """What late messages may correct: an earlier one also moves the beginning, and with it the half day."""
        return {
            "date": self.farm_id._local_date(self.start_time),
            "milking_time": self.farm_id._milking_time(self.start_time),
            "quantity": self.total_yield,
            "fat_percentage": self.fat_percentage,
            "protein_percentage": self.protein_percentage,
            "lactose_percentage": self.lactose_percentage,
            "somatic_cell_count": self.somatic_cell_count,
        }
