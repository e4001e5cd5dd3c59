"""What a farm and an animal gave over time, and the course of a lactation."""

import json
from datetime import date, datetime, timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged
from odoo.tests.common import HttpCase, TransactionCase
from odoo.tools import date_utils

from .dashboard_common import DashboardFarms

#: A Wednesday.
NOW = datetime(2026, 3, 11, 12, 0)
TODAY = NOW.date()


@tagged("post_install", "-at_install")
class TestHistory(DashboardFarms, TransactionCase):
    def setUp(self):
        super().setUp()
        self.farm = self.make_farm("HISTORY")
        self.cow = self.make_animal(self.farm, "17")
        self.set_now(NOW)

    def set_now(self, now):
        self.startPatcher(patch.object(fields.Datetime, "now", lambda *_args: now))

    def produce(self, liters, day, animal=None, half="am"):
        return self.env["farm.milk.production"].create(
            {"animal_id": (animal or self.cow).id, "date": day, "milking_time": half, "quantity": liters}
        )

    def history(self, period="day", user=None, **values):
        values = {"farm_id": self.farm.id, **values}
        return self.env["milk.history"].with_user(user or self.env.user).get_history(period=period, **values)

    def test_the_last_30_days_that_are_over_stand_against_the_30_before(self):
        self.produce(10, TODAY - timedelta(days=1))
        self.produce(5, TODAY - timedelta(days=1), half="pm")
        self.produce(99, TODAY)
        self.produce(7, TODAY - timedelta(days=31))
        self.produce(88, TODAY - timedelta(days=61))
        history = self.history()
        self.assertEqual((len(history["current"]), len(history["before"])), (30, 30))
        self.assertEqual(history["current"][-1], ["2026-03-10", 15.0])
        self.assertEqual(history["current"][-2], ["2026-03-09", None])
        self.assertEqual(history["before"][-1], ["2026-02-08", 7.0])
        self.assertEqual((history["total"], history["total_before"]), (15.0, 7.0))

    def test_weeks_begin_on_monday_and_the_running_one_is_left_out(self):
        for day, liters in ((date(2026, 3, 1), 1), (date(2026, 3, 2), 2), (date(2026, 3, 8), 4), (date(2026, 3, 9), 8)):
            self.produce(liters, day)
        history = self.history("week")
        self.assertEqual(len(history["current"]), 26)
        self.assertEqual(history["current"][-2:], [["2026-02-23", 1.0], ["2026-03-02", 6.0]])

    def test_months_have_their_own_lengths(self):
        for day, liters in (
            (date(2026, 1, 31), 1),
            (date(2026, 2, 1), 2),
            (date(2026, 2, 28), 4),
            (date(2026, 3, 1), 8),
        ):
            self.produce(liters, day)
        history = self.history("month")
        self.assertEqual(history["current"][-2:], [["2026-01-01", 1.0], ["2026-02-01", 6.0]])
        self.assertEqual((history["current"][0][0], history["before"][0][0]), ("2025-03-01", "2024-03-01"))

    def test_the_day_that_is_over_is_so_on_the_farms_clock(self):
        self.farm.tz = "Pacific/Kiritimati"  # UTC+14: the 12th has begun there
        self.assertEqual(self.history()["current"][-1][0], "2026-03-11")

    def test_an_animal_has_her_own_milk(self):
        other = self.make_animal(self.farm, "18")
        self.produce(10, TODAY - timedelta(days=1))
        self.produce(20, TODAY - timedelta(days=1), other)
        self.assertEqual(self.history(animal_id=self.cow.id)["total"], 10)
        self.assertEqual(self.history()["total"], 30)
        self.assertEqual(self.history(animal_id=self.cow.id)["animal"], {"id": self.cow.id, "name": "17"})

    def test_a_period_that_there_is_not_is_refused(self):
        with self.assertRaises(UserError):
            self.history("hour")

    def test_who_may_not_see_a_farm_sees_nothing_of_it(self):
        user = new_test_user(self.env, "history_user", "smart_dairy_farm.group_farm_user")
        self.farm.user_ids = self.env.user
        self.produce(10, TODAY - timedelta(days=1))
        self.assertNotEqual(self.history(user=user)["farm_id"], self.farm.id)
        with self.assertRaises(AccessError):
            self.history(user=user, animal_id=self.cow.id)
        with self.assertRaises(AccessError):
            self.env["milk.history"].with_user(user).get_lactation(self.cow.id)

    def test_a_long_span_costs_no_query_per_day(self):
        for days in range(1, 60):
            self.produce(10, TODAY - timedelta(days=days))
        self.history()
        before = self.env.cr.sql_log_count
        self.history()
        self.assertLess(self.env.cr.sql_log_count - before, 10)

    def test_one_day_tells_no_total_of_a_lactation(self):
        calving = TODAY - timedelta(days=39)
        self.cow.write({"last_calving_date": calving, "lactation_number": 2})
        self.produce(15, TODAY - timedelta(days=2))
        lactation = self.env["milk.history"].get_lactation(self.cow.id)
        self.assertEqual((len(lactation["measured"]), lactation["total"], lactation["total_day"]), (1, 0, 0))
        self.produce(17, TODAY - timedelta(days=1))
        lactation = self.env["milk.history"].get_lactation(self.cow.id)
        self.assertEqual((lactation["total"], lactation["total_day"]), (37 * 15 + 16, 38))

    def test_a_lactation_has_what_was_measured_and_what_to_expect(self):
        calving = TODAY - timedelta(days=61)
        self.cow.write({"last_calving_date": calving, "lactation_number": 2})
        for day in range(1, 61):
            self.produce(30, calving + timedelta(days=day))
        self.produce(99, calving - timedelta(days=1))
        self.produce(99, TODAY)
        lactation = self.env["milk.history"].get_lactation(self.cow.id)
        self.assertEqual((len(lactation["measured"]), lactation["measured"][0]), (60, [1, 30.0]))
        self.assertEqual((lactation["expected"][0][0], lactation["expected"][-1][0]), (1, 305))
        self.assertAlmostEqual(lactation["expected"][20][1], 30, delta=0.5)
        # 30 litres a day, up to the 60th.
        self.assertAlmostEqual(lactation["total"], 1800)
        self.assertEqual(lactation["total_day"], 60)

    def test_with_too_few_days_there_is_nothing_to_expect_and_without_a_calving_nothing_at_all(self):
        self.produce(30, TODAY - timedelta(days=1))
        self.assertEqual(self.env["milk.history"].get_lactation(self.cow.id)["measured"], [])
        self.cow.last_calving_date = TODAY - timedelta(days=5)
        lactation = self.env["milk.history"].get_lactation(self.cow.id)
        self.assertEqual((lactation["measured"], lactation["expected"]), ([[4, 30.0]], []))

    def test_the_animal_leads_to_her_history(self):
        action = self.cow.action_view_milk_history()
        self.assertEqual((action["tag"], action["params"]), ("milk_history", {"animal_id": self.cow.id}))


@tagged("post_install", "-at_install")
class TestHistoryScreen(DashboardFarms, HttpCase):
    """A cow's page in a real browser: the figures shown, and those that its charts are drawn from."""

    DAYS = 60
    LITERS = 30

    def setUp(self):
        super().setUp()
        now = fields.Datetime.now()
        # Where it is noon: the day does not change while the page is looked at.
        self.farm = self.make_farm("CURVE", tz=f"Etc/GMT{now.hour - 12:+d}")
        self.today = self.farm._local_date(now)
        calving = self.today - timedelta(days=self.DAYS + 1)
        self.cow = self.make_animal(self.farm, "Rosa")
        self.cow.write({"last_calving_date": calving, "lactation_number": 2})
        self.milked = [calving + timedelta(days=day) for day in range(1, self.DAYS + 1)]
        self.env["farm.milk.production"].create(
            [
                {"animal_id": self.cow.id, "date": day, "milking_time": "am", "quantity": self.LITERS}
                for day in self.milked
            ]
        )

    def liters(self, since, until):
        return sum(self.LITERS for day in self.milked if since <= day < until)

    def test_a_cows_page_has_days_weeks_and_months_and_her_lactation_measured_and_expected(self):
        week, month = date_utils.start_of(self.today, "week"), date_utils.start_of(self.today, "month")
        month_before = date_utils.start_of(month - timedelta(days=1), "month")
        day_before = self.today - timedelta(days=1)
        # Button -> how many points, the last of them, and the total of those that are over.
        told = {
            "Weeks": [26, self.liters(week - timedelta(days=7), week), self.liters(date.min, week)],
            "Months": [12, self.liters(month_before, month), self.liters(date.min, month)],
            "Days": [30, self.liters(day_before, self.today), 30 * self.LITERS],
        }
        script = """
        (async () => {
            const { action, orm } = odoo.__WOWL_DEBUG__.root.env.services;
            const check = (right, what) => {
                if (!right) {
                    throw new Error(what);
                }
            };
            const until = async (probe) => {
                const end = Date.now() + 60000;
                while (!probe()) {
                    check(Date.now() < end, `not within a minute: ${probe}`);
                    await new Promise((resolve) => setTimeout(resolve, 50));
                }
            };
            const page = (selector) => document.querySelector(`.o_milk_history ${selector}`);
            const charts = () =>
                [...document.querySelectorAll(".o_milk_history canvas")].map(
                    (canvas) => Chart.getChart(canvas)?.data.datasets.map((each) => each.data)
                );
            await action.doAction(await orm.call("farm.animal", "action_view_milk_history", [[%(cow)s]]));
            await until(() => charts().filter((each) => each).length === 2);
            check(page("h4").textContent === "Rosa", "the page is of the cow");
            check(!page(".o_milk_history_farm"), "a cow's page has no choice of farms");
            for (const [label, [count, last, total]] of Object.entries(%(told)s)) {
                const button = [...document.querySelectorAll(".o_milk_history .btn-group button")].find(
                    (each) => each.textContent === label
                );
                button.click();
                await until(() => button.getAttribute("aria-pressed") === "true" && charts()[0][0].length === count);
                check(charts()[0].length === (label === "Days" ? 2 : 1), `${label}: as many lines as have data`);
                const { y } = charts()[0][0][count - 1];
                check(y === last, `${label}: ${y} L at last, not ${last}`);
                const shown = page(".o_milk_history_total strong").textContent.replaceAll(",", "");
                check(shown === `${total}.0 L`, `${label}: ${shown}, not ${total} L`);
            }
            check(page(".o_milk_history_total").textContent.includes("900.0 L in the span before (0.0 %%)"), "change");

            const axes = [...document.querySelectorAll(".o_milk_history canvas")].map(
                (canvas) => Chart.getChart(canvas).scales.y.min
            );
            check(axes.every((least) => least === 0), `axes begin at ${axes}`);

            const [measured, expected] = charts()[1];
            check(measured.length === 60 && measured.every(({ x, y }, day) => x === day + 1 && y === 30), "measured");
            const ends = [expected[0].x, expected[expected.length - 1].x];
            check(ends[0] === 1 && ends[1] === 305, `expected from ${ends[0]} to ${ends[1]}`);
            const usual = expected.find(({ x }) => x === 58).y;
            check(Math.abs(usual - 30) < 0.5, `expected on day 58: ${usual} L`);
            const words = page(".o_milk_history_lactation").textContent;
            check(words.includes("1,800.0 L up to day 60"), words);
        })().then(() => console.log("test successful"), (error) => console.error(error.message));
        """
        script %= {"cow": self.cow.id, "told": json.dumps(told)}
        ready = "!!document.querySelector('.o_list_view, .o_kanban_view, .o_action')"
        home = self.env.ref("smart_dairy_iot_milk.milk_session_action")
        self.browser_js(f"/web#action={home.id}", script, ready, login="admin", timeout=300)
