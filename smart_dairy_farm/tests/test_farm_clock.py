"""The farm's own clock decides on day and half day."""

from datetime import date, datetime

from odoo.exceptions import ValidationError

from .common import HerdCase


class TestFarmClock(HerdCase):
    def assert_half_day(self, farm, moment, day, half):
        """At this moment (UTC) the farm has this date and this half day."""
        self.assertEqual((farm._local_date(moment), farm._milking_time(moment)), (day, half))

    def test_the_day_begins_at_the_farms_midnight_before_and_after_the_clock_changes(self):
        winter_midnight = datetime(2025, 3, 29, 23, 0)
        summer_midnight = datetime(2025, 3, 30, 22, 0)
        self.assert_half_day(self.farm, datetime(2025, 3, 29, 22, 59, 59), date(2025, 3, 29), "pm")
        self.assert_half_day(self.farm, winter_midnight, date(2025, 3, 30), "am")
        self.assert_half_day(self.farm, datetime(2025, 3, 30, 21, 59, 59), date(2025, 3, 30), "pm")
        self.assert_half_day(self.farm, summer_midnight, date(2025, 3, 31), "am")

    def test_noon_moves_with_summer_time(self):
        self.assert_half_day(self.farm, datetime(2025, 1, 15, 10, 30), date(2025, 1, 15), "am")
        self.assert_half_day(self.farm, datetime(2025, 7, 15, 10, 30), date(2025, 7, 15), "pm")

    def test_the_hour_that_comes_twice_belongs_to_one_morning(self):
        farm = self.make_farm("TEST-NY", tz="America/New_York")
        for moment in (datetime(2025, 11, 2, 5, 30), datetime(2025, 11, 2, 6, 30)):
            self.assert_half_day(farm, moment, date(2025, 11, 2), "am")

    def test_farms_on_two_sides_of_the_world_have_two_dates(self):
        auckland = self.make_farm("TEST-NZ", tz="Pacific/Auckland")
        chicago = self.make_farm("TEST-US", tz="America/Chicago")
        moment = datetime(2025, 7, 1, 18, 0)
        self.assert_half_day(auckland, moment, date(2025, 7, 2), "am")
        self.assert_half_day(chicago, moment, date(2025, 7, 1), "pm")

    def test_zones_off_the_full_hour_count(self):
        farm = self.make_farm("TEST-IN", tz="Asia/Kolkata")
        self.assert_half_day(farm, datetime(2025, 5, 5, 6, 29), date(2025, 5, 5), "am")
        self.assert_half_day(farm, datetime(2025, 5, 5, 6, 30), date(2025, 5, 5), "pm")


class TestFarmCode(HerdCase):
    def test_a_code_has_letters_digits_underscore_and_hyphen_only(self):
        self.make_farm("Farm_7-b")
        for code in ("FARM 7", "FARM/7", "farm+", "#", "Hof-ä", "FARM7\n"):
            with self.subTest(code=code), self.assertRaises(ValidationError):
                self.make_farm(code)

    def test_a_new_farm_has_its_makers_time_zone(self):
        self.env.user.tz = "Asia/Dhaka"
        farm = self.env["farm.location"].create({"name": "Delta", "code": "DELTA"})
        self.assertEqual(farm.tz, "Asia/Dhaka")
