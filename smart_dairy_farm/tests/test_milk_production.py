"""Milk production is recorded once per source and keeps the farm on which it was milked."""

from datetime import date

from freezegun import freeze_time
from psycopg2 import IntegrityError

from odoo.tests import Form
from odoo.tools import mute_logger

from .common import HerdCase


class TestMilkProduction(HerdCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.animal = cls.make_animal("17")

    def record(self, **values):
        """Record a milking of the animal."""
        defaults = {"animal_id": self.animal.id, "date": date(2025, 3, 1), "quantity": 12.5}
        return self.env["farm.milk.production"].create({**defaults, **values})

    def assert_refused(self, **values):
        """The database refuses a milking with these values."""
        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            self.record(**values)

    def test_one_source_reference_is_recorded_once_per_source(self):
        self.record(source="iot_meter", source_reference="MS-1")
        self.record(source="import", source_reference="MS-1")
        self.assert_refused(source="iot_meter", source_reference="MS-1", date=date(2025, 3, 2))

    def test_milkings_without_a_reference_are_not_taken_for_one(self):
        self.record()
        self.record()
        self.assertEqual(self.animal.production_count, 2)

    def test_a_robot_cow_has_several_milkings_in_one_half_day(self):
        for number in range(3):
            self.record(milking_time="am", source="iot_meter", source_reference=f"MS-{number}")
        self.assertEqual(self.animal.production_count, 3)

    def test_a_milking_stays_with_the_farm_when_the_animal_moves(self):
        milking = self.record()
        self.animal.farm_id = self.make_farm("TEST-B")
        self.assertEqual(milking.farm_id, self.farm)

    def test_impossible_values_are_refused(self):
        self.assert_refused(quantity=-0.1)
        self.assert_refused(fat_percentage=100.1)
        self.assert_refused(protein_percentage=-1)
        self.assert_refused(somatic_cell_count=-1)

    def test_the_form_proposes_the_farms_own_half_day(self):
        farm = self.make_farm("TEST-NZ", tz="Pacific/Auckland")
        cow = self.make_animal("18", farm_id=farm.id)
        with freeze_time("2025-07-01 18:00:00"), Form(self.env["farm.milk.production"]) as form:
            form.animal_id = cow
            form.quantity = 10
            self.assertEqual((str(form.date), form.milking_time), ("2025-07-02", "am"))

    def test_a_milking_is_called_by_animal_day_and_half(self):
        self.assertEqual(self.record(milking_time="pm").display_name, "17 2025-03-01 Evening")
