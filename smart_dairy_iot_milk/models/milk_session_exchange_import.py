"""Milkings from other systems: milking visits of ICAR's Animal Data Exchange become sessions, once each."""

from datetime import timedelta

import jsonschema_rs

from odoo import _, api, fields, models
from odoo.exceptions import UserError, ValidationError

from odoo.addons.smart_dairy_iot.bridge import plain_words

from ..exchange.ade import AdeError, read_visit
from ..exchange.ade_schema import QUARTERS, VISIT
from .farm_animal_exchange import TAG_SCHEME
from .milk_session_identification import BY_PEOPLE

_VALIDATOR = jsonschema_rs.validator_for(VISIT, validate_formats=True)
_MEASURED = (
    "somatic_cell_count",
    "fat_percentage",
    "protein_percentage",
    "lactose_percentage",
    "blood_detected",
    "peak_flow_rate",
    "milk_temperature",
)
#: By so much another system's clock may be ahead.
_AHEAD = timedelta(hours=1)
#: What was milked longer ago is history: it is recorded, and raises no alert.
_NEWS = timedelta(days=2)


class MilkSession(models.Model):
    _inherit = "milk.session"

    @api.model
    def _import_ade(self, farm, resource):
        """Make a milking visit a session, or bring the session in line with it.

        What comes again is known by `meta.source` and `meta.sourceId`; an older version of it changes nothing, and a
        milking that was cancelled here stays so.

        :param resource: as parsed from JSON, not checked yet
        :return: (session, "created", "updated", "cancelled" or "unchanged"); no session where one that is not known was
            deleted there
        :raises UserError: where it cannot be taken, which says why
        """
        visit = self._read_ade(resource)
        session = self._of_visit(farm, visit)
        if session and (session.state == "cancelled" or visit.modified.replace(microsecond=0) < session.ade_modified):
            return session, "unchanged"
        if visit.is_deleted:
            return session, session._cancel_visit(visit)
        model = self._as_platform().with_context(from_meter=True, tracking_disable=True)
        vals = model._visit_vals(farm, visit, session)
        if session:
            return session, session.with_env(model.env)._update_visit(vals)
        created = model.create(vals)
        created._on_completed()
        created._tell_screens()
        # What is done with it from here on is no meter's word any more.
        return created.with_env(self.env), "created"

    @api.model
    def _read_ade(self, resource):
        """:raises ValidationError: for what is no milking visit"""
        if not _VALIDATOR.is_valid(resource):
            raise ValidationError(plain_words.explain(_VALIDATOR.iter_errors(resource)))
        try:
            return read_visit(resource, self.env["iot.settings"]._milk_density())
        except AdeError as error:
            raise ValidationError(str(error)) from error

    @api.model
    def _of_visit(self, farm, visit):
        return self.search(
            [
                ("farm_id", "=", farm.id),
                ("ade_source", "=", visit.source),
                ("ade_source_id", "=", visit.source_id),
            ]
        )

    def _cancel_visit(self, visit):
        """It was deleted where it comes from."""
        if not self:
            return "unchanged"
        if self.production_id:
            raise UserError(_("%s has a production record: cancel it here, if it was no milking.", self.name))
        self.action_cancel()
        self._as_platform().ade_modified = visit.modified.replace(microsecond=0)
        return "cancelled"

    def _update_visit(self, vals):
        changed = {name: value for name, value in vals.items() if self._in_record(name) != value}
        self.write(changed)
        if not changed.keys() - {"ade_modified"}:
            return "unchanged"
        self._on_late_data()
        self._tell_screens()
        return "updated"

    def _in_record(self, name):
        value = self[name]
        return value.id if isinstance(value, models.BaseModel) else value

    @api.model
    def _visit_vals(self, farm, visit, session):
        """What a session becomes by a visit. What a person typed stays.

        :raises UserError: for an animal that nobody knows, and for a milking that cannot be
        """
        start = visit.start.replace(microsecond=0)
        if start > fields.Datetime.now() + _AHEAD:
            raise ValidationError(_("The milking begins in the future: %s UTC.", start))
        animal, identification = self._visit_animal(farm, visit, session, start)
        end = start + timedelta(seconds=visit.duration_seconds or 0)
        self._check_not_milked_twice(animal, start, end, session)
        vals = {
            **self._visit_place(farm, visit, session),
            "source": "api",
            "animal_id": animal.id,
            "identification": identification,
            "start_time": start,
            "end_time": end,
            "last_message_at": end,
            "ended_by_meter": bool(visit.is_complete),
            "state": "completed",
            "current_yield": visit.yield_liters,
            "total_yield": visit.yield_liters,
            "ade_source": visit.source,
            "ade_source_id": visit.source_id,
            "ade_modified": visit.modified.replace(microsecond=0),
            **self._visit_measured(visit),
        }
        typed = session._typed_beside(vals)
        return {name: value for name, value in vals.items() if name not in typed}

    def _typed_beside(self, vals):
        """The names of the values that a person typed, and that stand beside those of a visit.

        Of a milking that is said to have been at another time the beginning and end that were typed stand no more.
        """
        typed = set(self.typed_values or ())
        begin = self.start_time if "start_time" in typed else vals["start_time"]
        end = self.end_time if "end_time" in typed else vals["end_time"]
        return typed if begin <= end else typed - {"start_time", "end_time"}

    @api.model
    def _visit_animal(self, farm, visit, session, start):
        """(animal, how it is known); what a person has entered stays, and what the platform has found doubtful."""
        if session.identification in (*BY_PEOPLE, "doubtful"):
            return session.animal_id, session.identification
        animals = self.env["farm.animal"]
        animal = animals._find_by_ade(visit.animal, farm, start)
        # sudo: she may have left for a farm that the user does not see; her milkings here are still told.
        if not animal and animals.sudo()._find_by_ade(visit.animal, farm, start) == session.animal_id:
            animal = session.animal_id
        if not animal:
            raise UserError(_("There is no animal %(id)s of scheme %(scheme)s that you may see.", **vars(visit.animal)))
        return animal, "tag" if visit.animal.scheme == TAG_SCHEME else "number"

    @api.model
    def _visit_place(self, farm, visit, session):
        """The meter and its point. A session stays with the meter that it was first put to."""
        meter = session.meter_id or self.env["iot.milk_meter"]._of_visit(farm, visit)
        place = visit.parlour_unit or visit.box_number
        number = int(place) if place.isascii() and place.isdigit() and len(place) <= 5 else 0
        point = meter.milking_point_ids.filtered(lambda point: number and point.point_number == number)
        return {"meter_id": meter.id, "milking_point": point[:1].id, "channel": number}

    @api.model
    def _visit_measured(self, visit):
        """0 and False for what was not measured, so that a later version takes back what an earlier one said."""
        vals = {name: visit.measured.get(name, 0) for name in _MEASURED}
        vals["blood_detected"] = bool(vals["blood_detected"])
        # The meter's own figure is not told: what came is at 25 °C already.
        vals["conductivity"] = visit.measured.get("conductivity_25", 0)
        for name in QUARTERS:
            quarter = visit.quarters.get(name, {})
            vals[f"yield_{name.lower()}"] = quarter.get("yield", 0)
            vals[f"conductivity_{name.lower()}"] = quarter.get("conductivity_25", 0)
        return vals

    @api.model
    def _check_not_milked_twice(self, animal, start, end, session):
        """:raises UserError: where the cow was being milked then already, by a meter here or in another record there"""
        if not animal:
            return
        end = max(end, start + timedelta(seconds=1))
        other = self.search(
            [
                ("id", "not in", session.ids),
                ("animal_id", "=", animal.id),
                ("state", "!=", "cancelled"),
                ("start_time", "<", end),
                "|",
                ("start_time", "=", start),
                "|",
                ("end_time", ">", start),
                ("state", "=", "in_progress"),
            ],
            limit=1,
        )
        if other:
            # sudo: she may have left for a farm that the user does not see.
            names = {"animal": animal.sudo().name, "session": other.name}
            raise UserError(_("Animal %(animal)s was milked at that time already: %(session)s.", **names))

    # ------------------------------------------------------------------ what is told of them

    def _record_rejected(self):
        news = fields.Datetime.now() - _NEWS
        current = self.filtered(lambda session: not session.ade_source or session.start_time >= news)
        return super(MilkSession, current)._record_rejected()
