"""Animals and their tags, for readers and meters."""

from odoo import _, api, models
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
    def register_new_rfid(self, rfid_tag, animal_id, is_primary=True):
        """Put a tag on an animal.

        :param is_primary: it takes the place of the tag by which the animal is known; else it is worn beside it
        :raise UserError: no such animal, no tag, or a tag that another animal wears
        """
        animal = self.env["farm.animal"].browse(animal_id).exists()
        if not animal:
            raise UserError(_("There is no animal %s.", animal_id))
        if is_primary:
            animal.rfid_tag = rfid_tag
        elif self.lookup_animal(rfid_tag) != animal:
            self.env["farm.animal.rfid"].create({"animal_id": animal.id, "printed_tag": rfid_tag, "is_primary": False})
        return True
