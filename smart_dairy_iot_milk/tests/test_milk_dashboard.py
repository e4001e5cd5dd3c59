import json
from datetime import datetime, timedelta

from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged
from odoo.tests.common import TransactionCase

from .dashboard_common import NOON, DashboardFarms

GRADE_A = {"fat_percentage": 4.0, "protein_percentage": 3.4, "somatic_cell_count": 120_000}
GRADE_C = {"fat_percentage": 2.6, "protein_percentage": 3.4}


@tagged("post_install", "-at_install")
class TestMilkDashboard(DashboardFarms, TransactionCase):
    """What the dashboard is told of one farm's day."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.user = new_test_user(cls.env, "dashboard_user", "smart_dairy_farm.group_farm_user")

    def setUp(self):
        super().setUp()
        self.farm = self.make_farm("DASH")
        self.meter = self.make_meter(self.farm)

    def production(self, now=NOON, farm=None):
        return self.env["milk.session"]._dashboard_production(farm or self.farm, now)

    def data(self, farm=None, user=None):
        return self.env["milk.session"].with_user(user or self.user).get_dashboard_data((farm or self.farm).id)

    def test_a_day_begins_and_ends_at_the_farms_own_midnight(self):
        farm = self.make_farm("KOLKATA", tz="Asia/Kolkata")  # UTC+5:30
        meter = self.make_meter(farm)
        self.make_session(meter, datetime(2024, 3, 10, 18, 29, 59), 1.0)  # 23:59:59 on the 10th
        self.make_session(meter, datetime(2024, 3, 10, 18, 30, 0), 2.0)  # 00:00:00 on the 11th
        self.make_session(meter, datetime(2024, 3, 11, 18, 29, 59), 4.0)  # 23:59:59 on the 11th
        self.make_session(meter, datetime(2024, 3, 11, 18, 30, 0), 8.0)  # 00:00:00 on the 12th
        production = self.production(datetime(2024, 3, 10, 20, 0), farm)
        self.assertEqual(production["date"], "2024-03-11")
        self.assertEqual(production["summary"]["total_yield"], 6.0)
        yields = {each["hour"]: each["yield"] for each in production["hourly"] if each["yield"]}
        self.assertEqual(yields, {0: 2.0, 23: 4.0})

    def test_a_day_of_23_hours_ends_with_the_farms_midnight(self):
        farm = self.make_farm("BERLIN", tz="Europe/Berlin")  # summer time begins on 2024-03-31
        meter = self.make_meter(farm)
        self.make_session(meter, datetime(2024, 3, 30, 23, 0), 1.0)  # 00:00 on the 31st
        self.make_session(meter, datetime(2024, 3, 31, 21, 59), 2.0)  # 23:59 on the 31st
        self.make_session(meter, datetime(2024, 3, 31, 22, 0), 4.0)  # 00:00 on April 1st
        self.assertEqual(self.production(datetime(2024, 3, 31, 12, 0), farm)["summary"]["total_yield"], 3.0)

    def test_the_summary_counts_running_milk_but_averages_completed_sessions_only(self):
        self.make_session(self.meter, liters=10.0)
        self.make_session(self.meter, liters=14.0)
        self.make_session(self.meter, liters=3.0, state="in_progress")
        self.make_session(self.meter, liters=50.0, state="cancelled")
        summary = self.production()["summary"]
        self.assertEqual(
            summary,
            {
                "total_yield": 27.0,
                "running_yield": 3.0,
                "session_count": 2,
                "active_count": 1,
                "avg_yield": 12.0,
                "meter_count": 1,
            },
        )

    def test_a_day_without_milkings_is_all_zeros(self):
        production = self.production()
        self.assertEqual(production["summary"]["total_yield"], 0.0)
        self.assertEqual(production["summary"]["avg_yield"], 0.0)
        self.assertEqual(set(production["quality_breakdown"].values()), {0})
        self.assertEqual([each["hour"] for each in production["hourly"]], list(range(24)))
        self.assertEqual({each["yield"] for each in production["hourly"]}, {0.0})

    def test_hours_are_those_in_which_the_milkings_began(self):
        self.make_session(self.meter, datetime(2024, 6, 12, 5, 58), 10.0)
        self.make_session(self.meter, datetime(2024, 6, 12, 5, 10), 2.5)
        self.make_session(self.meter, datetime(2024, 6, 12, 17, 0), 4.0, state="in_progress")
        yields = {each["hour"]: each["yield"] for each in self.production()["hourly"] if each["yield"]}
        self.assertEqual(yields, {5: 12.5, 17: 4.0})

    def test_the_quality_breakdown_counts_each_completed_session_once(self):
        self.make_session(self.meter, **GRADE_A)
        self.make_session(self.meter, **GRADE_A)
        self.make_session(self.meter, **GRADE_C)
        self.make_session(self.meter, blood_detected=True)
        self.make_session(self.meter)
        self.make_session(self.meter, state="in_progress", **GRADE_A)
        self.assertEqual(self.production()["quality_breakdown"], {"A": 2, "B": 0, "C": 1, "reject": 1, "none": 1})

    def test_a_running_session_tells_who_where_how_much_and_for_how_long(self):
        animal = self.make_animal(self.farm, "Bella")
        point = self.env["iot.milk_meter.point"].search([("meter_id", "=", self.meter.id)], limit=1)
        session = self.make_session(
            self.meter,
            NOON - timedelta(minutes=2, seconds=5),
            3.2,
            "in_progress",
            animal_id=animal.id,
            milking_point=point.id,
            current_flow_rate=2.4,
            conductivity=4.9,
        )
        (shown,) = session._dashboard_active_sessions(self.farm, NOON)
        self.assertEqual(shown["id"], session.id)
        self.assertEqual(shown["meter"], self.meter.display_name)
        self.assertEqual(shown["animal"], animal.display_name)
        self.assertEqual(shown["milking_point"], point.point_number)
        self.assertEqual(shown["current_yield"], 3.2)
        self.assertEqual(shown["current_flow_rate"], 2.4)
        self.assertEqual(shown["conductivity"], 4.9)
        self.assertEqual(shown["duration_seconds"], 125)
        self.assertEqual(shown["start_time"], "2024-06-12 11:57:55")

    def test_a_milking_that_began_before_midnight_is_still_shown_as_running(self):
        self.make_session(self.meter, datetime(2024, 6, 11, 23, 58), 3.0, "in_progress")
        production = self.production(datetime(2024, 6, 12, 0, 1))
        self.assertEqual(production["summary"]["active_count"], 1)
        self.assertEqual(production["summary"]["total_yield"], 0.0)

    def test_recent_sessions_are_the_ten_that_ended_last(self):
        sessions = [self.make_session(self.meter, NOON + timedelta(minutes=10 * index)) for index in range(12)]
        self.make_session(self.meter, NOON + timedelta(days=1), state="in_progress")
        recent = self.data()["recent_sessions"]
        self.assertEqual([each["id"] for each in recent], [session.id for session in reversed(sessions[2:])])

    def test_a_recent_session_shows_its_grade_and_what_is_abnormal(self):
        animal = self.make_animal(self.farm, "Bella")
        animal.conductivity_baseline = 5.0
        session = self.make_session(self.meter, animal_id=animal.id, conductivity=9.0, **GRADE_A)
        (shown,) = self.data()["recent_sessions"]
        self.assertEqual(shown["quality_grade"], "A")
        self.assertIs(shown["is_abnormal"], True)
        self.assertTrue(shown["abnormality_reason"])
        self.assertEqual(shown["abnormality_reason"], session.abnormality_reason)

    def test_milkings_whose_animal_nobody_knows_are_counted(self):
        self.make_session(self.meter, NOON - timedelta(days=3))
        self.make_session(self.meter, liters=0.0)
        self.make_session(self.meter, state="in_progress")
        self.make_session(self.meter, animal_id=self.make_animal(self.farm, "Bella").id)
        self.make_session(self.make_meter(self.make_farm("OTHER")))
        self.assertEqual(self.data()["to_assign_count"], 1)

    def test_cows_whose_udder_is_to_be_looked_at_are_counted(self):
        elsewhere = self.make_meter(self.make_farm("OTHER"))
        for meter, level in [(self.meter, "watch"), (self.meter, "normal"), (elsewhere, "critical")]:
            animal = self.make_animal(meter.farm_id, level)
            self.make_session(meter, fields.Datetime.now(), animal_id=animal.id).mastitis_level = level
        self.assertEqual(self.data()["udder_count"], 1)

    def test_a_recent_session_shows_what_its_udder_is_judged_by(self):
        session = self.make_session(self.meter)
        session.mastitis_level = "warning"
        (shown,) = self.data()["recent_sessions"]
        self.assertEqual(shown["mastitis_level"], "warning")

    def test_only_active_alerts_of_the_farm_are_shown(self):
        values = {"alert_type": "custom", "severity": "high", "farm_id": self.farm.id}
        active, acknowledged = self.env["iot.alert"].create(
            [{"name": "Hot tank", "message": "The bulk tank is at 9 °C.", **values}, {"name": "Seen", **values}]
        )
        acknowledged.action_acknowledge()
        self.env["iot.alert"].create({"name": "Elsewhere", **values, "farm_id": self.make_farm("ELSE").id})
        (shown,) = self.data()["alerts"]
        self.assertEqual(
            {name: shown[name] for name in ("id", "name", "severity", "message")},
            {"id": active.id, "name": "Hot tank", "severity": "high", "message": "The bulk tank is at 9 °C."},
        )

    def test_only_the_chosen_farm_is_shown(self):
        other = self.make_farm("OTHER")
        self.make_session(self.make_meter(other), fields.Datetime.now(), 99.0)
        self.make_session(self.meter, fields.Datetime.now(), 5.0)
        data = self.data()
        self.assertEqual(data["farm_id"], self.farm.id)
        self.assertEqual(data["summary"]["total_yield"], 5.0)
        self.assertEqual(len(data["recent_sessions"]), 1)

    def test_a_farm_that_is_not_the_users_is_neither_listed_nor_shown(self):
        secret = self.make_farm("SECRET", user_ids=[(6, 0, self.env.user.ids)])
        self.make_session(self.make_meter(secret), fields.Datetime.now(), 99.0)
        data = self.data(secret)
        self.assertNotIn(secret.id, [farm["id"] for farm in data["farms"]])
        self.assertNotEqual(data["farm_id"], secret.id)
        self.assertEqual(data["summary"]["total_yield"], 0.0)
        self.assertEqual(data["recent_sessions"], [])

    def test_without_a_choice_a_farm_with_milk_meters_is_shown(self):
        self.make_farm("A-FARM-WITHOUT-METERS", name="A farm without meters")
        data = self.env["milk.session"].with_user(self.user).get_dashboard_data()
        self.assertEqual(data["farm_id"], self.farm.id)

    def test_without_any_meter_the_users_first_farm_is_shown(self):
        self.env["iot.milk_meter"].search([]).unlink()
        data = self.env["milk.session"].with_user(self.user).get_dashboard_data()
        self.assertEqual(data["farm_id"], data["farms"][0]["id"])

    def test_a_user_without_any_farm_gets_an_empty_dashboard(self):
        company = self.env["res.company"].create({"name": "No farm here"})
        user = new_test_user(
            self.env,
            "dashboard_farmless",
            "smart_dairy_farm.group_farm_user",
            company_id=company.id,
            company_ids=[(6, 0, company.ids)],
        )
        data = self.data(user=user)
        self.assertEqual(data["farms"], [])
        self.assertIs(data["farm_id"], False)
        self.assertEqual(data["active_sessions"], [])

    def test_milkings_stay_though_cow_and_meter_have_moved_to_a_closed_farm(self):
        cow = self.make_animal(self.farm, "17")
        self.make_session(self.meter, animal_id=cow.id)
        self.make_session(self.meter, animal_id=cow.id, state="in_progress")
        closed = self.make_farm("CLOSED", user_ids=[(6, 0, self.env.user.ids)])
        cow.farm_id = closed
        self.meter.farm_id = closed
        self.env.flush_all()
        self.env.invalidate_all()
        data = self.data()
        for kind in ("active_sessions", "recent_sessions"):
            self.assertEqual([(each["animal"], each["meter"]) for each in data[kind]], [("17", "Parlour 1")])

    def test_a_portal_user_gets_nothing(self):
        portal = new_test_user(self.env, "dashboard_portal", "base.group_portal")
        with self.assertRaises(AccessError):
            self.data(user=portal)

    def test_more_sessions_take_no_more_queries(self):
        def queries():
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            self.data()
            return self.env.cr.sql_log_count - before

        def milk(count):
            for index in range(count):
                animal = self.make_animal(self.farm, f"Cow {index} of {count}")
                self.make_session(self.meter, fields.Datetime.now(), animal_id=animal.id)
                self.make_session(self.meter, fields.Datetime.now(), animal_id=animal.id, state="in_progress")

        milk(1)
        queries()  # fills the caches of access rights
        with_one = queries()
        milk(8)
        self.assertEqual(queries(), with_one)

    def test_what_is_told_can_be_sent_to_a_browser(self):
        self.make_session(self.meter)
        self.make_session(self.meter, state="in_progress")
        self.env["iot.alert"].create({"name": "Hot tank", "alert_type": "custom", "farm_id": self.farm.id})
        data = self.data()
        self.assertEqual(json.loads(json.dumps(data)), data)
