"""Animals are found by any form of their tags, and get new ones."""

from datetime import datetime, timedelta

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests.common import new_test_user, tagged

from .common import OTHER_TAG, PRINTED_TAG, START, TAG, MilkCase


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

    def test_a_tag_may_be_registered_as_of_a_moment(self):
        heifer = self.env["farm.animal"].create({"name": "31", "farm_id": self.farm.id})
        self.service.register_new_rfid(OTHER_TAG, heifer.id, at="2026-02-01 06:00:00")
        self.assertEqual(self.service.lookup_animal(OTHER_TAG, START), heifer)
        self.assertFalse(self.service.lookup_animal(OTHER_TAG, datetime(2026, 1, 31)))

    def test_a_tag_is_replaced_with_the_reason_and_the_moment(self):
        self.service.replace_rfid(self.cow.id, OTHER_TAG, "lost", START)
        self.assertEqual(self.cow.rfid_tag, OTHER_TAG)
        self.assertRecordValues(
            self.cow.rfid_ids.sorted("id"),
            [
                {"rfid_tag": TAG, "date_to": START, "removal_reason": "lost"},
                {"rfid_tag": OTHER_TAG, "date_to": False, "removal_reason": False},
            ],
        )
        self.assertEqual(self.service.lookup_animal(TAG, START - timedelta(seconds=1)), self.cow)
        self.assertFalse(self.service.lookup_animal(TAG, START))

    def test_a_bolus_stays_when_the_ear_tag_is_replaced(self):
        self.service.register_new_rfid(OTHER_TAG, self.cow.id, is_primary=False)
        self.service.replace_rfid(self.cow.id, "982 000001088420")
        self.assertEqual(self.service.lookup_animal(OTHER_TAG), self.cow)
        self.assertEqual(self.service.lookup_animal("982 000001088420"), self.cow)
        self.assertEqual(self.cow.rfid_ids.filtered("date_to").removal_reason, "replaced")

    def test_a_retired_tag_is_nobodys_from_then_on(self):
        self.service.retire_rfid(PRINTED_TAG, "sold", START)
        self.assertFalse(self.service.lookup_animal(TAG))
        self.assertFalse(self.cow.rfid_tag)
        self.assertEqual(self.service.lookup_animal(TAG, START - timedelta(days=1)), self.cow)
        self.assertEqual(self.cow.rfid_ids.removal_reason, "sold")

    def test_what_cannot_be_replaced_or_retired_is_refused_with_a_sentence(self):
        with self.assertRaisesRegex(UserError, "No animal wears"):
            self.service.retire_rfid(OTHER_TAG)
        with self.assertRaisesRegex(UserError, "15 digits"):
            self.service.retire_rfid("nonsense")
        with self.assertRaisesRegex(UserError, "lost, broken, replaced, sold"):
            self.service.retire_rfid(TAG, "eaten")
        with self.assertRaisesRegex(UserError, "wears this tag already"):
            self.service.replace_rfid(self.cow.id, PRINTED_TAG)
        with self.assertRaisesRegex(UserError, "no animal's tag"):
            self.service.replace_rfid(self.cow.id, "LR 0006 000001088420")
        self.assertEqual(self.cow.rfid_tag, TAG)

    def test_who_may_not_change_animals_may_not_change_their_tags(self):
        user = new_test_user(self.env, "rfid.user", groups="smart_dairy_farm.group_farm_user")
        with self.assertRaises(AccessError):
            self.service.with_user(user).retire_rfid(TAG, "lost")
        with self.assertRaises(AccessError):
            self.service.with_user(user).replace_rfid(self.cow.id, OTHER_TAG)

    def test_the_window_replaces_or_retires_the_tag_worn_so_far(self):
        window = self.env["iot.rfid.change"].with_context(default_animal_id=self.cow.id)
        replacing = window.create({"rfid_tag": OTHER_TAG, "reason": "broken", "at": START})
        self.assertEqual(replacing.worn_id.rfid_tag, TAG)
        replacing.action_apply()
        self.assertEqual(self.cow.rfid_tag, OTHER_TAG)
        self.assertEqual(self.cow.rfid_ids.filtered("date_to").removal_reason, "broken")
        window.create({"reason": "sold"}).action_apply()
        self.assertFalse(self.cow.rfid_tag)
        with self.assertRaisesRegex(UserError, "wears no tag"):
            window.create({}).action_apply()
