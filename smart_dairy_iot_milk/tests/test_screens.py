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
            }
        )
        profile = meter.modbus_profile_id
        screens = [
            (self.listed(meter), ["Parlour left", "MM-SCREEN"]),
            (self.form(meter), ["Stop Polling", "Read Now", "Milking Points", "Modbus"]),
            (self.listed(milking), [milking.name, "11.5"]),
            (self.form(milking), [milking.name, "Quality", "Equipment", "Left Front"]),
            (self.form(measured), [measured.name, "Flow", "Kick-offs", "Time to Peak Flow (s)"]),
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
