"""What people correct: a value that was typed is not taken back by a meter, and what follows from it follows."""

from datetime import timedelta

from odoo import _, api, fields, models
from odoo.exceptions import ValidationError

#: Fields that a meter measures and a person may put right.
MEASURED = frozenset(
    {
        "start_time",
        "end_time",
        "current_yield",
        "total_yield",
        "current_flow_rate",
        "peak_flow_rate",
        "milk_temperature",
        "conductivity",
        "fat_percentage",
        "protein_percentage",
        "lactose_percentage",
        "somatic_cell_count",
        "blood_detected",
        "vacuum_level",
        "pulsation_rate",
        "pulsation_ratio",
        "yield_lf",
        "yield_rf",
        "yield_lr",
        "yield_rr",
        "conductivity_lf",
        "conductivity_rf",
        "conductivity_lr",
        "conductivity_rr",
    }
)
#: By so much the clock of whoever enters an end may be ahead.
_AHEAD = timedelta(minutes=5)
_OF_CONSEQUENCE = MEASURED | {"animal_id", "state"}


class MilkSession(models.Model):
    _inherit = "milk.session"

    @api.model_create_multi
    def create(self, vals_list):
        sessions = super().create(vals_list)
        sessions._check_typed_end()
        return sessions

    def write(self, vals):
        """What no meter says is a person's word."""
        if self._is_meters_word() or not _OF_CONSEQUENCE & vals.keys():
            return super().write(vals)
        if "animal_id" in vals:
            vals = {"identification": "person" if vals["animal_id"] else "none", **vals}
        names = _OF_CONSEQUENCE & vals.keys()
        before = {session: {name: session[name] for name in names} for session in self}
        result = super().write(vals)
        if "end_time" in names:
            self._check_typed_end()
        changed = {session: {name for name in names if session[name] != before[session][name]} for session in self}
        for session, fields_changed in changed.items():
            session._note_typed(fields_changed & MEASURED)
        self._follow_corrections(changed)
        return result

    # No constraint: those run with the platform's rights in some series, and would not know who says it.
    def _check_typed_end(self):
        """What meters and other systems say of the end is taken as it comes: their clocks may be wrong.

        :raises ValidationError: for an end that a person enters and that cannot be
        """
        if self._is_platform():
            return
        for session in self:
            if session.end_time and session.end_time > fields.Datetime.now() + _AHEAD:
                raise ValidationError(_("The end of the milking is still to come: enter it when it is over."))
            if session.state == "completed" and not session.end_time:
                raise ValidationError(_("A completed milking has an end: enter when it was."))

    def _note_typed(self, names):
        if not names:
            return
        typed = names.union(self.typed_values or ())
        if not self.end_time:
            # Emptied, it is the meter's to say.
            typed -= {"end_time"}
        self._as_platform().with_context(from_meter=True).typed_values = sorted(typed)

    def _follow_corrections(self, changed):
        """Tell whoever depends on these sessions what has changed in them.

        :param changed: dict session -> names of its fields
        """
        sessions = self._as_platform()
        completed = sessions.filtered(lambda session: session.state == "completed" and changed[session])
        identified = completed.filtered(lambda session: "animal_id" in changed[session])
        identified._on_identified()
        # An end has its own consequences, see `_on_completed`.
        (completed - identified).filtered(lambda session: "state" not in changed[session])._on_late_data()
        cancelled = sessions.filtered(lambda session: session.state == "cancelled" and "state" in changed[session])
        cancelled._on_cancelled()
