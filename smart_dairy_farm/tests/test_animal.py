"""Animals: their place, their days in milk, their numbers."""

from datetime import date

from freezegun import freeze_time
from psycopg2 import IntegrityError

from odoo.exceptions import ValidationError
from odoo.tests import Form
from odoo.tools import mute_logger

from .common import HerdCase


class TestAnimal(HerdCase):
    def test_days_in_milk_are_counted_by_the_farms_calendar(self):
        animal = self.make_animal("17", last_calving_date=date(2025, 3, 1), birth_date=date(2022, 1, 1))
        with freeze_time("2025-03-31 21:30:00"):
            animal.invalidate_recordset(["days_in_milk"])
            self.assertEqual(animal.days_in_milk, 30)
        with freeze_time("2025-03-31 22:30:00"):  # half past midnight of the next day on the farm
            animal.invalidate_recordset(["days_in_milk"])
            self.assertEqual(animal.days_in_milk, 31)

    def test_an_animal_that_gives_no_milk_has_no_days_in_milk(self):
        with freeze_time("2025-03-31 12:00:00"):
            animal = self.make_animal("17", last_calving_date=date(2025, 3, 1), status="dry")
            self.assertEqual(animal.days_in_milk, 0)
            animal.status = "lactating"
            self.assertEqual(animal.days_in_milk, 30)
            animal.last_calving_date = False
            self.assertEqual(animal.days_in_milk, 0)

    def test_a_number_is_used_once_on_a_farm_and_again_on_another(self):
        self.make_animal("17")
        self.make_animal("17", farm_id=self.make_farm("TEST-B").id)
        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            self.make_animal("17")

    def test_an_animal_stands_in_a_pen_of_its_own_farm(self):
        other = self.make_farm("TEST-B")
        with self.assertRaisesRegex(ValidationError, "TEST-A/L is on another one"):
            self.make_animal("17", farm_id=other.id, pen_id=self.pen.id)
        animal = self.make_animal("17", pen_id=self.pen.id)
        with self.assertRaises(ValidationError):
            animal.farm_id = other

    def test_changing_the_farm_in_the_form_empties_the_pen(self):
        other = self.make_farm("TEST-B")
        animal = self.make_animal("17", pen_id=self.pen.id)
        with Form(animal) as form:
            form.farm_id = other
            self.assertFalse(form.pen_id)
        self.assertEqual(animal.farm_id, other)

    def test_an_animal_is_neither_born_nor_calved_in_the_future_nor_in_the_wrong_order(self):
        with freeze_time("2025-03-31 12:00:00"):
            for dates in (
                {"birth_date": date(2025, 4, 1)},
                {"last_calving_date": date(2025, 4, 1)},
                {"birth_date": date(2025, 3, 1), "last_calving_date": date(2025, 2, 1)},
            ):
                with self.subTest(dates=dates), self.assertRaises(ValidationError):
                    self.make_animal("17", **dates)

    def test_a_change_of_status_is_told_in_the_chatter(self):
        animal = self.make_animal("17").with_context(tracking_disable=False)
        self.env.flush_all()
        self.env.cr.precommit.run()
        animal.status = "dry"
        self.env.flush_all()
        self.env.cr.precommit.run()
        tracked = animal.message_ids.sudo().tracking_value_ids
        self.assertEqual([(value.old_value_char, value.new_value_char) for value in tracked], [("Lactating", "Dry")])

    def test_a_pen_counts_its_animals_against_its_places(self):
        self.pen.capacity = 4
        for name in ("1", "2", "3"):
            self.make_animal(name, pen_id=self.pen.id)
        self.assertEqual((self.pen.animal_count, self.pen.occupancy), (3, 75.0))
        self.assertEqual((self.farm.animal_count, self.farm.pen_count), (3, 1))

    def test_a_pen_is_named_among_all_farms_by_its_reference(self):
        other = self.make_farm("TEST-B")
        self.env["farm.pen"].create({"name": "Lactating", "code": "L", "farm_id": other.id})
        found = self.env["farm.pen"].name_search("TEST-A/L", operator="=")
        self.assertEqual([pen[0] for pen in found], self.pen.ids)
        self.farm.code = "TEST-C"
        self.assertEqual(self.pen.reference, "TEST-C/L")
