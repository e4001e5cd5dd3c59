"""The screens of meters, sessions and profiles open in a browser and show what they are for."""

import json

from odoo.tests.common import HttpCase, tagged

from .common import START

# One browser for all screens, since starting one takes longest. A missing text is waited for, as the page draws itself.
SCRIPT = """
(async () => {
    const { action } = odoo.__WOWL_DEBUG__.root.env.services;
    for (const [screen, texts] of %s) {
        await action.doAction({ type: "ir.actions.act_window", name: "Test", ...screen }, { clearBreadcrumbs: true });
        for (const text of texts) {
            const end = Date.now() + 60000;
            while (!document.querySelector(".o_action_manager")?.textContent.includes(text)) {
                if (Date.now() > end) {
                    throw new Error(`${JSON.stringify(screen)} does not show ${text}`);
                }
                await new Promise((resolve) => setTimeout(resolve, 50));
            }
        }
    }
})().then(() => console.log("test successful"), (error) => console.error(error.message));
"""

# Milkings of a farm as the menu opens them, and as the dashboard does: cards, of which one tells of the milking.
CARDS = """
(async () => {
    localStorage.setItem("smart_dairy_iot_milk.dashboard_farm", "%d");
    const { action } = odoo.__WOWL_DEBUG__.root.env.services;
    const seen = async (selector, text) => {
        const end = Date.now() + 60000;
        const find = () => [...document.querySelectorAll(selector)].find((found) => found.textContent.includes(text));
        while (!find()) {
            if (Date.now() > end) {
                throw new Error(`No ${selector} shows ${text}`);
            }
            await new Promise((resolve) => setTimeout(resolve, 50));
        }
        return find();
    };
    const cards = async () => {
        for (const text of ["Unknown animal", "11.500", "Parlour left"]) {
            await seen(".o_kanban_record", text);
        }
    };
    const context = { search_default_farm_id: %d };
    await action.doAction("smart_dairy_iot_milk.milk_session_action", {
        additionalContext: context,
        clearBreadcrumbs: true,
    });
    await cards();
    await action.doAction("smart_dairy_iot_milk.action_milk_production_dashboard", { clearBreadcrumbs: true });
    (await seen(".o_action_manager button", "All sessions")).click();
    await cards();
})().then(() => console.log("test successful"), (error) => console.error(error.message));
"""


@tagged("post_install", "-at_install")
class TestScreens(HttpCase):
    def test_meters_sessions_and_profiles_are_shown(self):
        farm = self.env["farm.location"].create({"name": "Screen Farm", "code": "screens", "tz": "UTC"})
        meter = self.env["iot.milk_meter"].create(
            {
                "name": "Parlour left",
                "device_id": "MM-SCREEN",
                "farm_id": farm.id,
                "manufacturer": "delaval",
                "modbus_port": "127.0.0.1:15020",
            }
        )
        milking = self.env["milk.session"].create(
            {"meter_id": meter.id, "start_time": START, "total_yield": 11.5, "state": "completed"}
        )
        measured = self.env["milk.session"].create(
            {
                "meter_id": meter.id,
                "source": "mqtt",
                "start_time": START,
                "flow_curve": {"step_seconds": 2, "flow_lpm": [0.5, None, 3.25, 4.0]},
                "kick_off_count": 2,
                "flow_calibration_factor": 1.025,
            }
        )
        profile = meter.modbus_profile_id
        screens = [
            (self.listed(meter), ["Parlour left", "MM-SCREEN"]),
            (self.form(meter), ["Stop Polling", "Read Now", "Milking Points", "Modbus"]),
            (self.listed(milking), [milking.name, "11.5"]),
            (self.form(milking), [milking.name, "Quality", "Equipment", "Left Front"]),
            (self.form(measured), [measured.name, "Kick-offs", "Time to Peak Flow (s)", "1.02500"]),
            (self.form(farm), ["Milk Quality", "Access"]),
            ({"res_model": "milk.session", "views": [[False, "pivot"]]}, ["Total Yield (L)"]),
            (self.form(profile), ["Yield (L)", "float32", "ABCD"]),
        ]
        home = self.env.ref("smart_dairy_iot_milk.iot_modbus_profile_action")
        ready = "!!document.querySelector('.o_list_view')"
        self.browser_js(f"/web#action={home.id}", SCRIPT % json.dumps(screens), ready, login="admin", timeout=300)

    def listed(self, record):
        return {"res_model": record._name, "views": [[False, "list"]], "domain": [["id", "=", record.id]]}

    def form(self, record):
        return {"res_model": record._name, "views": [[False, "form"]], "res_id": record.id}


@tagged("post_install", "-at_install")
class TestScreensPhone(HttpCase):
    browser_size = "375,667"
    touch_enabled = True

    def test_milkings_open_as_cards(self):
        """A list has no room on a phone: neither the menu nor the dashboard opens it."""
        farm = self.env["farm.location"].create({"name": "Screen Farm", "code": "screens", "tz": "UTC"})
        meter = self.env["iot.milk_meter"].create(
            {
                "name": "Parlour left",
                "device_id": "MM-CARD",
                "farm_id": farm.id,
                "manufacturer": "delaval",
                "communication_type": "mqtt",
            }
        )
        self.env["milk.session"].create(
            {"meter_id": meter.id, "start_time": START, "total_yield": 11.5, "state": "completed"}
        )
        script = CARDS % (farm.id, farm.id)
        home = self.env.ref("smart_dairy_iot_milk.iot_modbus_profile_action")
        ready = "!!document.querySelector('.o_action_manager .o_view_controller')"
        self.browser_js(f"/web#action={home.id}", script, ready, login="admin", timeout=300)
