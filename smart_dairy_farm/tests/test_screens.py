"""Every screen that a menu leads to opens for whoever sees the menu."""

from odoo.tests import HttpCase, TransactionCase, new_test_user, tagged


class TestScreens(TransactionCase):
    def actions_of(self, user):
        """Return the window actions behind the menus that a user sees in the dairy farm app."""
        root = self.env.ref("smart_dairy_farm.menu_root")
        shown = self.env["ir.ui.menu"].with_user(user).load_menus(False)
        menus = self.env["ir.ui.menu"].search(
            [("id", "child_of", root.id), ("id", "in", [key for key in shown if key != "root"])]
        )
        return [menu.action for menu in menus if menu.action]

    def test_every_view_of_every_menu_opens(self):
        for role, at_least in (("user", 8), ("manager", 8), ("admin", 9)):
            user = new_test_user(self.env, f"screen.{role}", groups=f"smart_dairy_farm.group_farm_{role}")
            actions = self.actions_of(user)
            self.assertGreaterEqual(len(actions), at_least)
            for action in actions:
                with self.subTest(role=role, action=action.name):
                    views = [(False, mode) for mode in action.view_mode.split(",")]
                    model = self.env[action.res_model].with_user(user)
                    shown = model.get_views([*views, (False, "search")])
                    self.assertEqual(len(shown["views"]), len(views) + 1)
                    self.assertTrue(action.help, "an empty screen explains itself")

    def test_who_has_no_dairy_group_sees_no_menu(self):
        employee = new_test_user(self.env, "screen.employee", groups="base.group_user")
        self.assertFalse(self.actions_of(employee))

    def test_the_smart_buttons_lead_to_the_records_they_count(self):
        farm = self.env["farm.location"].create({"name": "Buttons", "code": "BUTTONS", "tz": "UTC"})
        pen = self.env["farm.pen"].create({"name": "P", "code": "P", "farm_id": farm.id})
        animal = self.env["farm.animal"].create({"name": "1", "farm_id": farm.id, "pen_id": pen.id})
        milking = self.env["farm.milk.production"].create({"animal_id": animal.id, "quantity": 9})
        event = self.env["farm.health.event"].create({"animal_id": animal.id, "event_type": "heat"})
        for action, records in (
            (farm.action_view_pens(), pen),
            (farm.action_view_animals(), animal),
            (pen.action_view_animals(), animal),
            (animal.action_view_production(), milking),
            (animal.action_view_health_events(), event),
        ):
            with self.subTest(action=action["name"]):
                self.assertEqual(self.env[action["res_model"]].search(action["domain"]), records)


@tagged("-at_install", "post_install")
class TestScreensInTheBrowser(HttpCase):
    def test_the_herd_is_seen_as_list_and_cards_and_an_animal_opens_with_its_tags(self):
        farm = self.env["farm.location"].create({"name": "Browser", "code": "BROWSER", "tz": "UTC"})
        self.env["farm.animal"].create({"name": "Browser cow", "farm_id": farm.id, "rfid_tag": "999 000000004711"})
        self.browser_js(
            "/web#action=smart_dairy_farm.farm_animal_action",
            """
            (async () => {
                const shown = async (selector, text) => {
                    for (let tries = 0; tries < 600; tries++) {
                        const all = [...document.querySelectorAll(selector)];
                        const found = all.find((element) => element.textContent.includes(text));
                        if (found) {
                            return found;
                        }
                        await new Promise((resolve) => setTimeout(resolve, 100));
                    }
                    throw new Error(`${text} is not shown in ${selector}`);
                };
                await shown(".o_list_view .o_data_row", "999000000004711");
                document.querySelector(".o_switch_view.o_kanban").click();
                (await shown(".o_kanban_record", "Browser cow")).click();
                await shown(".o_form_view .o_field_widget[name=rfid_ids] .o_data_row", "999 000000004711");
                console.log("test successful");
            })();
            """,
            login="admin",
            timeout=300,
        )
