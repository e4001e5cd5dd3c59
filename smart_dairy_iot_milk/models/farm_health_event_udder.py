"""Episodes of a suspect udder as health events, and what a treatment means for the milk."""

from collections import defaultdict
from datetime import datetime, time, timedelta

from odoo import _, api, fields, models

from ..mastitis.milking import QUARTERS

_OF_WITHDRAWAL = frozenset({"animal_id", "date", "withdrawal_until"})


class FarmHealthEvent(models.Model):
    _inherit = "farm.health.event"

    udder_level = fields.Selection(
        [("warning", "Warning"), ("critical", "Critical")],
        readonly=True,
        copy=False,
        tracking=True,
        help="The highest level that the meters have found in this episode.",
    )
    udder_score = fields.Float(string="Highest Score", digits=(6, 3), readonly=True, copy=False, group_operator="max")
    udder_quarter = fields.Selection(
        [(quarter, quarter.upper()) for quarter in QUARTERS], string="Quarter", readonly=True, copy=False
    )
    udder_over = fields.Boolean(
        string="Calm Again",
        readonly=True,
        copy=False,
        help="Six milkings in a row showed nothing: what comes next is another episode.",
    )
    last_session_id = fields.Many2one(
        "milk.session", string="Last Suspect Milking", readonly=True, copy=False, ondelete="set null"
    )
    session_ids = fields.One2many("milk.session", "mastitis_event_id", string="Milkings", readonly=True)

    @api.model_create_multi
    def create(self, vals_list):
        events = super().create(vals_list)
        events.filtered("withdrawal_until")._tell_milkings(events._withheld_since())
        return events

    def write(self, vals):
        concerned = self if _OF_WITHDRAWAL & vals.keys() else self.browse()
        before = concerned._withheld_since()
        result = super().write(vals)
        after = concerned._withheld_since()
        for animal, since in after.items():
            before[animal] = min(since, before.get(animal, since))
        concerned._tell_milkings(before)
        return result

    def unlink(self):
        before = self._withheld_since()
        model = self.browse()
        result = super().unlink()
        model._tell_milkings(before)
        return result

    def _withheld_since(self):
        """dict animal -> first day on which one of these events withholds its milk."""
        days = {}
        for event in self.filtered("withdrawal_until"):
            days[event.animal_id] = min(event.date, days.get(event.animal_id, event.date))
        return days

    def _tell_milkings(self, days):
        """Put right what was said of milkings since these days.

        :param days: dict animal -> date by the farm's calendar
        """
        # sudo: who enters a treatment decides on the milk; the milkings are not his to write otherwise.
        sessions = self.env["milk.session"].sudo()
        for animal, since in days.items():
            # No clock on earth is more than 14 hours ahead.
            start = datetime.combine(since, time()) - timedelta(hours=14)
            milkings = sessions.search(
                [("animal_id", "=", animal.id), ("state", "=", "completed"), ("start_time", ">=", start)]
            )
            before = milkings.filtered("under_withdrawal")
            milkings._mark_withheld()
            (milkings.filtered("under_withdrawal") - before)._record_rejected()

    @api.model
    def _withdrawals(self, animals):
        """The days on which the milk of animals is withheld.

        :return: dict id of the animal -> list of (first day, last day)
        """
        periods = defaultdict(list)
        # sudo: milk is withheld whoever looks at it.
        events = self.sudo().search([("animal_id", "in", animals.ids), ("withdrawal_until", "!=", False)])
        for event in events:
            periods[event.animal_id.id].append((event.date, event.withdrawal_until))
        return periods

    def action_treat(self):
        """Open a new treatment of the animal, in which the withdrawal is entered; the episode is done with."""
        self.ensure_one()
        self.action_done()
        return self._treatment_window(self.animal_id, self.description)

    @api.model
    def _treatment_window(self, animal, description):
        """The window in which a treatment of an animal is entered."""
        return {
            "type": "ir.actions.act_window",
            "name": _("Treatment"),
            "res_model": "farm.health.event",
            "view_mode": "form",
            "views": [(False, "form")],
            "context": {
                "default_animal_id": animal.id,
                "default_event_type": "mastitis",
                "default_description": description,
            },
        }
