"""Milkings that cannot be of the cow they name, since she was milked elsewhere, and tags that nobody wears."""

from datetime import timedelta
from itertools import product

from odoo import _, fields, models

from odoo.addons.smart_dairy_farm.tools.rfid_reads import CERTAIN_READS

from ..reactors.meter_data import canonical
from ..reactors.milkings import START_TOLERANCE
from .milk_session_identification import BY_PEOPLE
from .milk_session_parts import LONGEST_MILKING

# A tag read only once may be a neighbour's, or have lost a bit. Its cow is milked elsewhere in the same shift then.
_UNCONFIRMED_WITHIN = timedelta(hours=2)
#: What a person has said of a milking's animal stands, and doubt is said once.
_SETTLED = (*BY_PEOPLE, "doubtful")


class MilkSession(models.Model):
    _inherit = "milk.session"

    doubted_by_id = fields.Many2one(
        "milk.session",
        string="Doubtful Because of",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="set null",
        help="The milking elsewhere in which the same animal was read.",
    )
    listed_tags = fields.Json(
        readonly=True, copy=False, help="Tags read in this milking that stand in the list of unknown tags for it."
    )

    def _doubt_repeated(self, changed):
        """Doubt each milking whose animal had been milked elsewhere just before.

        :param self: milkings of one animal (or of none known) in the order of their beginning
        :param changed: those of them of which something has changed
        :return: the sessions that are doubtful now
        """
        doubtful = self.browse()
        for number, session in enumerate(self):
            if not session._may_be_doubted():
                continue
            before = (other for other in reversed(self[:number]) if other._makes_doubtful(session))
            earlier = next(before, None)
            if earlier and (session in changed or earlier in changed):
                session._doubt(earlier)
                doubtful |= session
        judged = (self & changed).filtered(lambda session: session._may_be_doubted())
        for session, rival in judged._rivals():
            session._lose_animal(rival)
            doubtful |= session
        return doubtful

    def _may_be_doubted(self):
        return (
            self._is_measured()
            and self.state == "completed"
            and self.total_yield > 0
            and not self.continues_id
            and self.identification not in _SETTLED
        )

    def _makes_doubtful(self, later):
        """Whether this milking and a later one cannot both be of their animal.

        A milking that is surer of the animal is not judged by one that goes on: at the end of that, both are.
        """
        makes_doubtful = self._is_repeated_by(later) or self._makes_doubtful_in_shift(later)
        return makes_doubtful and not (self._goes_on() and later._is_surer_than(self))

    def _is_repeated_by(self, later):
        """Whether a later milking of the same animal is elsewhere, and sooner than she can be milked again."""
        if not self._is_measured() or self.identification == "doubtful" or not (self.total_yield or self.current_yield):
            return False
        pause = later.start_time - self._last_moment()
        if self._point() == later._point():
            return pause < -START_TOLERANCE
        twice = later.farm_id._milking_twice()
        return bool(twice) and pause <= twice

    def _makes_doubtful_in_shift(self, later):
        """Within a shift as well, where one of the two rests on a single reading."""
        if not self._is_measured() or self.identification == "doubtful" or self._point() == later._point():
            return False
        if not (self.total_yield or self.current_yield):
            return False
        # A farm may say that its cows are milked again at any time.
        if not later.farm_id._milking_twice() or later.start_time - self._last_moment() > _UNCONFIRMED_WITHIN:
            return False
        return not (self._is_confirmed() and later._is_confirmed())

    def _whole(self):
        """The milking that this is, or is the rest of, and its rests."""
        first = self.continues_id or self
        return first | first.continued_by_ids

    def _goes_on(self):
        return any(part.state == "in_progress" for part in self._whole())

    def _is_surer_than(self, other):
        return self._sureness() > max(part._sureness() for part in other._whole())

    def _is_confirmed(self):
        _by_people, confirmed, _unanimous = self._sureness()
        return confirmed

    def _rivals(self):
        """Doubtful milkings in which the same tag was read at the same time elsewhere, and no less surely.

        Of two such milkings one is another cow's, and nothing tells which.

        :return: list of (session, its rival)
        """
        pairs = [(session, rival) for session, rival in self._doubtful_at_once() if not session._is_surer_than(rival)]
        # One rival is enough.
        return list({session: (session, rival) for session, rival in pairs}.values())

    def _doubtful_at_once(self):
        """:return: list of (session, doubtful milking elsewhere at the same time, of her tag or another of hers)"""
        # What is no tag, such as a reader's sign that it read none, is of no cow.
        tagged = self.filtered(lambda session: session.rfid_tag and canonical(session.rfid_tag) == session.rfid_tag)
        if not tagged:
            return []
        last = max(part._last_moment() for session in tagged for part in session._whole())
        near = self.search(
            [
                ("identification", "=", "doubtful"),
                ("farm_id", "in", tagged.farm_id.ids),
                ("rfid_tag", "!=", False),
                ("state", "!=", "cancelled"),
                ("start_time", ">=", min(tagged.mapped("start_time")) - LONGEST_MILKING),
                ("start_time", "<=", last + START_TOLERANCE),
            ]
        )
        # Mostly there is none, and nobody's tags are asked for.
        by_tag = near.grouped(lambda other: (other.farm_id, other.rfid_tag))
        return [
            (session, other)
            for session in (tagged if near else ())
            for tag in sorted(session._tags_of_wearer())
            for other in by_tag.get((session.farm_id, tag), ())
            if session._is_at_once_with(other)
        ]

    def _tags_of_wearer(self):
        """:return: set of the tag that was read here, and of all that its wearer wore then"""
        animal = self._wearer(self.rfid_tag, self.farm_id, self.start_time)
        worn = animal.rfid_ids.filtered_domain(animal.rfid_ids._worn_at(self.start_time))
        return {self.rfid_tag, *worn.mapped("rfid_tag")}

    def _is_at_once_with(self, other):
        """Whether both, or rests of theirs, went on at once at two points, as far as their meters' clocks tell."""
        return any(one._overlaps(another) for one, another in product(self._whole(), other._whole()))

    def _overlaps(self, other):
        begin = max(self.start_time, other.start_time)
        end = min(self._last_moment(), other._last_moment()) + START_TOLERANCE
        return self._point() != other._point() and begin < end

    def _doubt(self, earlier):
        """Take the animal off the milking that is less sure, with its rest. Where both are alike it is the later one's,
        and the earlier one's too if both went on at once: one of them is another cow's, and nothing tells which.
        """
        self.ensure_one()
        earlier = earlier.continues_id or earlier
        if self._is_surer_than(earlier):
            earlier._lose_animal(self)
            return
        is_alike = not earlier._is_surer_than(self)
        self._lose_animal(earlier)
        if is_alike and self._is_at_once_with(earlier) and earlier._may_be_doubted():
            earlier._lose_animal(self)

    def _lose_animal(self, other):
        """Say that it is doubtful whose milking this is, with its rest. The milk is kept, and nobody's until a person
        decides.

        :param other: the milking that makes it doubtful
        """
        self.ensure_one()
        self._record_repeated(other)
        reason = _(
            "Animal %(animal)s was milked at %(meter)s about then, see %(session)s.",
            # sudo: she may have left for a farm that the user does not see.
            animal=self.animal_id.sudo().name,
            meter=other.meter_id.name,
            session=other.name,
        )
        doubtful = self | self.continued_by_ids.filtered(lambda rest: rest.identification not in BY_PEOPLE)
        doubtful.with_context(from_meter=True).write(self._doubtful_vals(reason, other))
        doubtful._flow_to_production()
        # What its udder showed was said of that animal, and it need not be one of those that are settled now.
        doubtful._judge_udder()

    def _record_repeated(self, other):
        """Record the event of a milking whose animal was milked at another place about then."""
        self.env["iot.event"].with_context(tracking_disable=False).record(
            "milking_doubtful",
            timestamp=self.end_time,
            device=self.meter_id.iot_device_id,
            animal=self.animal_id,
            farm=self.farm_id,
            severity="medium",
            message=_("Milked about then at another place, see %s: whose milking this was is doubtful", other.name),
            data={"session": self.name, "other_session": other.name, "yield_liters": self.total_yield},
            dedup_key=f"milking_doubtful:{self.name}",
        )

    def _on_identified(self):
        """Where a person says that a milking was another cow's, the tag is of whoever was milked elsewhere then."""
        result = super()._on_identified()
        named = self.filtered(lambda session: session.animal_id and session.identification in BY_PEOPLE)
        for session in named._doubted():
            wearer = session._wearer(session.rfid_tag, session.farm_id, session.start_time)
            if wearer != session.doubted_by_id.animal_id:
                session._identify_anew()
        return result

    def unlink(self):
        doubted = self._doubted() - self
        result = super().unlink()
        doubted._identify_anew()
        return result

    def _on_cancelled(self):
        """Called for milkings that were declared void: what they had made doubtful is so no more."""
        self._settle_parts()._flow_to_production()
        self._doubted()._identify_anew()

    def _doubted(self):
        """The milkings that are doubtful because of these or their rests."""
        if not self:
            return self
        causes = self | self.continued_by_ids
        return self.search([("doubted_by_id", "in", causes.ids), ("identification", "=", "doubtful")])

    def _settle(self):
        result = super()._settle()
        self._list_unknown_tags()
        self._record_doubtful()
        return result

    def _record_doubtful(self):
        """Record the event of milkings that are doubtful by themselves. It is recorded once."""
        events = self.env["iot.event"].with_context(tracking_disable=False)
        for session in self.filtered(lambda session: session.identification == "doubtful"):
            events.record(
                "milking_doubtful",
                timestamp=session.end_time,
                device=session.meter_id.iot_device_id,
                farm=session.farm_id,
                severity="medium",
                message=_("It is doubtful whose milking %s was", session.name),
                data={"session": session.name, "tag_reads": session.tag_reads, "yield_liters": session.total_yield},
                dedup_key=f"milking_doubtful:{session.name}",
            )

    def _list_unknown_tags(self):
        """Put the tags that nobody wore into the list of unknown tags, each once for a milking."""
        sightings = []
        for session in self:
            unknown = session._unknown_reads()
            new = {tag: count for tag, count in unknown.items() if tag not in (session.listed_tags or ())}
            if new:
                sightings += [(session, tag, count) for tag, count in new.items()]
                listed = sorted({*new, *(session.listed_tags or ())})
                session.with_context(from_meter=True).listed_tags = listed
        if sightings:
            self.env["iot.rfid.unknown"]._record(sightings)

    def _unknown_reads(self):
        """What was read here and is worth a look: tags without a wearer, or noise where there was nothing else.

        :return: dict of text -> how often. A tag read once beside others is no more than a misreading
        """
        reads = self.tag_reads or {}
        if self.animal_id and len(reads) == 1:
            return {}
        tags = {text: count for text, count in reads.items() if canonical(text) == text}
        if not tags and self.identification == "none" and reads:
            text = max(sorted(reads), key=lambda text: reads[text])
            return {text: reads[text]}
        return {
            tag: count
            for tag, count in tags.items()
            if (count >= CERTAIN_READS or len(tags) == 1) and not self._wearer(tag, self.farm_id, self.start_time)
        }
