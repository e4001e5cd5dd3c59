"""Milkings that have left a farm's data exchange: whoever was told of them is told that they are deleted.

Other systems are told of completed and cancelled milkings of known animals. One that was told of and is so no longer
(its animal was taken off, it was deleted, or put to a meter of another farm) is kept here as it was last, until it is
told again, or for two years: whoever has not asked for so long reads all anew.
"""

from datetime import timedelta

from odoo import api, fields, models

_KEPT = timedelta(days=730)

_TOLD_STATES = ("completed", "cancelled")
_TELLING = frozenset({"animal_id", "state", "meter_id", "farm_id"})


class MilkSessionGone(models.Model):
    _name = "milk.session.gone"
    _description = "Milking Gone from Data Exchange"

    farm_id = fields.Many2one("farm.location", required=True, readonly=True, ondelete="cascade")
    # No relation: the milking may be deleted.
    session_number = fields.Integer(required=True, readonly=True, index=True, help="Database ID of the milking.")
    visit = fields.Json(required=True, readonly=True, help="The milking visit (ICAR ADE) as it was before.")

    _sql_constraints = [
        ("session_unique", "UNIQUE(farm_id, session_number)", "This milking is gone from the farm already."),
    ]

    def init(self):
        result = super().init()
        # As of milkings: whoever keeps up asks for what changed since.
        self.env.cr.execute(
            "CREATE INDEX IF NOT EXISTS milk_session_gone_farm_changed"
            " ON milk_session_gone (farm_id, write_date, session_number)"
        )
        return result

    @api.autovacuum
    def _gc_gone(self):
        self.search([("write_date", "<", fields.Datetime.now() - _KEPT)]).unlink()


class MilkSession(models.Model):
    _inherit = "milk.session"

    def write(self, vals):
        if not _TELLING & vals.keys():
            return super().write(vals)
        told = self._ade_told()
        # Read before it is changed; what stays told needs none.
        leaves = not vals.get("animal_id", True) or vals.get("state", "completed") not in _TOLD_STATES
        visits = told._ade_visits() if leaves or {"meter_id", "farm_id"} & vals.keys() else {}
        result = super().write(vals)
        self._ade_forget(visits)
        self._ade_tell_again()
        return result

    def unlink(self):
        visits = self._ade_told()._ade_visits()
        result = super().unlink()
        self._ade_forget(visits)
        return result

    def _ade_told(self):
        """Those of these milkings that other systems are told of."""
        return self.filtered(lambda session: session.state in _TOLD_STATES and session.animal_id)

    def _ade_visits(self):
        """dict (id, farm) -> the milking visit as it is told now."""
        visits = self._ade_resources_now() if self else {}
        return {(session.id, session.farm_id): visits[session.id] for session in self}

    @api.model
    def _ade_forget(self, visits):
        """Have those deleted elsewhere that are not told of any more on their farm.

        :param visits: what `_ade_visits` gave before the change
        """
        still = {(session.id, session.farm_id) for session in self.exists()._ade_told()} if visits else set()
        # sudo: nobody writes it by hand; whoever changed or deleted a milking was allowed to.
        self.env["milk.session.gone"].sudo().create(
            [
                {"farm_id": farm.id, "session_number": number, "visit": visit}
                for (number, farm), visit in visits.items()
                if (number, farm) not in still
            ]
        )

    def _ade_tell_again(self):
        """What is told of again is gone no more."""
        told = self._ade_told()
        if told:
            # sudo: as above.
            gone = self.env["milk.session.gone"].sudo().search([("session_number", "in", told.ids)])
            gone.filtered(lambda each: each.farm_id == told.browse(each.session_number).farm_id).unlink()


class FarmAnimal(models.Model):
    _inherit = "farm.animal"

    def unlink(self):
        """Her milkings lose her, which the database does by itself."""
        # sudo: they may be on a farm that the user does not see.
        sessions = self.env["milk.session"].sudo().search([("animal_id", "in", self.ids)])
        visits = sessions._ade_told()._ade_visits()
        result = super().unlink()
        sessions._ade_forget(visits)
        return result
