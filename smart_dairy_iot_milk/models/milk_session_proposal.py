"""Milkings without an animal: the list of them, and who was probably milked."""

from collections import Counter, defaultdict
from datetime import timedelta
from statistics import median

from odoo import _, api, fields, models
from odoo.exceptions import UserError
from odoo.tools.misc import formatLang

from odoo.addons.smart_dairy_farm.tools.rfid_reads import may_be_of

from ..proposal import Candidate, UnknownMilking, propose
from ..reactors.meter_data import canonical

#: No cow is milked again sooner, be it by a robot: who was milked within this time is not missing.
_MILKED_AGAIN_AFTER = timedelta(hours=4)
# A herd milked twice a day has one milking of a cow in each half of it; up to this many a day.
_TWICE_A_DAY = 2.5
#: From this history are a cow's usual yield (her last milkings at that half day) and her usual place taken.
_HISTORY = timedelta(days=14)
_YIELDS = 10
_SHIFTS = 7
# With fewer cows there is no order to speak of.
_SHIFT_MIN = 10
# Cows before and behind whose pens count.
_NEIGHBOURS = 6
# Older milkings than this are proposed for on request only.
_RECENT = timedelta(days=2)


class MilkSession(models.Model):
    _inherit = "milk.session"

    proposed_animal_id = fields.Many2one("farm.animal", string="Likely Animal", readonly=True, copy=False)
    proposal_reason = fields.Char(string="Why", readonly=True, copy=False)
    proposal_certainty = fields.Float(
        string="Certainty", readonly=True, copy=False, group_operator=False, help="From 0 to 1."
    )
    left_unknown = fields.Boolean(
        string="Cannot Be Known",
        readonly=True,
        copy=False,
        help="Somebody looked at it and nobody can tell: it is no longer on the list of milkings to assign.",
    )

    def write(self, vals):
        if vals.get("animal_id"):
            vals = {**self._proposal_vals(None), "left_unknown": False, **vals}
        return super().write(vals)

    # ------------------------------------------------------------------ actions

    def action_accept_proposal(self):
        """Take the likely animals of these milkings for theirs."""
        open_sessions = self.filtered(lambda session: session.proposed_animal_id and not session.animal_id)
        if not open_sessions:
            raise UserError(_("No likely animal is proposed for these milkings."))
        refused = []
        for session in open_sessions.sorted(lambda session: -session.proposal_certainty):
            elsewhere = session._milked_about_then(session.proposed_animal_id)
            if elsewhere:
                refused.append(session._refusal(elsewhere))
            else:
                session._as_platform().write({"animal_id": session.proposed_animal_id.id, "identification": "proposal"})
        if len(refused) == len(open_sessions):
            raise UserError("\n".join(refused))
        return _notification("\n".join(refused), type="warning", sticky=True) if refused else True

    def action_assign(self):
        """Ask whose milkings these are."""
        return {
            "type": "ir.actions.act_window",
            "name": _("Assign Animal"),
            "res_model": "milk.session.assign",
            "view_mode": "form",
            "views": [(False, "form")],
            "target": "new",
            "context": {
                "default_session_ids": [(6, 0, self.ids)],
                "default_animal_id": self.proposed_animal_id.id if len(self) == 1 else False,
            },
        }

    def action_leave_unknown(self):
        """Nobody can tell whose milkings these are: they leave the list, and their milk stays."""
        self.filtered(lambda session: not session.animal_id)._as_platform().left_unknown = True

    def action_propose(self):
        """Look for likely animals again, now, and say for how many milkings there is one."""
        self._propose_animals()
        found = len(self.filtered("proposed_animal_id"))
        return _notification(
            _("A likely animal was found for %(found)s of %(milkings)s milkings.", found=found, milkings=len(self)),
            type="success" if found else "info",
        )

    def _milked_about_then(self, animal):
        """Another milking of an animal so near to this one that it cannot be hers, too."""
        return self.search(
            [
                ("animal_id", "=", animal.id),
                ("id", "not in", self.ids),
                ("state", "!=", "cancelled"),
                ("start_time", ">", self.start_time - _MILKED_AGAIN_AFTER),
                ("start_time", "<", self.start_time + _MILKED_AGAIN_AFTER),
            ],
            limit=1,
        )

    def _refusal(self, elsewhere):
        return _(
            "%(session)s: animal %(animal)s has been found in %(elsewhere)s at about that time.",
            session=self.name,
            animal=self.proposed_animal_id.name,
            elsewhere=elsewhere.name,
        )

    # ------------------------------------------------------------------ proposals

    @api.model
    def _cron_propose(self):
        """Propose animals for the milkings of the last days that have none."""
        since = fields.Datetime.now() - _RECENT
        self.search([*self._to_assign_domain(), ("start_time", ">=", since)])._propose_animals()

    @api.model
    def _to_assign_domain(self):
        """The list of milkings to assign."""
        return [
            ("state", "=", "completed"),
            ("animal_id", "=", False),
            ("left_unknown", "=", False),
            ("total_yield", ">", 0),
        ]

    def _propose_animals(self):
        """Say which animals were probably milked, or nobody, for those of these milkings that have none."""
        for farm, sessions in self.filtered_domain(self._to_assign_domain()).grouped("farm_id").items():
            history = sessions._history_of_farm()
            shifts = sessions.grouped(lambda session, farm=farm: _shift_of(farm, session.start_time))
            for shift, of_shift in shifts.items():
                of_shift._propose_in_shift(shift, history)

    def _history_of_farm(self):
        """The milkings of the farm around these and in the two weeks before.

        :return: dict (day, "am" or "pm") -> list of (start, animal's id or None, L), in the order of their beginning
        """
        farm = self.farm_id
        fields_read = ["farm_id", "state", "start_time", "animal_id", "total_yield", "current_yield"]
        self.env["milk.session"].flush_model(fields_read)
        self.env.cr.execute(
            """
            SELECT start_time, animal_id, GREATEST(total_yield, current_yield)
              FROM milk_session
             WHERE farm_id = %s AND state != 'cancelled' AND start_time BETWEEN %s AND %s
             ORDER BY start_time, id
            """,
            [
                farm.id,
                min(self.mapped("start_time")) - _HISTORY,
                max(self.mapped("start_time")) + _MILKED_AGAIN_AFTER,
            ],
        )
        history = defaultdict(list)
        for start, animal_id, liters in self.env.cr.fetchall():
            history[_shift_of(farm, start)].append((start, animal_id, float(liters or 0)))
        return history

    def _propose_in_shift(self, shift, history):
        animals = self.env["farm.animal"].search(
            [("farm_id", "=", self.farm_id.id), ("status", "=", "lactating"), ("sex", "=", "female")]
        )
        pens = {animal.id: animal.pen_id.id for animal in animals}
        busy = self._busy(animals, shift, history)
        yields, places = _usual(shift, history)
        candidates = [
            Candidate(
                animal.id,
                median(yields[animal.id]) if animal.id in yields else None,
                tuple(places.get(animal.id, ())),
                pens[animal.id] or None,
                busy[animal.id],
            )
            for animal in animals
            if len(busy[animal.id]) < len(self)
        ]
        milkings = [session._unknown_milking(history[shift], pens, animals) for session in self]
        found = {proposal.milking: proposal for proposal in propose(milkings, candidates)}
        for session in self._as_platform().with_context(from_meter=True, tracking_disable=True):
            vals = session._proposal_vals(found.get(session.id))
            if any(session._fields[name].convert_to_write(session[name], session) != vals[name] for name in vals):
                session.write(vals)

    def _busy(self, animals, shift, history):
        """Which of these milkings cannot be an animal's, since she was milked elsewhere about then.

        :return: dict id of the animal -> frozenset of ids of the sessions
        """
        starts, days = defaultdict(list), {day for day, _half in history}
        for rows in history.values():
            for start, animal_id, _liters in rows:
                starts[animal_id].append(start)
        of_shift = {animal_id for _start, animal_id, _liters in history[shift]}
        busy = {}
        for animal in animals:
            if animal.id in of_shift and len(starts[animal.id]) <= _TWICE_A_DAY * len(days):
                busy[animal.id] = frozenset(self.ids)
                continue
            busy[animal.id] = frozenset(
                session.id
                for session in self
                if any(abs(start - session.start_time) < _MILKED_AGAIN_AFTER for start in starts[animal.id])
            )
        return busy

    def _unknown_milking(self, rows, pens, animals):
        """This milking as `UnknownMilking`.

        :param rows: the milkings of its shift, see `_history_of_farm`
        :param pens: dict id of an animal -> id of its pen
        """
        before = [row for row in rows if row[0] < self.start_time]
        behind = [row for row in rows if row[0] > self.start_time]
        known = [row[1] for row in before if row[1]][-_NEIGHBOURS:] + [row[1] for row in behind if row[1]][:_NEIGHBOURS]
        place = len(before) / (len(rows) - 1) if len(rows) >= _SHIFT_MIN else None
        reads = self.tag_reads or {}
        tags = [text for text in reads if canonical(text) == text]
        fragments = [text for text in reads if text not in tags]
        wearers = {self._wearer(tag, self.farm_id, self.start_time).id for tag in tags}
        contradicted = frozenset(animal.id for animal in animals if fragments and _contradicts(fragments, animal))
        return UnknownMilking(
            self.id,
            self.total_yield,
            place,
            dict(Counter(pens[animal_id] for animal_id in known if pens.get(animal_id))),
            frozenset(wearers - {False}),
            contradicted,
        )

    def _proposal_vals(self, proposal):
        if proposal is None:
            return {"proposed_animal_id": False, "proposal_reason": False, "proposal_certainty": 0.0}
        return {
            "proposed_animal_id": proposal.animal,
            "proposal_reason": self._reason_in_words(proposal.reason),
            "proposal_certainty": round(proposal.certainty, 3),
        }

    def _reason_in_words(self, reason):
        words = []
        if reason.tag:
            words.append(_("the tag was read, though not for certain"))
        if reason.expected_liters:
            words.append(
                _(
                    "%(liters)s L, usually %(expected)s L",
                    liters=formatLang(self.env, self.total_yield, digits=1),
                    expected=formatLang(self.env, reason.expected_liters, digits=1),
                )
            )
        if reason.usual_place is not None:
            words.append(_("usually at %s %% of the milking's order", round(100 * reason.usual_place)))
        if reason.of_pen is not None:
            words.append(_("%s %% of the cows around are of the same pen", round(100 * reason.of_pen)))
        return "; ".join(words) or _("the only animal that is missing")


def _notification(message, **params):
    """A client action that says it, and shows the list as it is now."""
    reload = {"type": "ir.actions.client", "tag": "soft_reload"}
    return {
        "type": "ir.actions.client",
        "tag": "display_notification",
        "params": {"message": message, "next": reload, **params},
    }


def _shift_of(farm, moment):
    return farm._local_date(moment), farm._milking_time(moment)


def _usual(shift, history):
    """What cows gave in the last shifts of that half day, L, and their places in them, 0 to 1.

    :return: two dicts id of the animal -> list, the latest first
    """
    day, half = shift
    yields, places = defaultdict(list), defaultdict(list)
    before = sorted((other for other in history if other[1] == half and other[0] < day), reverse=True)
    for number, other in enumerate(before):
        rows = history[other]
        for rank, (_start, animal_id, liters) in enumerate(rows):
            if animal_id and liters > 0 and len(yields[animal_id]) < _YIELDS:
                yields[animal_id].append(liters)
            if animal_id and number < _SHIFTS and len(rows) >= _SHIFT_MIN:
                places[animal_id].append(rank / (len(rows) - 1))
    return {animal_id: given for animal_id, given in yields.items() if given}, dict(places)


def _contradicts(fragments, animal):
    """Whether what was read can be left of none of the tags that an animal wears."""
    worn = animal.rfid_ids.filtered(lambda tag: not tag.date_to).mapped("rfid_tag")
    return bool(worn) and not any(may_be_of(fragment, tag) for fragment in fragments for tag in worn)
