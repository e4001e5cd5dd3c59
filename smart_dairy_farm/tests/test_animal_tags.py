"""A tag has one animal at a time, and the past keeps its animals."""

from datetime import datetime, timedelta

from freezegun import freeze_time
from psycopg2 import IntegrityError

from odoo.exceptions import ValidationError
from odoo.tests import new_test_user
from odoo.tools import mute_logger

from .common import OTHER_TAG, TAG, TAG_CANONICAL, HerdCase

NOW = datetime(2025, 6, 15, 10, 0)
MINUTE = timedelta(minutes=1)


@freeze_time(NOW)
class TestAnimalTags(HerdCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.berta = cls.make_animal("17")
        cls.clara = cls.make_animal("18")
        cls.tags = cls.env["farm.animal.rfid"]
        cls.animals = cls.env["farm.animal"]

    def put_on(self, animal, tag=TAG, **values):
        """Put a tag on an animal and return the record of it."""
        return self.tags.create({"animal_id": animal.id, "printed_tag": tag, **values})

    def test_every_form_of_a_tag_finds_its_animal(self):
        self.put_on(self.berta, "LA 00000 0 982 000001088420")
        for form in (TAG, "982000001088420", "LA 982 000001088420\r\n", TAG_CANONICAL, 982000001088420):
            with self.subTest(form=form):
                self.assertEqual(self.animals._find_by_rfid(form), self.berta)

    def test_an_unknown_tag_and_what_is_no_tag_find_no_animal(self):
        self.put_on(self.berta)
        for form in (OTHER_TAG, "nonsense", "", 0, None, "LR 0006 000000000001"):
            with self.subTest(form=form):
                self.assertFalse(self.animals._find_by_rfid(form))

    def test_a_tag_keeps_what_was_typed_beside_its_canonical_form(self):
        tag = self.put_on(self.berta, "LA 982 000001088420")
        self.assertEqual(
            (tag.printed_tag, tag.rfid_tag, tag.tag_decimal),
            ("LA 982 000001088420", TAG_CANONICAL, "982000001088420"),
        )

    def test_a_tag_may_be_given_under_the_name_of_its_canonical_form(self):
        tag = self.tags.create({"animal_id": self.berta.id, "rfid_tag": "982 000001088420"})
        self.assertEqual(tag.rfid_tag, TAG_CANONICAL)
        tag.write({"rfid_tag": OTHER_TAG})
        self.assertEqual(tag.tag_decimal, "964000000123456")

    def test_what_is_no_tag_is_refused_with_a_sentence(self):
        with self.assertRaisesRegex(ValidationError, "industrial tag"):
            self.put_on(self.berta, "LR 0006 000000000001")
        with self.assertRaisesRegex(ValidationError, "15 digits"):
            self.berta.rfid_tag = "9.82E+14"

    def test_a_tag_worn_by_one_animal_is_refused_to_another(self):
        self.put_on(self.berta)
        with self.assertRaisesRegex(ValidationError, "worn by animal 17"):
            self.put_on(self.clara, "982000001088420")

    def test_the_database_too_refuses_a_second_wearer(self):
        self.put_on(self.berta)
        self.env.flush_all()
        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            self.env.cr.execute(
                "INSERT INTO farm_animal_rfid (animal_id, printed_tag, rfid_tag) VALUES (%s, %s, %s)",
                (self.clara.id, TAG, TAG_CANONICAL),
            )
            self.env.cr.execute("SET CONSTRAINTS ALL IMMEDIATE")

    def test_a_tag_that_moves_finds_each_animal_in_its_time(self):
        moved = NOW - timedelta(days=30)
        self.put_on(self.berta, date_to=moved)
        self.put_on(self.clara, date_from=moved)
        self.assertEqual(self.animals._find_by_rfid(TAG), self.clara)
        self.assertEqual(self.animals._find_by_rfid(TAG, at=moved - MINUTE), self.berta)
        self.assertEqual(self.animals._find_by_rfid(TAG, at=moved), self.clara)

    def test_a_tag_taken_off_finds_nobody_from_then_on(self):
        tag = self.put_on(self.berta, date_from=NOW - timedelta(days=9))
        tag.action_take_off()
        self.assertEqual(tag.date_to, NOW)
        self.assertFalse(self.animals._find_by_rfid(TAG))
        self.assertFalse(self.animals._find_by_rfid(TAG, at=NOW))
        self.assertEqual(self.animals._find_by_rfid(TAG, at=NOW - MINUTE), self.berta)
        self.assertFalse(self.animals._find_by_rfid(TAG, at=NOW - timedelta(days=10)))

    def test_a_tag_is_not_taken_off_before_it_was_put_on(self):
        tag = self.put_on(self.berta, date_from=NOW - timedelta(days=9))
        tag._take_off(NOW - timedelta(days=20), "lost")
        self.assertEqual((tag.date_to, tag.removal_reason), (tag.date_from, "lost"))

    def test_a_replaced_tag_says_so(self):
        self.berta.rfid_tag = TAG
        self.berta.rfid_tag = OTHER_TAG
        self.assertEqual(self.berta.rfid_ids.sorted("id").mapped("removal_reason"), ["replaced", False])

    def test_a_tag_never_worn_before_is_its_animals_as_far_back_as_readings_go(self):
        self.put_on(self.berta)
        self.assertEqual(self.animals._find_by_rfid(TAG, at=datetime(2001, 1, 1)), self.berta)

    def test_a_tag_worn_before_is_the_new_animals_from_now_only(self):
        self.put_on(self.berta, date_to=NOW - timedelta(days=2))
        self.assertEqual(self.put_on(self.clara).date_from, NOW)
        self.assertFalse(self.animals._find_by_rfid(TAG, at=NOW - timedelta(days=1)))

    def test_periods_of_two_animals_may_touch_but_not_overlap(self):
        start, end = NOW - timedelta(days=20), NOW - timedelta(days=10)
        self.put_on(self.berta, date_from=start, date_to=end)
        self.put_on(self.clara, date_from=end, date_to=NOW - timedelta(days=5))
        with self.assertRaisesRegex(ValidationError, "worn by animal"):
            self.put_on(self.clara, date_from=start - MINUTE, date_to=start + MINUTE)

    def test_a_tag_may_move_in_one_transaction_in_either_order(self):
        tag = self.put_on(self.berta)
        tag.date_to = NOW
        self.put_on(self.clara)
        self.env.flush_all()
        self.env.cr.execute("SET CONSTRAINTS ALL IMMEDIATE")
        self.assertEqual(self.clara.rfid_tag, TAG_CANONICAL)

    def test_a_history_is_in_order_and_not_in_the_future(self):
        with self.assertRaisesRegex(ValidationError, "future"):
            self.put_on(self.berta, date_from=NOW + MINUTE)
        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            self.put_on(self.berta, date_from=NOW - MINUTE, date_to=NOW - 2 * MINUTE)

    def test_the_animals_tag_is_its_primary_one(self):
        self.put_on(self.berta)
        bolus = self.put_on(self.berta, OTHER_TAG, is_primary=False)
        self.assertEqual(self.berta.rfid_tag, TAG_CANONICAL)
        bolus.is_primary = True
        self.assertEqual(self.berta.rfid_tag, bolus.rfid_tag)
        self.assertEqual(self.berta.rfid_ids.filtered("is_primary"), bolus)
        self.assertEqual(self.animals._find_by_rfid(TAG), self.berta, "the other tag is still worn")

    def test_without_its_primary_tag_an_animal_is_known_by_the_one_it_still_wears(self):
        ear_tag = self.put_on(self.berta)
        bolus = self.put_on(self.berta, OTHER_TAG, is_primary=False)
        ear_tag.action_take_off()
        self.assertEqual(self.berta.rfid_tag, bolus.rfid_tag)
        bolus.action_take_off()
        self.assertFalse(self.berta.rfid_tag)

    def test_writing_the_animals_tag_replaces_it_and_keeps_the_history(self):
        self.berta.rfid_tag = "LA 982 000001088420"
        self.assertEqual(self.berta.rfid_tag, TAG_CANONICAL)
        self.berta.rfid_tag = OTHER_TAG
        lost, worn = self.berta.rfid_ids.sorted("id")
        self.assertEqual((lost.rfid_tag, lost.date_to), (TAG_CANONICAL, NOW))
        self.assertEqual((worn.tag_decimal, worn.date_to), ("964000000123456", False))
        self.assertEqual(self.animals._find_by_rfid(TAG, at=NOW - MINUTE), self.berta)

    def test_writing_another_form_of_the_same_tag_changes_nothing(self):
        self.berta.rfid_tag = TAG
        self.berta.rfid_tag = "A0000000982000001088420"
        self.assertEqual(len(self.berta.rfid_ids), 1)
        self.assertEqual(self.berta.rfid_tag, TAG_CANONICAL)

    def test_writing_no_tag_takes_the_tag_off(self):
        self.berta.rfid_tag = TAG
        self.berta.rfid_tag = False
        self.assertFalse(self.berta.rfid_tag)
        self.assertEqual(self.berta.rfid_ids.date_to, NOW)

    def test_an_animal_created_with_a_tag_wears_it(self):
        animal = self.make_animal("19", rfid_tag=TAG)
        self.assertEqual(animal.rfid_tag, TAG_CANONICAL)
        self.assertEqual(self.animals._find_by_rfid(TAG), animal)

    def test_a_copied_animal_has_no_tag(self):
        self.berta.rfid_tag = TAG
        self.assertFalse(self.berta.copy({"name": "17 again"}).rfid_tag)

    def test_an_archived_animal_is_still_found_by_its_tag(self):
        self.berta.rfid_tag = TAG
        self.berta.active = False
        self.assertEqual(self.animals._find_by_rfid(TAG), self.berta)

    def test_the_search_takes_any_form_of_a_tag_or_some_of_its_digits(self):
        self.berta.rfid_tag = TAG
        self.clara.rfid_tag = OTHER_TAG
        for operator, text in (("=", "LA 982 000001088420"), ("ilike", TAG_CANONICAL), ("ilike", "088420")):
            with self.subTest(operator=operator, text=text):
                self.assertEqual(self.animals.search([("rfid_numbers", operator, text)]), self.berta)

    def test_an_animal_is_named_by_any_form_of_its_tag(self):
        self.berta.rfid_tag = TAG
        self.assertEqual([found[0] for found in self.animals.name_search("LA 982 000001088420")], self.berta.ids)
        self.assertEqual([found[0] for found in self.animals.name_search(TAG, operator="=")], self.berta.ids)

    def test_animals_are_in_the_order_of_their_numbers(self):
        for names in (["2", "10", "100"], ["A-2", "A-10", "B 1"]):
            animals = self.animals.create([{"name": name, "farm_id": self.berta.farm_id.id} for name in names[::-1]])
            self.assertEqual(self.animals.search([("id", "in", animals.ids)]).mapped("name"), names)

    def test_the_animal_of_that_very_number_is_named_first(self):
        """Others have it somewhere in their number, or in a tag that everybody's digits are in."""
        farm = self.make_farm("TEST-MANY")
        many = self.animals.create(
            [{"name": f"9{number}", "farm_id": farm.id} for number in range(10, 30)]
            + [{"name": "9", "farm_id": farm.id}, {"name": "17", "farm_id": farm.id, "rfid_tag": TAG}]
        )
        *_others, exact, tagged_one = many
        on_farm = [("farm_id", "=", farm.id)]
        found = self.animals.browse([each[0] for each in self.animals.name_search("9", on_farm, limit=8)])
        self.assertEqual((found[0], len(found)), (exact, 8))
        found = self.animals.browse([each[0] for each in self.animals.name_search("9", on_farm)])
        self.assertEqual(found.sorted("id"), many - tagged_one)

    def test_a_tag_worn_where_the_user_may_not_look_is_refused_without_naming_the_animal(self):
        hidden = self.make_farm("TEST-HIDDEN", user_ids=[(4, self.env.ref("base.user_admin").id)])
        self.put_on(self.make_animal("SECRET", farm_id=hidden.id))
        manager = new_test_user(self.env, "tag.manager", groups="smart_dairy_farm.group_farm_manager")
        with self.assertRaisesRegex(ValidationError, "an animal of another farm") as caught:
            self.berta.with_user(manager).rfid_tag = TAG
        self.assertNotIn("SECRET", str(caught.exception))
