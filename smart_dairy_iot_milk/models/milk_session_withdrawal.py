"""Milk of cows under treatment: it is not delivered, whatever it measures."""

from odoo import _, models
from odoo.tools.misc import format_date


class MilkSession(models.Model):
    _inherit = "milk.session"

    def _mark_withheld(self):
        """Set `under_withdrawal` of these milkings as the treatments of their animals are known now."""
        periods = self.env["farm.health.event"]._withdrawals(self.animal_id)
        for session in self.with_context(from_meter=True, tracking_disable=True):
            withheld = bool(session._withheld_until(periods))
            if session.under_withdrawal != withheld:
                session.under_withdrawal = withheld

    def _withheld_until(self, periods=None):
        """The last day on which this animal's milk is withheld, of the treatments that include this milking.

        :param periods: of `farm.health.event._withdrawals`, where many milkings are asked for
        :return: date, or None where none does
        """
        self.ensure_one()
        if not self.animal_id or not self.start_time:
            return None
        if periods is None:
            periods = self.env["farm.health.event"]._withdrawals(self.animal_id)
        day = self.farm_id._local_date(self.start_time)
        return max((until for since, until in periods[self.animal_id.id] if since <= day <= until), default=None)

    def _reject_reasons(self):
        until = self._withheld_until() if self.under_withdrawal else None
        if not until:
            return super()._reject_reasons()
        return [_("milk withheld until %s", format_date(self.env, until)), *super()._reject_reasons()]
