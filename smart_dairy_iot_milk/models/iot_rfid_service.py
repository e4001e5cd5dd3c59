"""Animals and their tags, for readers and meters, and for those who put tags on and take them off."""

from odoo import _, api, fields, models
from odoo.exceptions import UserError

from odoo.addons.smart_dairy_farm.tools.rfid import RfidError, normalize


class IotRfidService(models.AbstractModel):
    _name = "iot.rfid.service"
    _description = "RFID Tags"

    @api.model
    def lookup_animal(self, rfid_tag, at=None):
        """The animal that wears a tag.

        :param rfid_tag: in any printed or transmitted form
        :param at: naive UTC; who wore it then, by default now
        :return: `farm.animal`, empty where nobody does or it is no tag
        """
        return self.env["farm.animal"]._find_by_rfid(rfid_tag, at)

    @api.model
    def validate_rfid_format(self, rfid_tag):
        """Whether this is some form of an animal's tag."""
        try:
            normalize(rfid_tag)
        except RfidError:
            return False
        return True

    @api.model
    def register_new_rfid(self, rfid_tag, animal_id, is_primary=True, at=None):
        """Put a tag on an animal.

        :param is_primary: it takes the place of the tag by which the animal is known; else it is worn beside it
        :param at: naive UTC, or text in the server's format; since when it is worn. When left out: as far back as
            readings go for a tag that nobody wore before, else from now on
        :raise UserError: no such animal, no tag, or a tag that another animal wears
        """
        animal = self._animal(animal_id)
        at = fields.Datetime.to_datetime(at)
        if is_primary:
            animal.rfid_ids._current_primary()._replace(animal, rfid_tag, at)
        elif self.lookup_animal(rfid_tag) != animal:
            self.env["farm.animal.rfid"].create(
                {"animal_id": animal.id, "printed_tag": rfid_tag, "is_primary": False, "date_from": at or False}
            )
        return True

    @api.model
    def replace_rfid(self, animal_id, rfid_tag, reason="", at=None):
        """Put a new tag on an animal in place of the one by which it is known; the other tags it wears stay.

        :param reason: why the old one came off: lost, broken, replaced (the default) or sold
        :param at: naive UTC, or text in the server's format; by default now
        :raise UserError: no such animal, no tag, a tag that another animal wears, or another reason
        """
        animal = self._animal(animal_id)
        self._check_reason(reason)
        if not self.validate_rfid_format(rfid_tag):
            raise UserError(_("%s is no animal's tag.", rfid_tag))
        worn = animal.rfid_ids._current_primary()
        if worn and worn.rfid_tag == normalize(rfid_tag):
            raise UserError(_("Animal %s wears this tag already.", animal.name))
        worn._replace(animal, rfid_tag, fields.Datetime.to_datetime(at), reason)
        return True

    @api.model
    def retire_rfid(self, rfid_tag, reason="", at=None):
        """Take a tag off whoever wears it. Milkings of before stay with the animal.

        :param reason: lost, broken, replaced or sold
        :param at: naive UTC, or text in the server's format; by default now
        :raise UserError: no tag, nobody wears it, or another reason
        """
        self._check_reason(reason)
        try:
            canonical = normalize(rfid_tag)
        except RfidError as error:
            raise UserError(str(error)) from error
        worn = self.env["farm.animal.rfid"]._worn(canonical)
        if not worn:
            raise UserError(_("No animal wears tag %s.", rfid_tag))
        worn._take_off(fields.Datetime.to_datetime(at), reason)
        return True

    @api.model
    def assign_unknown(self, unknown_id, animal_id, is_primary=True, since=None):
        """Make a tag of the list of unknown tags an animal's, and the milkings since then hers.

        :param is_primary: it takes the place of the tag by which the animal is known; else it is worn beside it
        :param since: naive UTC, or text in the server's format; by default when it was first seen
        :return: `milk.session`, those that have an animal now
        :raise UserError: no such tag or animal, or it cannot be worn since then
        """
        unknown = self.env["iot.rfid.unknown"].browse(unknown_id).exists()
        if not unknown:
            raise UserError(_("This tag is no longer in the list."))
        return unknown._assign(
            self._animal(animal_id), is_primary, fields.Datetime.to_datetime(since) or unknown.first_seen
        )

    @api.model
    def _animal(self, animal_id):
        animal = self.env["farm.animal"].browse(animal_id).exists()
        if not animal:
            raise UserError(_("There is no animal %s.", animal_id))
        return animal

    @api.model
    def _check_reason(self, reason):
        reasons = dict(self.env["farm.animal.rfid"]._fields["removal_reason"].selection)
        if reason and reason not in reasons:
            raise UserError(
                _(
                    "A tag is taken off because it is one of: %(reasons)s, not %(given)s.",
                    reasons=", ".join(reasons),
                    given=reason,
                )
            )
