"""Milkings that cannot be of the cow they name, and tags that nobody wears."""

from datetime import timedelta

from odoo import _, fields, models

from odoo.addons.smart_dairy_farm.tools.rfid_reads import CERTAIN_READS

from ..reactors.meter_data import canonical
from .milk_session_identification import BY_PEOPLE

# A tag read only once may be a neighbour's, or have lost a bit. Its cow is milked elsewhere in the same shift then.
_UNCONFIRMED_WITHIN = timedelta(hours=2)


class MilkSession(models.Model):
    _inherit = "milk.session"

    listed_tags = fields.Json(
        readonly=True, copy=False, help="Tags read in this milking that stand in the list of unknown tags for it."
    )

    def _makes_doubtful(self, later):
        """Within a shift as well, where one of the two rests on a single reading.

        A milking that is surer of the animal is not judged by one that goes on: at the end of that, both are.
        """
        makes_doubtful = super()._makes_doubtful(later) or self._makes_doubtful_in_shift(later)
        return makes_doubtful and not (self._goes_on() and later._is_surer_than(self))

    def _makes_doubtful_in_shift(self, later):
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

    def _doubt(self, earlier):
        """Take the animal off the milking that is less sure, with its rest; the later one where both are alike."""
        self.ensure_one()
        earlier = earlier.continues_id or earlier
        doubted, other = (earlier, self) if self._is_surer_than(earlier) else (self, earlier)
        result = super(MilkSession, doubted)._doubt(other)
        reason = _(
            "Animal %(animal)s was milked at %(meter)s about then, see %(session)s.",
            # sudo: she may have left for a farm that the user does not see.
            animal=other.animal_id.sudo().name,
            meter=other.meter_id.name,
            session=other.name,
        )
        doubtful = doubted | doubted.continued_by_ids.filtered(lambda rest: rest.identification not in BY_PEOPLE)
        doubtful.with_context(from_meter=True).write(
            {"animal_id": False, "identification": "doubtful", "doubt_reason": reason}
        )
        if doubted != self:
            doubted._flow_to_production()
        # What its udder showed was said of that animal, and it need not be one of those that are settled now.
        doubtful._judge_udder()
        return result

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
