"""The demonstration data shows what it is meant to show (the database was made with it)."""

from odoo.tests import TransactionCase


class TestDemo(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.farm = cls.env.ref("smart_dairy_farm.farm_green_meadow")

    def test_green_meadow_has_a_herd_in_its_pens(self):
        self.assertEqual((self.farm.code, self.farm.tz), ("FARM001", "Europe/Amsterdam"))
        self.assertEqual(len(self.farm.animal_ids), 12)
        self.assertEqual(len(self.farm.pen_ids.filtered(lambda pen: pen.pen_type == "milking")), 3)
        self.assertEqual(self.farm.animal_ids.pen_id.farm_id, self.farm)

    def test_every_animal_wears_one_tag_and_is_found_by_it(self):
        for animal in self.farm.animal_ids:
            with self.subTest(animal=animal.name):
                self.assertEqual(self.env["farm.animal"]._find_by_rfid(animal.rfid_numbers), animal)

    def test_a_lost_tag_shows_in_the_history_of_its_animal(self):
        animal = self.env.ref("smart_dairy_farm.animal_103")
        self.assertEqual(len(animal.rfid_ids), 2)
        self.assertEqual(animal.rfid_numbers, "982000001088103")

    def test_lactating_cows_have_milk_and_days_in_milk(self):
        cows = self.farm.animal_ids.filtered(lambda animal: animal.status == "lactating")
        self.assertTrue(cows)
        for cow in cows:
            with self.subTest(cow=cow.name):
                self.assertGreater(cow.days_in_milk, 0)
                self.assertGreater(cow.production_count, 0)
