"""Completed milkings as the mastitis score reads them: many at once, and without the ORM's rows."""

from typing import NamedTuple

from odoo import api, models

from ..mastitis import Milking, Past
from ..mastitis.levels import evidence_of

# The yield of a milking is that of the session and of the rest that its meter began anew. Conductivity is at 25 °C
# where the session was judged before, and the quarters are converted by the same factor.
_SELECT = """
    SELECT session.id, session.animal_id, session.start_time,
           COALESCE(session.total_yield, 0) + COALESCE(rest.total_yield, 0),
           session.conductivity, session.conductivity_25,
           session.conductivity_lf, session.conductivity_rf, session.conductivity_lr, session.conductivity_rr,
           session.lactose_percentage, session.somatic_cell_count, session.blood_detected,
           session.under_withdrawal, session.mastitis_score, session.mastitis_level
      FROM milk_session session
      LEFT JOIN LATERAL (
           SELECT sum(rest.total_yield) AS total_yield FROM milk_session rest
            WHERE rest.continues_id = session.id AND rest.state = 'completed'
      ) rest ON TRUE
     WHERE session.state = 'completed' AND session.animal_id IS NOT NULL AND session.continues_id IS NULL
       AND session.identification IS DISTINCT FROM 'doubtful'
       AND {condition}
     ORDER BY session.start_time, session.id
"""

_READ = [
    "animal_id",
    "start_time",
    "total_yield",
    "state",
    "continues_id",
    "identification",
    "farm_id",
    "conductivity",
    "conductivity_25",
    "conductivity_lf",
    "conductivity_rf",
    "conductivity_lr",
    "conductivity_rr",
    "lactose_percentage",
    "somatic_cell_count",
    "blood_detected",
    "under_withdrawal",
    "mastitis_score",
    "mastitis_level",
]


class UdderMilking(NamedTuple):
    """A milking, whose it is, and the evidence found in it (None where it was never judged)."""

    session_id: int
    animal_id: int
    milking: Milking
    evidence: float | None
    level: str | None

    @property
    def past(self):
        """As the history of a later milking."""
        return Past(self.milking, self.evidence)


class MilkSession(models.Model):
    _inherit = "milk.session"

    @api.model
    def _udder_milkings(self, condition, parameters):
        """Completed milkings of known animals in order of time.

        :param condition: SQL on `session`, written by the caller, its values in `parameters`
        :return: list of `UdderMilking`
        """
        self.flush_model(_READ)
        self.env.cr.execute(_SELECT.replace("{condition}", condition), parameters)
        return [self._udder_milking(*row) for row in self.env.cr.fetchall()]

    @api.model
    def _udder_milking(
        self,
        session_id,
        animal_id,
        start,
        liters,
        whole,
        whole_25,
        lf,
        rf,
        lr,
        rr,
        lactose,
        cells,
        blood,
        withheld,
        score,
        level,
    ):
        """One row; 0 is "not measured"."""
        quarters = [lf, rf, lr, rr]
        measured = whole or max(quarter or 0 for quarter in quarters)
        factor = whole_25 / measured if whole_25 and measured else 1.0
        milking = Milking(
            start,
            liters or None,
            whole * factor if whole else None,
            tuple(quarter * factor if quarter else None for quarter in quarters),
            lactose=lactose or None,
            scc=cells or None,
            # A meter that measures no blood says the same as one that saw none.
            blood=bool(blood),
            withheld=bool(withheld),
        )
        return UdderMilking(session_id, animal_id, milking, evidence_of(score) if level else None, level)
