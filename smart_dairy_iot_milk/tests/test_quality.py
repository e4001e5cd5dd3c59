"""The grade of milk: the decision list, line by line and at its limits."""

from psycopg2 import IntegrityError

from odoo.tests.common import BaseCase, tagged
from odoo.tools import mute_logger

from ..quality import GradeLimits, quality_grade
from .common import MilkCase


@tagged("post_install", "-at_install")
class TestQuality(BaseCase):
    def test_grades(self):
        for fat, protein, cells, blood, grade in (
            (4.0, 3.4, 100_000, True, "reject"),
            (0, 0, 0, True, "reject"),
            (4.0, 3.4, 400_001, False, "reject"),
            (0, 0, 400_001, False, "reject"),
            (4.0, 3.4, 400_000, False, "B"),
            (0, 3.4, 100_000, False, False),
            (4.0, 0, 100_000, False, False),
            (None, None, None, None, False),
            (3.5, 3.0, 199_999, False, "A"),
            (3.5, 3.0, 200_000, False, "B"),
            (3.5, 3.0, 0, False, "B"),
            (3.49, 3.0, 100_000, False, "B"),
            (3.5, 2.99, 100_000, False, "B"),
            (3.0, 2.8, 0, False, "B"),
            (3.0, 2.79, 0, False, "C"),
            (2.99, 3.4, 0, False, "C"),
            (2.5, 1.0, 0, False, "C"),
            (2.49, 3.4, 0, False, "reject"),
        ):
            with self.subTest(fat=fat, protein=protein, cells=cells, blood=blood):
                self.assertEqual(quality_grade(fat, protein, cells, blood), grade)

    def test_grades_by_limits_of_ones_own(self):
        limits = GradeLimits(4.0, 3.4, 3.5, 3.2, 3.0, scc_limit=300_000, scc_healthy=100_000)
        for fat, protein, cells, grade in (
            (4.0, 3.4, 99_999, "A"),
            (4.0, 3.4, 100_000, "B"),
            (3.99, 3.4, 99_999, "B"),
            (3.5, 3.2, 0, "B"),
            (3.49, 3.2, 0, "C"),
            (3.0, 3.2, 0, "C"),
            (2.99, 3.2, 0, "reject"),
            (4.0, 3.4, 300_001, "reject"),
        ):
            with self.subTest(fat=fat, protein=protein, cells=cells):
                self.assertEqual(quality_grade(fat, protein, cells, False, limits), grade)


@tagged("post_install", "-at_install")
class TestGradesOfFarms(MilkCase):
    QUALITY = {"fat_percentage": 3.6, "protein_percentage": 3.1, "somatic_cell_count": 150_000}

    def test_a_farm_grades_by_its_own_limits(self):
        self.assertEqual(self.milk(quality=self.QUALITY).quality_grade, "A")
        self.farm.grade_a_fat = 3.8
        self.assertEqual(self.milking_at(7200, session_id="s2", quality=self.QUALITY).quality_grade, "B")

    def test_milk_keeps_the_grade_by_which_it_was_delivered(self):
        session = self.milk(quality=self.QUALITY)
        self.farm.write({"grade_a_fat": 3.8, "scc_limit": 100_000, "scc_healthy": 50_000})
        self.env.flush_all()
        self.env.invalidate_all()
        self.assertEqual(session.quality_grade, "A")

    def test_a_farm_that_may_deliver_more_cells_is_not_told_of_them(self):
        self.farm.scc_limit = 750_000
        session = self.milk(quality={**self.QUALITY, "somatic_cell_count": 500_000})
        self.assertEqual(session.quality_grade, "B")

    def test_a_single_reading_is_graded_by_its_farms_limits(self):
        self.farm.scc_limit = 750_000
        self.store_reading(10, session_id="s1", yield_liters=4.5, somatic_cell_count=500_000)
        reading = self.env["milk.production.realtime"].search([("iot_device_id", "=", self.meter.iot_device_id.id)])
        self.assertFalse(reading.quality_alert)

    def test_a_single_readings_conductivity_is_held_against_the_baseline_at_25_degrees(self):
        self.milk()
        self.store_reading(10, session_id="s1", conductivity=6.93, milk_temperature=38.0)
        reading = self.env["milk.production.realtime"].search([("iot_device_id", "=", self.meter.iot_device_id.id)])
        self.assertTrue(reading.milk_session_id)
        self.assertTrue(reading.is_abnormal, "as high at 25 °C")
        self.meter.conductivity_reported_at = "milk"
        reading.invalidate_recordset()
        self.assertFalse(reading.is_abnormal, "5.5 at 25 °C")

    def readings(self):
        return self.env["milk.production.realtime"].search([("iot_device_id", "=", self.meter.iot_device_id.id)])

    def test_a_reading_of_no_milking_is_held_against_the_baseline_at_25_degrees_too(self):
        self.meter.conductivity_reported_at = "milk"
        self.store_reading(10, conductivity=6.93, milk_temperature=38.0)
        self.store_reading(20, conductivity=8.5, milk_temperature=38.0)
        healthy, high = self.readings().sorted("timestamp")
        self.assertFalse(healthy.milk_session_id or high.milk_session_id)
        self.assertFalse(healthy.is_abnormal, "5.5 at 25 °C")
        self.assertTrue(high.is_abnormal, "6.75 at 25 °C")

    def test_a_reading_of_a_meter_that_is_archived_is_brought_to_25_degrees_too(self):
        self.meter.conductivity_reported_at = "milk"
        self.store_reading(10, conductivity=6.93, milk_temperature=38.0)
        self.meter.iot_device_id.active = False
        self.assertFalse(self.readings().is_abnormal)

    def test_without_the_cows_baseline_a_single_reading_is_held_against_its_meters(self):
        self.milk()
        self.store_reading(10, session_id="s1", conductivity=4.9)
        self.store_reading(9 * 3600, conductivity=4.9)
        self.assertEqual(self.readings().mapped("is_abnormal"), [False, False], "5.5 is taken where there is neither")
        self.meter.conductivity_baseline = 4.0
        self.readings().invalidate_recordset()
        self.assertEqual(self.readings().mapped("is_abnormal"), [True, True])
        self.cow.conductivity_baseline = 4.5
        self.readings().invalidate_recordset()
        of_the_cow, of_nobody = self.readings().sorted("timestamp")
        self.assertEqual(of_the_cow.animal_id, self.cow)
        self.assertEqual((of_the_cow.is_abnormal, of_nobody.is_abnormal), (False, True))

    def test_many_readings_are_judged_by_as_many_queries_as_one(self):
        meters = self.meter
        for number in range(5):
            meters |= self.make_meter(f"MM-5{number}")
        for number, meter in enumerate(meters):
            self.store_reading(number, meter, conductivity=6.93, milk_temperature=38.0)
        readings = self.env["milk.production.realtime"].search([("iot_device_id", "in", meters.iot_device_id.ids)])

        def queries(of):
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            of.mapped("is_abnormal")
            return self.env.cr.sql_log_count - before

        self.assertEqual(len(readings), 6)
        self.assertEqual(queries(readings), queries(readings[:1]))

    def test_milk_of_a_cow_under_treatment_is_rejected_whatever_it_measures(self):
        session = self.milk(quality=self.QUALITY)
        session.under_withdrawal = True
        self.assertEqual(session.quality_grade, "reject")

    def test_limits_that_make_no_sense_are_refused(self):
        for vals in (
            {"grade_b_fat": 3.6},
            {"grade_c_fat": 3.1},
            {"grade_b_protein": 3.1},
            {"scc_healthy": 400_001},
            {"scc_healthy": 0},
            {"milking_restart_minutes": -1},
            {"milking_twice_minutes": 241},
        ):
            with self.subTest(vals=vals), self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"):
                with self.env.cr.savepoint():
                    self.farm.write(vals)
                    self.env.flush_all()
                    self.fail("it was accepted")
            self.env.invalidate_all()
