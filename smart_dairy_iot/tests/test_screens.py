"""Every screen opens, in every form in which it can be looked at; and a device is provisioned on its own screen."""

import json
import re

from odoo.tests import TransactionCase, new_test_user, tagged

from ..provisioning import Change, MosquittoBroker
from .screens import ScreenCase


def menus_of(env, user):
    """The menus of Dairy IoT with an action that a user sees."""
    shown = env["ir.ui.menu"].with_user(user).load_menus(False)
    root = env.ref("smart_dairy_iot.menu_root")
    menus = env["ir.ui.menu"].search(
        [("id", "child_of", root.id), ("id", "in", [key for key in shown if key != "root"])]
    )
    return menus.filtered(lambda menu: menu.action and menu.action._name == "ir.actions.act_window")


@tagged("post_install", "-at_install")
class TestScreens(TransactionCase):
    def test_who_has_no_dairy_group_sees_no_menu(self):
        self.assertFalse(menus_of(self.env, new_test_user(self.env, "iot_employee", "base.group_user")))

    def test_configuration_is_for_administrators_and_settings_for_those_of_the_system(self):
        seen = {}
        for role in ("user", "manager", "admin"):
            user = new_test_user(self.env, f"iot_screen_{role}", f"smart_dairy_farm.group_farm_{role}")
            seen[role] = menus_of(self.env, user)
        settings = self.env.ref("smart_dairy_iot.menu_settings")
        topics = self.env.ref("smart_dairy_iot.menu_topics")
        devices = self.env.ref("smart_dairy_iot.menu_devices")
        self.assertEqual([devices in seen[role] for role in seen], [True, True, True])
        self.assertEqual([topics in seen[role] for role in seen], [False, False, True])
        self.assertEqual([settings in seen[role] for role in seen], [False, False, False])
        self.assertIn(settings, menus_of(self.env, self.env.ref("base.user_admin")))

    def test_dates_are_grouped_by_intervals_that_the_web_client_knows(self):
        """Odoo 17.0's refuses hours with an error, although its ORM groups by them."""
        ours = self.env["ir.model.data"].search([("model", "=", "ir.ui.view"), ("module", "like", "smart_dairy_%")])
        for view in self.env["ir.ui.view"].browse(ours.mapped("res_id")):
            intervals = re.findall(r"""interval="(\w+)"|'group_by': '\w+:(\w+)'""", view.arch_db)
            self.assertLessEqual(
                {name for pair in intervals for name in pair if name},
                {"day", "week", "month", "quarter", "year"},
                view.xml_id,
            )


@tagged("post_install", "-at_install")
class TestScreensInTheBrowser(ScreenCase):
    def setUp(self):
        super().setUp()
        self.device = self.new_sensor()

    def test_every_menu_s_screen_opens_in_each_of_its_views(self):
        actions = menus_of(self.env, self.env.ref("base.user_admin")).mapped("action")
        self.assertGreaterEqual(len(actions), 13)
        views = [
            [action.id, mode]
            for action in actions
            for mode in action.view_mode.split(",")
            if mode != "form" or action.res_model == "res.config.settings"
        ]
        self.run_in_browser(
            "/web",
            f"const screens = {json.dumps(views)};"
            """
            await shown(".o_main_navbar");
            const { action } = odoo.__WOWL_DEBUG__.root.env.services;
            for (const [id, viewType] of screens) {
                await action.doAction(id, { viewType, clearBreadcrumbs: true }).catch((error) => {
                    throw new Error(`${viewType} of action ${id}: ${error.cause || error.message}`);
                });
                await shown(`.o_action_manager .o_${viewType}_view`);
            }
            """,
        )

    def test_a_device_is_provisioned_by_its_button_which_shows_the_password_once(self):
        self.addCleanup(self.forget_at_broker)
        self.run_in_browser(
            f"/web#action=smart_dairy_iot.iot_device_action&view_type=form&id={self.device.id}",
            """
            (await shown(".o_form_view button[name=action_provision]")).click();
            const field = await shown(".modal [name=mqtt_password]");
            const [password] = field.innerText.trim().split(/\\s/); // behind it may be the text of the copy button
            if (password.length !== 43) {
                throw new Error(`this is no password: ${password.length} characters`);
            }
            await shown(".modal [name=data_topic]", "dairy/SCREEN/temperature/SCREEN-1/data");
            (await shown(".modal footer button.btn-primary")).click();
            await shown(".o_form_view button[name=action_decommission]", "");
            await until(() => !document.querySelector(".modal"), "the window closed");
            await shown(".o_statusbar_status .o_arrow_button_current", "Active");
            const kept = [...Object.values(sessionStorage), ...Object.values(localStorage), location.href];
            if (kept.some((text) => text.includes(password))) {
                throw new Error("the browser keeps the password");
            }
            """,
        )
        self.device.invalidate_recordset()
        self.assertEqual(self.device.state, "active")

    def test_the_window_for_a_command_offers_what_a_device_may_know_and_nothing_else(self):
        self.run_in_browser(
            "/web",
            f"const active_ids = {self.device.ids};"
            """
            await shown(".o_main_navbar");
            const { action } = odoo.__WOWL_DEBUG__.root.env.services;
            await action.doAction("smart_dairy_iot.iot_device_command_wizard_action", {
                additionalContext: { active_model: "iot.device", active_ids },
            });
            (await shown(".modal [name=known_command] :is(select, input)")).click();
            const offered = () =>
                [...document.querySelectorAll(".modal [name=known_command], .o_select_menu_menu")]
                    .map((element) => element.textContent)
                    .join();
            await until(() => offered().includes("Calibrate"), "what a temperature sensor may know");
            if (offered().includes("Dispense feed") || offered().includes("Open")) {
                throw new Error(`no sensor knows all of ${offered()}`);
            }
            """,
        )

    def forget_at_broker(self):
        with MosquittoBroker(self.env["iot.settings"]._get_config()) as broker:
            list(broker.apply([Change(self.device.mqtt_username, self.device.mqtt_client_id, after=None)]))
