"""What is usual of a cow, and how far a milking is from that."""

from datetime import timedelta

from odoo import _, models

from ..quality import YIELD_MEAN_DAYS, is_conductivity_abnormal, is_yield_abnormal


class MilkSession(models.Model):
    _inherit = "milk.session"

    def _abnormalities(self):
        """What is unusual about this milking for its animal, as a list of texts."""
        self.ensure_one()
        reasons = []
        # While it runs every yield is small.
        if self.state == "completed" and is_yield_abnormal(self.total_yield, self._mean_yield()):
            reasons.append(_("Yield deviation >30% from average"))
        if is_conductivity_abnormal(self.conductivity, self.animal_id.conductivity_baseline):
            reasons.append(_("Elevated conductivity"))
        return reasons

    def _mean_yield(self):
        """Mean of the animal's completed milkings in the 30 days before this one; 0.0 where there is none."""
        groups = self._read_group(
            [
                ("animal_id", "=", self.animal_id.id),
                ("state", "=", "completed"),
                ("start_time", "<", self.start_time),
                ("start_time", ">=", self.start_time - timedelta(days=YIELD_MEAN_DAYS)),
                ("id", "!=", self._origin.id),
            ],
            [],
            ["total_yield:avg"],
        )
        return groups[0][0] or 0.0
