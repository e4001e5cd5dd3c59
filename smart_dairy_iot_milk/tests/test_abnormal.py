"""A yield is unusual against what was to be expected of that cow on that day, after those hours."""

from datetime import timedelta

from odoo.tests.common import tagged

from ..lactation import Curve
from .common import START
from .udder_common import HALF_DAY, UdderCase


@tagged("post_install", "-at_install")
class TestExpected(UdderCase):
    def curve(self, daily=24.0, spread=1.0):
        """Give the cow a flat curve."""
        calving = self.farm._local_date(START) - timedelta(days=100)
        self.cow.write(
            {
                "last_calving_date": calving,
                "lactation_curve": {
                    "calving": calving.isoformat(),
                    "a": daily,
                    "b": 0.0,
                    "c": 0.0,
                    "residual_sd": spread,
                    "days": 60,
                },
            }
        )

    def test_nothing_is_expected_of_a_first_milking(self):
        session = self.milking(START)
        self.assertEqual((session.expected_yield, session.yield_deviation), (0, 0))
        self.assertFalse(session.is_abnormal)

    def test_by_the_curve_a_milking_is_expected_by_the_hours_since_the_last(self):
        self.curve(24.0)
        self.milking(START, liters=12.0)
        session = self.milking(START + timedelta(hours=10), liters=10.0)
        self.assertAlmostEqual(session.expected_yield, 10.0, 2)
        self.assertAlmostEqual(session.yield_deviation, 0.0, 1)

    def test_one_low_milking_by_the_curve_is_chance_and_two_are_not(self):
        self.curve(24.0, spread=1.0)
        self.milking(START)
        first = self.milking(START + HALF_DAY, liters=8.5)
        second = self.milking(START + 2 * HALF_DAY, liters=8.5)
        self.assertFalse(first.is_abnormal)
        self.assertTrue(second.is_abnormal)
        self.assertIn("8.5", second.abnormality_reason)
        self.assertIn("12.0", second.abnormality_reason)

    def test_a_curve_of_the_lactation_before_counts_no_more(self):
        self.curve(40.0)
        self.milking(START, liters=12.0)
        self.assertAlmostEqual(self.milking(START + HALF_DAY, liters=12.0).expected_yield, 20.0, 1)
        self.cow.last_calving_date = self.farm._local_date(START) - timedelta(days=2)
        self.assertIsNone(self.cow._curve())
        self.assertAlmostEqual(self.milking(START + 2 * HALF_DAY, liters=12.0).expected_yield, 12.0, 1)

    def test_without_a_curve_it_is_expected_by_what_an_hour_brings(self):
        self.healthy(10, liters=12.0)
        session = self.milking(START - HALF_DAY + timedelta(hours=6), liters=6.0)
        self.assertAlmostEqual(session.expected_yield, 6.0, 1)
        self.assertFalse(session.is_abnormal)

    def test_without_a_curve_30_per_cent_are_unusual(self):
        self.healthy(10, liters=12.0)
        self.assertFalse(self.milking(START, liters=8.6).is_abnormal)
        low = self.milking(START + HALF_DAY, liters=8.2)
        self.assertTrue(low.is_abnormal)
        self.assertIn("8.2", low.abnormality_reason)

    def test_a_yield_is_unusual_as_soon_as_the_deviation_says_so(self):
        self.milking(START, liters=12.0)
        session = self.milking(START + HALF_DAY, liters=12.0)
        self.assertTrue(session.expected_yield)
        self.assertFalse(session.is_abnormal)
        session.with_context(from_meter=True).yield_deviation = -80.0
        self.assertTrue(session.is_abnormal)
        session.with_context(from_meter=True).yield_deviation = 0.0
        self.assertFalse(session.is_abnormal)

    def test_a_few_bad_milkings_do_not_move_what_is_expected(self):
        self.healthy(12, liters=12.0)
        for number in range(3):
            self.milking(START + number * HALF_DAY, liters=1.0)
        self.assertAlmostEqual(self.milking(START + 3 * HALF_DAY).expected_yield, 12.0, 0)

    def test_conductivity_over_a_fifth_above_the_cows_baseline_is_said_with_both_figures(self):
        self.cow.conductivity_baseline = 4.0
        session = self.milking(START, 4.9)
        self.assertTrue(session.is_abnormal)
        self.assertIn("4.90", session.abnormality_reason)
        self.assertIn("4.00", session.abnormality_reason)

    def test_the_curve_is_fitted_to_the_days_of_the_lactation(self):
        today = self.farm._local_date(START)
        calving = today - timedelta(days=80)
        self.cow.write({"last_calving_date": calving, "lactation_number": 2})
        true = Curve(30.0, -0.03, -12.0, 0.0, 0)
        self.env["farm.milk.production"].create(
            [
                {
                    "animal_id": self.cow.id,
                    "date": calving + timedelta(days=day),
                    "milking_time": half,
                    "quantity": true.daily(day) / 2,
                }
                for day in range(5, 80)
                for half in ("am", "pm")
                # A milking that was not recorded: that day says nothing.
                if (day, half) != (40, "pm")
            ]
        )
        self.cow._refresh_usual(today)
        self.assertAlmostEqual(self.cow._curve().daily(60), true.daily(60), 1)
        self.assertAlmostEqual(self.cow._curve_yield(calving + timedelta(days=40)), true.daily(40), 1)

    def test_too_few_days_give_no_curve(self):
        today = self.farm._local_date(START)
        self.cow.last_calving_date = today - timedelta(days=10)
        self.env["farm.milk.production"].create(
            {"animal_id": self.cow.id, "date": today - timedelta(days=2), "quantity": 20.0}
        )
        self.cow._refresh_usual(today)
        self.assertFalse(self.cow.lactation_curve)
