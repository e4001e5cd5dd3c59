"""A completed milking's production record, which is the animal's milk of that half day.

A record agrees with its milking at all times: it follows late data, values that a person typed, the animal, and the
rest of a milking that its meter began anew. What a person typed into the record itself stays.
"""

from odoo import _, models
from odoo.exceptions import UserError

#: Values of the milk that session and record have in common.
LAB_VALUES = ("fat_percentage", "protein_percentage", "lactose_percentage", "somatic_cell_count")


class MilkSession(models.Model):
    _inherit = "milk.session"

    def write(self, vals):
        """Milk that is recorded on a farm stays there, and the rest of a milking with the first of it."""
        farms = {session: session.farm_id for session in self} if "meter_id" in vals else {}
        result = super().write(vals)
        for session, farm in farms.items():
            if session.farm_id != farm:
                session._check_may_leave_farm()
        return result

    def unlink(self):
        """Their records go with them: nobody could correct those any more."""
        relatives = (self.continues_id | self.continued_by_ids) - self
        records = self.env["farm.milk.production"].union(*self._made_productions().values())
        result = super().unlink()
        records.unlink()
        relatives._as_platform()._settle_completed()
        return result

    def _check_may_leave_farm(self):
        if self.production_id:
            raise UserError(_("%s has a production record: delete that first.", self.name))
        others = self.continues_id or self.continued_by_ids[:1]
        if others:
            names = {"session": self.name, "other": others.name}
            raise UserError(_("%(session)s and %(other)s are one milking: they stay on one farm.", **names))

    def action_create_production_record(self):
        """Make the production record of a completed session, where it has been deleted.

        :return: `farm.milk.production`
        """
        self.ensure_one()
        if self.production_id:
            raise UserError(_("%s has a production record already.", self.name))
        if self.state != "completed":
            raise UserError(_("%s is not completed.", self.name))
        if self.continues_id:
            raise UserError(
                _(
                    "%(rest)s is the rest of %(first)s: its milk is recorded there.",
                    rest=self.name,
                    first=self.continues_id.name,
                )
            )
        if self.identification == "doubtful":
            raise UserError(_("It is doubtful whose milking %s is: enter the animal first.", self.name))
        if not self.animal_id:
            raise UserError(_("%s needs an animal: milk production is recorded per animal.", self.name))
        self._as_platform()._flow_to_production()
        if not self._made_productions():
            raise UserError(_("The production record under the name %s is of another farm.", self.name))
        return self.production_id

    def action_view_production(self):
        """Open the production record."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "farm.milk.production",
            "res_id": (self.production_id or self.continues_id.production_id).id,
            "view_mode": "form",
            "views": [(False, "form")],
        }

    def _flow_to_production(self):
        """Bring the production records in line with these sessions: make, change, or delete them."""
        firsts = self.continues_id | self.filtered(lambda session: not session.continues_id)
        rests = firsts.continued_by_ids | self.filtered("continues_id")
        productive = firsts.filtered(lambda session: session._is_productive())
        made = (firsts | rests)._made_productions()
        strangers = (firsts | rests).filtered(lambda session: session not in made)
        strangers.filtered("production_id").with_context(from_meter=True).production_id = False
        firsts, rests, productive = firsts - strangers, rests - strangers, productive - strangers
        moved = productive.filtered(lambda session: made[session] and made[session].animal_id != session.animal_id)
        typed = {session: made[session]._typed_vals() for session in moved}
        for session in rests | (firsts - productive) | moved:
            made[session].unlink()
        known = (productive - moved).filtered(made.get)
        for session in known:
            made[session]._follow(session._measured_vals())
            if session.production_id != made[session]:
                session.with_context(from_meter=True).production_id = made[session]
        unrecorded = productive - known
        # sudo: a meter's records are the milkings' alone to make; whoever changed a milking was allowed to write it.
        # Nor does a default of the user's own get in, which sudo keeps.
        own = {"typed_values": False}
        vals_list = [{**own, **session._production_vals(), **typed.get(session, {})} for session in unrecorded]
        productions = self.env["farm.milk.production"].sudo().create(vals_list)
        for session, production in zip(unrecorded, productions, strict=True):
            session.with_context(from_meter=True).production_id = production
            # The ORM takes the animal's farm when it creates a record, and she may have moved since she was milked.
            if production.farm_id != session.farm_id:
                production.farm_id = session.farm_id

    def _made_productions(self):
        """The record that was made of each of these milkings, whatever stands in `production_id`.

        :return: dict session -> `farm.milk.production`, empty where there is none; without the sessions under whose
            name there is a record of another farm, which is not theirs and leaves no room for their own
        """
        # sudo: a meter's records are the milkings' alone to change, and their animals may have left for a farm that
        # the user does not see.
        found = (
            self.env["farm.milk.production"]
            .sudo()
            .search([("source", "=", "iot_meter"), ("source_reference", "in", self.mapped("name"))])
        )
        by_name = found.grouped("source_reference")
        made = {session: by_name.get(session.name, found.browse()) for session in self}
        return {
            session: production
            for session, production in made.items()
            if not production or production.farm_id == session.farm_id
        }

    def _is_productive(self):
        """Whether the milk of this milking, with its rest, is recorded as its animal's."""
        return (
            self.state == "completed"
            and bool(self.animal_id)
            and self.identification != "doubtful"
            and sum(self._parts().mapped("total_yield")) > 0
        )

    def _parts(self):
        """This milking and the completed ones that are its rest."""
        rests = self.continued_by_ids.filtered(
            lambda rest: rest.state == "completed" and rest.identification != "doubtful"
        )
        return self | rests

    def _production_vals(self):
        return {
            "animal_id": self.animal_id.id,
            "source": "iot_meter",
            "source_reference": self.name,
            **self._measured_vals(),
        }

    def _measured_vals(self):
        """What late messages may correct: an earlier one also moves the beginning, and with it the half day."""
        parts = self._parts()
        return {
            "date": self.farm_id._local_date(self.start_time),
            "milking_time": self.farm_id._milking_time(self.start_time),
            "quantity": sum(parts.mapped("total_yield")),
            **{name: parts._mean_of_milk(name) for name in LAB_VALUES},
        }

    def _mean_of_milk(self, name):
        """A value of the milk of several sessions together; 0 where none has measured it."""
        measured = self.filtered(name)
        if len(measured) < 2:
            return measured[name]
        liters = sum(measured.mapped("total_yield"))
        if not liters:
            return measured[0][name]
        mean = sum(session[name] * session.total_yield for session in measured) / liters
        return round(mean) if self._fields[name].type == "integer" else mean
