"""Animals are found by any form of their tags, and get new ones."""

from odoo.exceptions import UserError, ValidationError
from odoo.tests.common import tagged

from .common import OTHER_TAG, PRINTED_TAG, TAG, MilkCase


@tagged("post_install", "-at_install")
class TestRfidService(MilkCase):
    def setUp(self):
        super().setUp()
        self.service = self.env["iot.rfid.service"]

    def test_an_animal_is_found_by_any_form_of_its_tag(self):
        for form in (TAG, PRINTED_TAG, "3E7.1CBE991A14", TAG.lower()):
            self.assertEqual(self.service.lookup_animal(form), self.cow)
        self.assertFalse(self.service.lookup_animal(OTHER_TAG))
        self.assertFalse(self.service.lookup_animal("nonsense"))

    def test_formats(self):
        self.assertTrue(self.service.validate_rfid_format(PRINTED_TAG))
        self.assertFalse(self.service.validate_rfid_format("LR 0006 000001088420"))
        self.assertFalse(self.service.validate_rfid_format(""))

    def test_a_new_primary_tag_takes_the_place_of_the_old_one(self):
        self.assertTrue(self.service.register_new_rfid(OTHER_TAG, self.cow.id))
        self.assertEqual(self.cow.rfid_tag, OTHER_TAG)
        self.assertFalse(self.service.lookup_animal(TAG))

    def test_a_second_tag_is_worn_beside_the_first(self):
        self.service.register_new_rfid(OTHER_TAG, self.cow.id, is_primary=False)
        self.service.register_new_rfid(OTHER_TAG, self.cow.id, is_primary=False)
        self.assertEqual(self.cow.rfid_tag, TAG)
        self.assertEqual(self.service.lookup_animal(OTHER_TAG), self.cow)
        self.assertEqual(len(self.cow.rfid_ids), 2)

    def test_a_tag_that_another_animal_wears_is_refused(self):
        other = self.env["farm.animal"].create({"name": "18", "farm_id": self.farm.id})
        with self.assertRaises(ValidationError):
            self.service.register_new_rfid(TAG, other.id)

    def test_an_animal_that_does_not_exist_is_an_error(self):
        with self.assertRaises(UserError):
            self.service.register_new_rfid(OTHER_TAG, 2**30)
