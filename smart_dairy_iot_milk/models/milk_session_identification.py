"""Which animal a milking is of, by what was read at the milking point: the right one, or none.

A milking counts how often each tag was read in it, and its animal is the one whose tags the reads agree on. A tag that
was read twice and in two of three readings is certain, the only reading there is will do; else the milking is doubtful,
has no animal, and is put on the list of milkings to assign. What a person has said stands.
"""

from collections import Counter

from odoo import _, api, fields, models
from odoo.exceptions import ValidationError

from odoo.addons.smart_dairy_farm.tools.rfid import to_decimal
from odoo.addons.smart_dairy_farm.tools.rfid_reads import CERTAIN_READS, tags_in, vote

from ..reactors.meter_data import canonical

#: Who knows better than a reader.
BY_PEOPLE = ("person", "proposal")

# A reader that sends nothing but noise shall not fill the milking with it.
_MOST_TEXTS = 20
_LONGEST_TEXT = 64


class MilkSession(models.Model):
    _inherit = "milk.session"

    identification = fields.Selection(
        [
            ("tag", "Tag"),
            ("number", "Animal's Number"),
            ("person", "By Hand"),
            ("proposal", "Accepted Proposal"),
            ("doubtful", "Doubtful"),
            ("none", "Unknown"),
        ],
        readonly=True,
        copy=False,
        index=True,
        help="How it is known whose milking it is.",
    )
    doubt_reason = fields.Char(
        string="Doubt", readonly=True, copy=False, help="Why it is doubtful whose milking this is."
    )
    tag_reads = fields.Json(readonly=True, copy=False, help="Tag, or the text as it was sent -> how often it was read.")
    tag_reads_text = fields.Text(string="What Was Read", compute="_compute_tag_reads_text")
    printed_tag = fields.Char(
        string="Tag's Number",
        compute="_compute_printed_tag",
        help="As printed on the ear tag; what was sent, where it is no tag.",
    )

    @api.depends("rfid_tag")
    def _compute_printed_tag(self):
        for session in self:
            session.printed_tag = session.rfid_tag and _as_printed(session.rfid_tag)

    @api.depends("tag_reads")
    def _compute_tag_reads_text(self):
        for session in self:
            reads = Counter(session.tag_reads or {}).most_common()
            session.tag_reads_text = "\n".join(
                _("%(tag)s: %(count)s times", tag=_as_printed(tag), count=count)
                if count > 1
                else _("%s: once", _as_printed(tag))
                for tag, count in reads
            )

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            vals.setdefault("identification", "person" if vals.get("animal_id") else "none")
        sessions = super().create(vals_list)
        if not self._is_platform():
            sessions._take_typed_tag()
        return sessions

    def write(self, vals):
        if vals.get("animal_id"):
            vals = {"doubt_reason": False, "doubted_by_id": False, **vals}
        result = super().write(vals)
        if "rfid_tag" in vals and not self._is_platform():
            self._take_typed_tag()
        return result

    def _take_typed_tag(self):
        """What a person enters as the tag was read once, and tells the animal where nobody has named one.

        :raises ValidationError: for what is no animal's tag
        """
        for session in self.filtered("rfid_tag"):
            tag = canonical(session.rfid_tag)
            if not tag:
                raise ValidationError(_("%s is no animal's tag.", session.rfid_tag))
            vals = {"rfid_tag": tag, "tag_reads": {tag: 1}}
            animal = session._wearer(tag, session.farm_id, session.start_time)
            if animal and session.identification not in BY_PEOPLE:
                vals |= {"animal_id": animal.id, "identification": "tag"}
            session._as_platform().write(vals)

    def _identification_vals(self, meter, readings, at):
        """Whose milking this is, as far as what was read in it tells.

        :param readings: its new `MeterData`, in any order; none to judge anew by what had been read
        :param at: when it began, naive UTC: who wore the tag then counts, whoever wears it now
        :return: dict of `tag_reads` and, unless people have decided, `rfid_tag`, `identification`, `animal_id`,
            `doubt_reason` and `doubted_by_id`
        """
        reads = self._reads_with(readings)
        vals = {"tag_reads": dict(reads)} if reads else {}
        # Before reads were counted an animal was the first tag's, and stays.
        if self.identification in BY_PEOPLE or (self.animal_id and not self.identification):
            return vals
        if self._is_said_again(reads, readings):
            return vals
        # The meter may have moved since.
        farm = self.farm_id or meter.farm_id
        tags = {text: count for text, count in reads.items() if canonical(text) == text}
        wearers = {tag: self._wearer(tag, farm, at) for tag in tags}
        result = _vote_by_wearer(tags, wearers, [text for text in reads if text not in tags])
        # What is no tag is kept as well, until the reader reads one.
        vals["rfid_tag"] = result.tag or next(iter(result.others or reads), False)
        by_tag = wearers.get(result.tag, self.env["farm.animal"])
        by_number = self._named_by_number(readings, farm)
        if tags and not result.tag:
            return {**vals, **self._doubtful_vals(_("Different tags were read, or too little of one."))}
        if by_tag and by_number and by_tag != by_number:
            reason = _(
                "The tag is of %(tagged)s, but the meter names %(named)s.",
                tagged=by_tag.name,
                # sudo: she may have left for a farm that the user does not see.
                named=by_number.sudo().name,
            )
            return {**vals, **self._doubtful_vals(reason)}
        animal = by_tag or by_number
        how = "tag" if by_tag else "number" if by_number else "none"
        return {**vals, "animal_id": animal.id, "identification": how, "doubt_reason": False, "doubted_by_id": False}

    def _is_said_again(self, reads, readings):
        """Whether the readings only repeat what the milking has its animal by: the usual case, once a second."""
        names = {reading.animal_ref for reading in readings} - {""}
        return (
            self.identification == "tag"
            and bool(self.animal_id)
            and list(reads) == [self.rfid_tag]
            # sudo: she may have left for a farm that the user does not see.
            and names <= {self.animal_id.sudo().name}
        )

    @api.model
    def _doubtful_vals(self, reason, other=None):
        """:param other: the milking that makes it doubtful, where it is not so by itself"""
        cause = other.id if other else False
        return {"animal_id": False, "identification": "doubtful", "doubt_reason": reason, "doubted_by_id": cause}

    def _reads_with(self, readings):
        """How often what was read: `Counter` of tags in their canonical form and of other texts as they were sent.

        A line that holds one tag twice is one reading of it.
        """
        reads = Counter(self.tag_reads or ({self.rfid_tag: 1} if self.rfid_tag else {}))
        for reading in sorted(readings, key=lambda reading: reading.timestamp):
            tags, partial = tags_in(reading.sent_tag)
            reads.update(tags)
            for text in partial:
                text = text[:_LONGEST_TEXT]
                if text in reads or len(reads) < _MOST_TEXTS:
                    reads[text] += 1
        return reads

    @api.model
    def _wearer(self, tag, farm, at):
        """The animal of the farm's company that wore a tag then; empty if none."""
        animal = self.env["farm.animal"]._find_by_rfid(tag, at)
        return animal.filtered(lambda animal: animal.company_id == farm.company_id)

    def _named_by_number(self, readings, farm):
        """The animal that the meter names by its number, the first time it does."""
        if self.identification == "number":
            return self.animal_id
        animals = self.env["farm.animal"]
        readings = sorted(readings, key=lambda reading: reading.timestamp)
        names = [reading.animal_ref for reading in readings if reading.animal_ref]
        return animals.search([("farm_id", "=", farm.id), ("name", "=", names[0])], limit=1) if names else animals

    def _identify_anew(self):
        """Judge by what had been read, since tags have changed hands: sessions whose animal is known now.

        :return: the sessions that have an animal and had another one or none before
        """
        changed = self._as_platform().browse()
        for session in self._as_platform():
            vals = session._identification_vals(session.meter_id, [], session.start_time)
            if vals.get("animal_id") and vals["animal_id"] != session.animal_id.id:
                session.with_context(from_meter=True).write(vals)
                changed |= session
        changed._on_identified()
        return changed

    def _sureness(self):
        """How sure the identification is, to be compared: by people, confirmed by a second reading, unanimous."""
        if self.identification in BY_PEOPLE:
            return (True, True, True)
        tags = {text: count for text, count in (self.tag_reads or {}).items() if canonical(text) == text}
        if self.identification == "number" or not tags:
            return (False, True, True)
        wearers = {tag: self._wearer(tag, self.farm_id, self.start_time) for tag in tags}
        result = _vote_by_wearer(tags, wearers, ())
        return (False, result.reads >= CERTAIN_READS, result.share == 1)


def _as_printed(text):
    return (to_decimal(text) if canonical(text) == text else None) or text


def _vote_by_wearer(reads, wearers, partial):
    """Vote of the tags; those that one animal wears speak for each other, such as a bolus and an ear tag.

    :param reads: dict of tag -> how often it was read
    :param wearers: dict of tag -> `farm.animal`, empty for a tag that nobody wears
    :param partial: texts that are no tag
    :return: `TagVote`; of an animal's tags the one read most often stands for all
    """
    leaders, merged = {}, Counter()
    for tag in sorted(reads, key=lambda tag: (-reads[tag], tag)):
        leader = leaders.setdefault(wearers[tag].id or tag, tag)
        merged[leader] += reads[tag]
    return vote(merged, partial)
