"""How a milking stands to what is usual of its cow, and what that says of her udder's health.

A milking is judged when it is completed, and again when its data or its animal change, by what came before it. Those
after it keep their scores: what people have acted upon is not rewritten. The method stands in docs/mastitis.md.
"""

from collections import defaultdict

from odoo import fields, models

from ..mastitis import score
from ..mastitis.score import OLDEST
from .milk_session_quarters import QUARTERS

_LEVELS = [("normal", "Normal"), ("watch", "Watch"), ("warning", "Warning"), ("critical", "Critical")]
_NOT_JUDGED = {
    "conductivity_25": 0.0,
    "mastitis_score": 0.0,
    "mastitis_level": False,
    "mastitis_reasons": False,
    "mastitis_quarter": False,
    "expected_yield": 0.0,
    "yield_deviation": 0.0,
}


class MilkSession(models.Model):
    _inherit = "milk.session"

    expected_yield = fields.Float(
        string="Expected Yield (L)", digits=(10, 3), readonly=True, copy=False, group_operator="avg"
    )
    yield_deviation = fields.Float(
        string="Deviation (%)", digits=(6, 1), readonly=True, copy=False, group_operator="avg"
    )
    conductivity_25 = fields.Float(
        string="Conductivity at 25 °C (mS/cm)", digits=(6, 3), readonly=True, copy=False, group_operator="avg"
    )
    mastitis_score = fields.Float(digits=(6, 3), readonly=True, copy=False, group_operator="max", help="0 to 100.")
    mastitis_level = fields.Selection(
        _LEVELS,
        string="Udder Health",
        readonly=True,
        copy=False,
        index=True,
        help="Empty where there is not enough to judge by.",
    )
    mastitis_reasons = fields.Text(readonly=True, copy=False)
    mastitis_quarter = fields.Selection(
        [(quarter, quarter.upper()) for quarter in QUARTERS], string="Quarter", readonly=True, copy=False
    )
    mastitis_event_id = fields.Many2one("farm.health.event", string="Episode", readonly=True, copy=False)
    under_withdrawal = fields.Boolean(
        readonly=True, copy=False, help="The cow is under treatment: her milk is not delivered."
    )

    def _settle(self):
        """Milk that is withheld is known before its grade is told; what the udder shows, when its rest is known."""
        self._mark_withheld()
        result = super()._settle()
        (self | self.continues_id | self.continued_by_ids)._judge_udder()
        return result

    def _judge_udder(self):
        """Score completed milkings of known animals and say what was to be expected; of others say nothing."""
        sessions = self.with_context(from_meter=True, tracking_disable=True)
        judged = sessions.filtered(
            lambda session: (
                session.state == "completed"
                and session.animal_id
                and not session.continues_id
                and session.identification != "doubtful"
            )
        )
        for session in sessions - judged:
            session._write_changed({**_NOT_JUDGED, "mastitis_event_id": False})
        for session in judged:
            session._write_changed({"conductivity_25": session._conductivity_at_25()})
        known = judged._known_milkings()
        for session in judged.sorted(lambda session: (session.start_time, session.id)):
            session._judge(known[session.animal_id.id])

    def _conductivity_at_25(self):
        """The cow's conductivity, her highest quarter's where only quarters are measured, at 25 °C; 0 if none is."""
        measured = self.conductivity or max(self[f"conductivity_{quarter}"] for quarter in QUARTERS)
        return measured * self.meter_id._conductivity_factor(self.milk_temperature)

    def _known_milkings(self):
        """The milkings of these animals in the month before these, and these themselves.

        :return: dict id of the animal -> dict id of the session -> `UdderMilking`, in order of time
        """
        known = defaultdict(dict)
        if self:
            rows = self._udder_milkings(
                "session.animal_id = ANY(%s) AND session.start_time >= %s AND session.start_time <= %s",
                [self.animal_id.ids, min(self.mapped("start_time")) - OLDEST, max(self.mapped("start_time"))],
            )
            for row in rows:
                known[row.animal_id][row.session_id] = row
        return known

    def _judge(self, known):
        """Judge this milking.

        :param known: dict id of the session -> `UdderMilking` of the animal, this one's included; it gets the evidence
        """
        mine = known[self.id]
        oldest = mine.milking.at - OLDEST
        earlier = [row for row in known.values() if oldest <= row.milking.at < mine.milking.at]
        expected = self._expected_yield([row.milking for row in earlier])
        verdict = score(
            mine.milking,
            [row.past for row in earlier],
            self.farm_id._herd_norm(self.start_time),
            self.farm_id._mastitis_settings(),
        )
        known[self.id] = mine._replace(evidence=verdict.evidence if verdict.level else None, level=verdict.level)
        liters = mine.milking.yield_kg or 0.0
        self._write_changed(
            {
                "mastitis_score": verdict.score if verdict.level else 0.0,
                "mastitis_level": verdict.level or False,
                "mastitis_reasons": "\n".join(verdict.reasons) if verdict.level else False,
                "mastitis_quarter": verdict.quarter or False,
                "expected_yield": expected,
                "yield_deviation": 100 * (liters / expected - 1) if expected else 0.0,
            }
        )
        self._follow_episode()

    def _write_changed(self, vals):
        """Write what differs: a milking is judged again with each late message, mostly with the same result."""
        changed = {
            name: value
            for name, value in vals.items()
            if self._fields[name].convert_to_cache(value, self) != self._fields[name].convert_to_cache(self[name], self)
        }
        if changed:
            self.write(changed)
