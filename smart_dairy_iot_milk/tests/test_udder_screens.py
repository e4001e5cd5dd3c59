"""The udder worklist and what is said of an udder elsewhere open in a browser, on a desk and on a phone."""

import json
from datetime import timedelta

from odoo import fields
from odoo.tests.common import HttpCase, tagged

from .udder_common import HALF_DAY, UdderCase

# Each screen: what is opened, the page of its notebook to choose (or none), and the texts to be seen then.
SCRIPT = """
(async () => {
    localStorage.setItem("smart_dairy_iot_milk.dashboard_farm", "%d");
    const { action } = odoo.__WOWL_DEBUG__.root.env.services;
    const seen = async (what, find) => {
        const end = Date.now() + 60000;
        while (!find()) {
            if (Date.now() > end) {
                throw new Error(`${what} is not shown`);
            }
            await new Promise((resolve) => setTimeout(resolve, 50));
        }
        return find();
    };
    for (const [screen, page, texts] of %s) {
        await action.doAction(screen, { clearBreadcrumbs: true });
        if (page) {
            const tabs = () => [...document.querySelectorAll(".o_notebook .nav-link")];
            (await seen(page, () => tabs().find((tab) => tab.textContent === page))).click();
        }
        for (const text of texts) {
            await seen(text, () => document.querySelector(".o_action_manager")?.textContent.includes(text));
        }
    }
})().then(() => console.log("test successful"), (error) => console.error(error.message));
"""


@tagged("post_install", "-at_install")
class TestUdderScreens(UdderCase, HttpCase):
    browser_size = "1366,768"

    def screens(self):
        """A herd of three in which one cow is ill; what is opened of it."""
        self.farm.name = "Screen Farm"
        now = fields.Datetime.now().replace(microsecond=0)
        for number, factor in enumerate((1.0, 1.13, 1.4)):
            cow = self.env["farm.animal"].create({"name": f"Cow 48{number}", "farm_id": self.farm.id})
            for back in range(14, 0, -1):
                wave = 1 + 0.02 * (-1, 0, 1)[back % 3]
                self.milking(now - back * HALF_DAY, 5.5 * wave, 12.0 * wave, cow)
            session = self.milking(
                now - timedelta(hours=1),
                5.5,
                11.0 if factor == 1.0 else 9.0,
                cow,
                **{f"conductivity_{quarter}": 5.5 for quarter in ("lf", "rf", "lr")},
                conductivity_rr=5.5 * factor,
                milk_temperature=36.0,
            )
            if factor > 1:
                session.conductivity = 5.5 * factor
        return [
            ("smart_dairy_iot_milk.milk_session_action_udder", None, ["Cow 482", "Looked At", "Treat"]),
            (self.form(session), "Udder", ["Critical", "below her usual", "Conductivity at 25 °C"]),
            (self.form(session.mastitis_event_id), None, ["Mastitis", "Treat", "Last Suspect Milking"]),
            (self.form(self.farm), "Udder Health", ["Watch from Score", "Conductivity per °C"]),
            ("smart_dairy_iot_milk.action_milk_production_dashboard", None, ["Udders to look at:"]),
        ]

    def form(self, record):
        return {
            "type": "ir.actions.act_window",
            "name": "Test",
            "res_model": record._name,
            "views": [[False, "form"]],
            "res_id": record.id,
        }

    def test_the_worklist_and_what_is_said_of_an_udder_are_shown(self):
        screens = self.screens()
        home = self.env.ref("smart_dairy_iot_milk.milk_session_action_udder")
        ready = "!!document.querySelector('.o_action_manager .o_view_controller')"
        self.browser_js(
            f"/web#action={home.id}", SCRIPT % (self.farm.id, json.dumps(screens)), ready, login="admin", timeout=300
        )


@tagged("post_install", "-at_install")
class TestUdderScreensPhone(TestUdderScreens):
    browser_size = "375,667"
    touch_enabled = True
