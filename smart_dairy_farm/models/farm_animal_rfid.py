"""Which animal wore which tag, and when. Tags are lost and replaced; milkings of the past keep their animal."""

from odoo import _, api, fields, models
from odoo.exceptions import ValidationError

from ..tools.rfid import RfidError, normalize, to_decimal


class FarmAnimalRfid(models.Model):
    """One animal wearing one tag from one moment to another."""

    _name = "farm.animal.rfid"
    _description = "Animal Tag"
    _inherit = ["farm.owned.mixin"]
    _order = "date_to desc, date_from desc, id desc"
    _rec_name = "printed_tag"
    _rec_names_search = ["printed_tag", "rfid_tag", "tag_decimal"]

    animal_id = fields.Many2one("farm.animal", required=True, index=True, ondelete="cascade")
    farm_id = fields.Many2one(related="animal_id.farm_id", store=True, index=True)
    company_id = fields.Many2one(related="animal_id.company_id", store=True, index=True)
    printed_tag = fields.Char(
        string="Tag",
        required=True,
        help="As printed on the tag or sent by a reader: 15 digits, 16 hexadecimal digits, or a reader's line.",
    )
    rfid_tag = fields.Char(
        string="RFID Tag",
        compute="_compute_rfid_tag",
        store=True,
        precompute=True,
        index=True,
        help="The ISO 11784 code as 16 hexadecimal digits: the one form under which every printed form is found.",
    )
    tag_decimal = fields.Char(
        string="Number",
        compute="_compute_rfid_tag",
        store=True,
        precompute=True,
        index=True,
        help="Country (or manufacturer) and number, 15 digits; empty for a tag that is no ISO 11784 code.",
    )
    is_primary = fields.Boolean(
        string="Primary", default=True, help="The tag by which the animal is known; it has one such tag at a time."
    )
    date_from = fields.Datetime(
        string="Worn From",
        help="Empty: as far back as readings go. Left empty for a tag that another animal wore before, it becomes now.",
    )
    date_to = fields.Datetime(string="Worn Until", help="Empty: the animal wears the tag now.")
    removal_reason = fields.Selection(
        [("lost", "Lost"), ("broken", "Broken"), ("replaced", "Replaced"), ("sold", "Sold")],
        string="Why Not Any More",
    )

    # Exclusion by equality is a unique index with a condition that can also wait for the end of the transaction, and it
    # has to wait: a tag that moves is taken off one animal and put on the other in one transaction, in either order.
    _sql_constraints = [
        (
            "worn_once",
            "EXCLUDE USING btree (rfid_tag WITH =) WHERE (date_to IS NULL) DEFERRABLE INITIALLY DEFERRED",
            "Another animal wears this tag.",
        ),
        (
            "primary_once",
            (
                "EXCLUDE USING btree (animal_id WITH =) WHERE (date_to IS NULL AND is_primary) "
                "DEFERRABLE INITIALLY DEFERRED"
            ),
            "An animal has one primary tag at a time.",
        ),
        ("tag_given", "CHECK(rfid_tag IS NOT NULL)", "A tag is needed."),
        ("dates_in_order", "CHECK(date_to >= date_from)", "A tag cannot be taken off before it was put on."),
    ]

    @api.constrains("rfid_tag", "date_from", "date_to", "animal_id")
    def _check_one_animal_at_a_time(self):
        # sudo: a tag is one in the world, so it may not be put on an animal here while one on a farm that the user
        # cannot see wears it. The message names nothing that he may not see.
        for tag in self.sudo():
            others = tag.search([("rfid_tag", "=", tag.rfid_tag), ("id", "!=", tag.id)])
            clash = others.filtered(tag._overlaps)[:1]
            if clash:
                raise ValidationError(self._worn_by(tag, clash.animal_id))

    def _worn_by(self, tag, animal):
        """The sentence that a tag is worn already: it names the animal to those who may see it."""
        animals = self.env["farm.animal"].with_user(self.env.user).with_context(active_test=False)
        if animals.search_count([("id", "=", animal.id)]):
            return _("Tag %(tag)s is worn by animal %(animal)s at that time.", tag=tag.printed_tag, animal=animal.name)
        return _("Tag %(tag)s is worn by an animal of another farm at that time.", tag=tag.printed_tag)

    @api.constrains("date_from", "date_to")
    def _check_not_in_future(self):
        now = fields.Datetime.now()
        for tag in self:
            if any(moment and moment > now for moment in (tag.date_from, tag.date_to)):
                raise ValidationError(_("The history of tag %s cannot lie in the future.", tag.printed_tag))

    @api.depends("printed_tag")
    def _compute_rfid_tag(self):
        for tag in self:
            canonical = tag.printed_tag and _normalized(tag.printed_tag)
            tag.rfid_tag = canonical
            tag.tag_decimal = canonical and to_decimal(canonical)

    @api.model_create_multi
    def create(self, vals_list):
        vals_list = [self._with_printed_tag(vals) for vals in vals_list]
        for vals in vals_list:
            if not vals.get("date_from") and self._was_worn(vals["printed_tag"]):
                vals["date_from"] = fields.Datetime.now()
        tags = super().create(vals_list)
        tags._leave_one_primary()
        return tags

    def write(self, vals):
        result = super().write(self._with_printed_tag(vals))
        if vals.get("is_primary") or vals.get("animal_id"):
            self._leave_one_primary()
        return result

    def action_take_off(self):
        """The tag was lost or removed: it is worn until now."""
        self._take_off()

    def _take_off(self, at=None, reason=None):
        """End the wearing of those that are worn.

        :param at: naive UTC; now when left out, and never before a tag was put on
        :param reason: lost, broken, replaced or sold
        """
        for tag in self.filtered(lambda tag: not tag.date_to):
            end = at or fields.Datetime.now()
            tag.write({"date_to": max(end, tag.date_from or end), "removal_reason": reason or tag.removal_reason})

    @api.model
    def _with_printed_tag(self, vals):
        """Accept a tag given under the name of its canonical form too, which is computed from the printed one."""
        if "rfid_tag" not in vals:
            return dict(vals)
        rest = {name: value for name, value in vals.items() if name != "rfid_tag"}
        return {"printed_tag": vals["rfid_tag"], **rest}

    @api.model
    def _was_worn(self, printed_tag):
        # sudo: the former wearer may be on a farm that the user cannot see; nothing of it is shown.
        return bool(self.sudo().search_count([("rfid_tag", "=", _normalized(printed_tag))], limit=1))

    def _leave_one_primary(self):
        """A tag made primary takes the place of the animal's primary tag so far, which it goes on wearing."""
        for tag in self.filtered(lambda tag: tag.is_primary and not tag.date_to):
            others = tag.animal_id.rfid_ids.filtered(lambda other: other.is_primary and not other.date_to) - tag
            others.is_primary = False

    def _overlaps(self, other):
        """Whether two periods have a moment in common; a period ends just before its ``date_to``."""

        def begins_before_end(tag, end):
            return not end or not tag.date_from or tag.date_from < end

        return begins_before_end(self, other.date_to) and begins_before_end(other, self.date_to)

    @api.model
    def _worn(self, canonical, at=None):
        """Return the record of who wears a tag (canonical form), or wore it at a moment (naive datetime in UTC)."""
        domain = [("rfid_tag", "=", canonical)]
        if at is None:
            return self.search([*domain, ("date_to", "=", False)], limit=1)
        return self.search([*domain, *self._worn_at(at)], limit=1)

    @api.model
    def _worn_at(self, at):
        """Return the domain of the tags that were worn at a moment (naive datetime in UTC)."""
        started = ["|", ("date_from", "=", False), ("date_from", "<=", at)]
        not_ended = ["|", ("date_to", "=", False), ("date_to", ">", at)]
        return [*started, *not_ended]

    def _current_primary(self):
        """Of the tags of one animal, return the one by which it is known now: the primary one, else the newest worn."""
        worn = self.filtered(lambda tag: not tag.date_to)
        return worn.sorted(lambda tag: (tag.is_primary, tag.date_from or fields.Datetime.to_datetime("1970-01-01")))[
            -1:
        ]

    def _replace(self, animal, printed_tag, at=None, reason=None):
        """Make a tag (any form; empty for none) the animal's primary one in place of this one.

        :param at: naive UTC at which the one was taken off and the other put on; now when left out
        :param reason: why this one was taken off, see `_take_off`
        """
        canonical = printed_tag and _normalized(printed_tag)
        if canonical == self.rfid_tag:
            return
        worn = animal.rfid_ids.filtered(lambda tag: not tag.date_to and tag.rfid_tag == canonical)
        if worn:
            worn.is_primary = True
            return
        self._take_off(at, reason or (canonical and "replaced"))
        if canonical:
            self.create({"animal_id": animal.id, "printed_tag": printed_tag, "date_from": at or False})


def _normalized(tag):
    try:
        return normalize(tag)
    except RfidError as error:
        raise ValidationError(str(error)) from error
