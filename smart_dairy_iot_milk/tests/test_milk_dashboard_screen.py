import itertools
from datetime import timedelta
from unittest.mock import patch

from odoo import api, fields
from odoo.exceptions import UserError
from odoo.tests import new_test_user, tagged
from odoo.tests.common import HttpCase

from .dashboard_common import DashboardFarms

LOGIN = "dashboard_viewer"

# What every script below may use. A missing element is waited for, since the page draws itself.
PRELUDE = """
    const $ = (selector) => document.querySelector(selector);
    const text = (selector) => $(selector)?.textContent.replace(/\\s+/g, " ").trim();
    const services = odoo.__WOWL_DEBUG__.root.env.services;
    async function until(probe) {
        const end = Date.now() + 10000;
        while (!probe()) {
            if (Date.now() > end) {
                throw new Error(`not within 10 s: ${probe} in ${text(".o_milk_production_dashboard")}`);
            }
            await new Promise((resolve) => setTimeout(resolve, 50));
        }
    }
    function choose(select, value) {
        select.value = value;
        select.dispatchEvent(new Event("change"));
    }
"""


class DashboardScreen(DashboardFarms, HttpCase):
    """A user with one farm before the dashboard in a real browser."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # A company of its own: whatever demo data there is, the user sees the test's farms only.
        cls.company = cls.env["res.company"].create({"name": "Dashboard Dairy"})
        cls.user = new_test_user(
            cls.env,
            LOGIN,
            "smart_dairy_farm.group_farm_user",
            company_id=cls.company.id,
            company_ids=[(6, 0, cls.company.ids)],
            password=LOGIN,
        )

    def make_farm(self, code, **values):
        return super().make_farm(code, company_id=self.company.id, **values)

    def look(self, script):
        """Open the dashboard and run ``script``, which throws where something is not as it should be."""
        action = self.env.ref("smart_dairy_iot_milk.action_milk_production_dashboard")
        code = f"""
            (async () => {{
                {PRELUDE}
                {script}
            }})().then(() => console.log("test successful"), (error) => console.error(error.message));
        """
        self.browser_js(
            f"/web#action={action.id}", code, "!!document.querySelector('.o_dashboard_loaded')", login=LOGIN
        )


@tagged("post_install", "-at_install")
class TestMilkDashboardScreen(DashboardScreen):
    def setUp(self):
        super().setUp()
        self.now = fields.Datetime.now()
        # Where it is noon: what began an hour ago began today.
        self.farm = self.make_farm("SCREEN", tz=f"Etc/GMT{self.now.hour - 12:+d}")

    def test_todays_figures_are_shown_and_a_running_session_counts_its_seconds(self):
        meter = self.make_meter(self.farm)
        cow = {"animal_id": self.make_animal(self.farm, "Bella").id}
        self.make_session(meter, self.now, 10.0, blood_detected=True, **cow)
        self.make_session(meter, self.now, 14.2)
        self.make_session(meter, self.now - timedelta(minutes=61), 3.1, "in_progress", **cow)
        self.env["iot.alert"].create({"name": "Hot tank", "severity": "critical", "farm_id": self.farm.id})
        self.look(
            """
            await until(() => text("[data-kpi=total_yield] .o_kpi_value") === "27.3");
            await until(() => text("[data-kpi=session_count] .o_kpi_value") === "2");
            await until(() => text("[data-kpi=active_count] .o_kpi_value") === "1");
            await until(() => text("[data-kpi=avg_yield] .o_kpi_value") === "12.1");
            await until(() => text("[data-grade=reject] .badge") === "1");
            await until(() => text("[data-grade=none] .badge") === "1");
            await until(() => text(".o_dashboard_recent").includes("Reject"));
            await until(() => text(".o_dashboard_alerts button").includes("Critical"));
            await until(() => $(".o_hourly_yield_chart canvas").getAttribute("aria-label").includes(" L"));
            await until(() => text(".o_running_session").includes("Bella"));
            const start = text(".o_running_duration");
            if (!/^1:0[12]:\\d\\d$/.test(start)) throw new Error(`the milking has run for ${start}`);
            await until(() => text(".o_running_duration") > start);
            """
        )

    def test_what_is_shown_leads_to_its_form(self):
        meter = self.make_meter(self.farm)
        running = self.make_session(meter, self.now, 3.1, "in_progress")
        recent = self.make_session(meter, self.now)
        alert = self.env["iot.alert"].create({"name": "Hot tank", "severity": "high", "farm_id": self.farm.id})
        action = self.env.ref("smart_dairy_iot_milk.action_milk_production_dashboard")
        self.look(
            f"""
            for (const [selector, name] of [
                [".o_running_session", "{running.name}"],
                [".o_dashboard_recent tbody a", "{recent.name}"],
                [".o_dashboard_alerts button", "{alert.name}"],
            ]) {{
                await until(() => $(selector));
                $(selector).click();
                await until(() => $(".o_form_view") && text(".o_control_panel").includes(name));
                await services.action.doAction({action.id}, {{ clearBreadcrumbs: true }});
            }}
            """
        )

    def test_each_farm_tells_what_will_show_and_the_chosen_one_is_remembered(self):
        resting = self.make_farm("ZWEIT")
        self.make_meter(resting)
        action = self.env.ref("smart_dairy_iot_milk.action_milk_production_dashboard")
        self.look(
            f"""
            const shows = (words) => () => text(".o_dashboard_running")?.includes(words);
            await until(() => $(".o_dashboard_farm"));
            choose($(".o_dashboard_farm"), {resting.id});
            await until(shows("Nobody is being milked"));
            choose($(".o_dashboard_farm"), {self.farm.id});
            await until(shows("no milk meter yet"));
            await services.action.doAction("base.action_partner_form");
            await until(() => !$(".o_milk_production_dashboard"));
            await services.action.doAction({action.id}, {{ clearBreadcrumbs: true }});
            await until(shows("no milk meter yet"));
            """
        )

    def test_the_milk_history_is_of_the_farm_that_was_chosen_and_what_is_chosen_there_counts_here(self):
        other = self.make_farm("ZWEIT")
        dashboard = self.env.ref("smart_dairy_iot_milk.action_milk_production_dashboard")
        history = self.env.ref("smart_dairy_iot_milk.milk_history_action")
        self.look(
            f"""
            const opened = async (action, select) => {{
                await services.action.doAction(action, {{ clearBreadcrumbs: true }});
                await until(() => $(select));
                return Number($(select).value);
            }};
            const check = (found, wanted) => {{
                if (found !== wanted) {{
                    throw new Error(`farm ${{found}}, not ${{wanted}}`);
                }}
            }};
            for (const chosen of [{other.id}, {self.farm.id}]) {{
                await opened({dashboard.id}, ".o_dashboard_farm");
                choose($(".o_dashboard_farm"), chosen);
                check(await opened({history.id}, ".o_milk_history_farm"), chosen);
            }}
            choose($(".o_milk_history_farm"), {other.id});
            check(await opened({dashboard.id}, ".o_dashboard_farm"), {other.id});
            """
        )

    def test_a_user_without_a_farm_is_told_what_to_do(self):
        self.farm.active = False
        self.look("""await until(() => text(".o_nocontent_help").includes("No farm yet"));""")

    def test_after_a_lost_connection_is_back_the_figures_are_fetched_again(self):
        get_dashboard_data = type(self.env["milk.session"]).get_dashboard_data
        fetches = itertools.count(1)

        @api.model
        def number_fetches(model, farm_id=False):
            data = get_dashboard_data(model, farm_id)
            data["summary"]["session_count"] = next(fetches)
            return data

        with patch.object(type(self.env["milk.session"]), "get_dashboard_data", number_fetches):
            self.look(
                """
                const fetches = () => Number(text("[data-kpi=session_count] .o_kpi_value"));
                const tell = (...names) => names.forEach((name) => services.bus_service.trigger(name));
                await until(() => fetches() > 0);
                tell("disconnect", "BUS:DISCONNECT");
                await until(() => $(".o_dashboard_connection_lost"));
                const before = fetches();
                tell("reconnect", "BUS:RECONNECT");
                await until(() => !$(".o_dashboard_connection_lost"));
                await until(() => fetches() > before);
                """
            )

    def test_what_the_server_refuses_is_said_and_can_be_tried_again(self):
        answers = [UserError("The herd book is being printed.")]
        get_dashboard_data = type(self.env["milk.session"]).get_dashboard_data

        @api.model
        def refuse_once(model, farm_id=False):
            if answers:
                raise answers.pop()
            return get_dashboard_data(model, farm_id)

        with patch.object(type(self.env["milk.session"]), "get_dashboard_data", refuse_once):
            self.look(
                """
                await until(() => text(".o_dashboard_error").includes("The herd book is being printed."));
                $(".o_dashboard_error button").click();
                await until(() => $(".o_dashboard_kpis") && !$(".o_dashboard_error"));
                """
            )

    def test_fetching_runs_once_at_a_time_and_misses_no_call(self):
        self.look(
            """
            const { coalesce } = odoo.loader.modules.get("@smart_dairy_iot/iot_live/coalesce");
            let atOnce = 0;
            let seen = 0;
            let value = 0;
            const starts = [];
            const run = coalesce(async () => {
                atOnce++;
                starts.push(atOnce);
                const read = value;
                await new Promise((resolve) => setTimeout(resolve, 20));
                seen = read;
                atOnce--;
            }, 10);
            for (value = 1; value < 5; value++) run();
            value = 5;
            await run();
            if (starts.join() !== "1,1") throw new Error(`ran ${starts}`);
            if (seen !== 5) throw new Error(`the last run saw ${seen}`);
            value = 6;
            await run();
            if (seen !== 6) throw new Error(`a later call saw ${seen}`);
            """
        )
