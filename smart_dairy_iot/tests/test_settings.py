"""The settings page writes what the platform reads."""

import json
import os
from unittest.mock import patch

from requests import certs

from odoo.exceptions import UserError, ValidationError
from odoo.tests import Form, TransactionCase, tagged
from odoo.tools.misc import file_open

from ..bridge.config import Config
from ..models.res_config_settings import PASSWORDS
from .common import IotCase
from .screens import ScreenCase


@tagged("post_install", "-at_install")
class TestSettings(TransactionCase):
    def setUp(self):
        super().setUp()
        # Neither environment nor file: the page alone.
        self.startPatcher(patch.dict(os.environ))
        for key in [key for key in os.environ if key.startswith("SMART_DAIRY_")]:
            del os.environ[key]
        self.file = {}
        module = "odoo.addons.smart_dairy_iot.models.iot_settings"
        self.startPatcher(patch(f"{module}.read_file_section", lambda _path: self.file))
        self.env["ir.config_parameter"].search([("key", "=like", "iot.%")]).unlink()

    def config(self):
        return self.env["iot.settings"]._get_config()

    def page(self):
        return self.env["res.config.settings"].create({})

    def test_an_untouched_page_leaves_the_defaults(self):
        self.page().execute()
        self.assertEqual(self.config(), Config())

    def test_what_is_typed_is_in_force(self):
        page = self.page()
        page.write({"mqtt_broker_host": "broker.example", "mqtt_broker_port": 1883, "offline_minutes": 15})
        page.execute()
        config = self.config()
        self.assertEqual(
            (config.mqtt_broker_host, config.mqtt_broker_port, config.offline_minutes), ("broker.example", 1883, 15)
        )
        self.assertEqual(self.page().mqtt_broker_port, 1883)

    def test_tls_and_bridge_can_be_switched_off_and_on_again(self):
        for value in (False, True):
            page = self.page()
            page.write({"mqtt_use_tls": value, "bridge_enabled": value})
            page.execute()
            self.assertEqual((self.config().mqtt_use_tls, self.config().bridge_enabled), (value, value))
            self.assertEqual((self.page().mqtt_use_tls, self.page().bridge_enabled), (value, value))

    def test_a_password_is_taken_when_it_is_typed_kept_when_it_is_not_and_never_shown(self):
        for name in PASSWORDS:
            typed = f"{name} typed by hand"
            page = self.env["res.config.settings"].create({name: typed})
            page.execute()
            self.assertEqual(getattr(self.config(), name), typed)
            self.page().execute()
            self.assertEqual(getattr(self.config(), name), typed)
            self.assertFalse(self.page()[name])
        self.env.cr.execute("SELECT 1 FROM res_config_settings AS page WHERE page::text LIKE '%typed by hand%'")
        self.assertFalse(self.env.cr.fetchone())

    def test_every_password_of_the_platform_is_among_those_that_are_never_shown(self):
        self.assertEqual(
            set(PASSWORDS), {name for name in vars(Config()) if "password" in name} - {"password_grace_hours"}
        )

    def test_what_is_typed_of_emqx_is_in_force(self):
        typed = {
            "mqtt_broker_type": "emqx",
            "mqtt_auth_db_host": "auth.example",
            "mqtt_auth_db_port": 6432,
            "mqtt_auth_db_name": "auth",
            "mqtt_auth_db_user": "writer",
            "emqx_api_url": "https://emqx.example/api/v5",
            "emqx_api_key": "key",
            "password_grace_hours": 48,
            "device_ca_dir": "/etc/ca",
            "offline_minutes_collar": 60,
        }
        page = self.page()
        page.write(typed)
        page.execute()
        config = self.config()
        self.assertEqual({name: getattr(config, name) for name in typed}, typed)
        self.assertEqual({name: self.page()[name] for name in typed}, typed)

    def test_no_hours_of_grace_are_not_the_usual_ones(self):
        page = self.page()
        page.password_grace_hours = 0
        page.execute()
        self.assertEqual(self.config().password_grace_hours, 0)
        self.assertEqual(self.page().password_grace_hours, 0)

    def test_a_number_or_address_that_cannot_be_is_refused_by_its_name_on_the_page(self):
        for values, label in (
            ({"mqtt_broker_port": 0}, "Broker Port"),
            ({"mqtt_broker_port": 65536}, "Broker Port"),
            ({"mqtt_auth_db_port": -1}, "Authentication Database Port"),
            ({"password_grace_hours": -1}, "Hours of Grace"),
            ({"bridge_batch_size": 0}, "Batch Size"),
            ({"offline_minutes": 0}, "Offline After"),
            ({"offline_minutes_gate": -5}, "Gates Offline After"),
            ({"telemetry_retention_days": -1}, "Keep Readings"),
            ({"emqx_api_url": "localhost"}, "EMQX API Address"),
            ({"emqx_api_url": "http://key:secret@localhost/"}, "EMQX API Address"),
        ):
            with self.subTest(values=values), self.assertRaisesRegex(ValidationError, label):
                self.env["res.config.settings"].create(values)

    def test_what_the_server_s_own_settings_decide_is_told_and_of_a_password_only_that_there_is_one(self):
        self.file = {"mqtt_broker_host": "of the file", "mqtt_admin_password": "secret of the file"}
        os.environ["SMART_DAIRY_OFFLINE_MINUTES"] = "7"
        overrides = self.page().iot_overrides
        self.assertEqual(
            overrides,
            {
                "mqtt_broker_host": {"source": "file", "value": "of the file"},
                "mqtt_admin_password": {"source": "file", "value": None},
                "offline_minutes": {"source": "environment", "value": "7"},
            },
        )

    def test_a_neutralised_copy_knows_nothing_of_the_original_s_brokers(self):
        self.file = {"mqtt_broker_host": "real.example", "mqtt_auth_db_password": "real", "bridge_enabled": "true"}
        os.environ["SMART_DAIRY_DEVICE_CA_DIR"] = "/real/ca"
        page = self.page()
        page.write(
            {"mqtt_broker_type": "emqx", "mqtt_auth_db_host": "real.example", "emqx_api_url": "http://real.example/"}
        )
        page.write(dict.fromkeys(PASSWORDS, "real"))
        page.execute()
        self.env["iot.provisioning.entry"].create({"username": "TE_1", "effect": "none"})
        self.env.flush_all()
        with file_open("smart_dairy_iot/data/neutralize.sql") as statements:
            self.env.cr.execute(statements.read())
        self.env["ir.config_parameter"].set_param("database.is_neutralized", "true")
        self.env.invalidate_all()
        self.env.registry.clear_cache()
        self.assertEqual(self.config(), Config(bridge_enabled=False))
        self.assertFalse(self.page().iot_overrides)
        self.assertFalse(self.env["iot.provisioning.entry"].search([("username", "=", "TE_1")]))

    def test_a_pattern_for_device_ids_has_to_be_a_regular_expression(self):
        with self.assertRaises(ValidationError):
            self.env["res.config.settings"].create({"device_id_pattern_gate": "GT[0-9"})

    def test_the_page_opens(self):
        with Form(self.env["res.config.settings"]) as form:
            self.assertEqual(form.mqtt_broker_host, "localhost")

    def test_the_page_as_it_opens_tells_what_is_in_force_instead(self):
        self.file = {"mqtt_broker_host": "of the file"}
        with Form(self.env["res.config.settings"]) as form:
            self.assertEqual(form.iot_overrides, {"mqtt_broker_host": {"source": "file", "value": "of the file"}})
            self.assertRegex(form.emqx_webhook_address, r"^https?://.+/iot/emqx/webhook$")

    def test_the_fields_shown_are_those_of_the_broker_in_force(self):
        page = self.page()
        page.mqtt_broker_type = "emqx"
        self.assertEqual(page.mqtt_broker_type_in_force, "emqx")
        self.file = {"mqtt_broker_type": "mosquitto"}
        page = self.env["res.config.settings"].create({"mqtt_broker_type": "emqx"})
        self.assertEqual(page.mqtt_broker_type_in_force, "mosquitto")

    def test_the_page_names_the_webhook_s_address(self):
        self.assertRegex(self.page().emqx_webhook_address, r"^https?://.+/iot/emqx/webhook$")


@tagged("post_install", "-at_install")
class TestConnectionTest(IotCase):
    """The button, with the settings that lead to the real broker."""

    @classmethod
    def _request_handler(cls, session, request, /, **options):
        """Odoo's own guard of requests in tests, which on 19.0 takes no timeout of two numbers."""
        return super()._request_handler(session, request, **{**options, "timeout": max(options["timeout"])})

    def press(self):
        """(type, message) of what the user is told."""
        params = self.env["res.config.settings"].create({}).action_test_iot_connections()["params"]
        return params["type"], params["message"]

    def test_a_broker_that_takes_the_administrator_is_in_order(self):
        self.assertEqual(self.press(), ("success", "In order: broker."))

    def test_a_broker_out_of_reach_is_told_in_a_sentence(self):
        with self.broker_out_of_reach():
            kind, message = self.press()
        self.assertEqual(kind, "danger")
        self.assertRegex(message, r"^The broker at .+:1 cannot be reached: .+\.$")

    def test_a_password_that_the_broker_refuses_is_told_without_the_password(self):
        with patch.dict(os.environ, {"SMART_DAIRY_MQTT_ADMIN_PASSWORD": "mistyped"}):
            kind, message = self.press()
        self.assertEqual(kind, "danger")
        self.assertIn("refused the administrator", message)
        self.assertNotIn("mistyped", message)

    def test_with_emqx_each_part_that_does_not_answer_is_named_beside_those_that_do(self):
        away = {
            "SMART_DAIRY_MQTT_BROKER_TYPE": "emqx",
            "SMART_DAIRY_MQTT_AUTH_DB_HOST": "127.0.0.1",
            "SMART_DAIRY_MQTT_AUTH_DB_PORT": "1",
            "SMART_DAIRY_EMQX_API_URL": "http://127.0.0.1:1/api/v5",
        }
        with patch.dict(os.environ, away):
            kind, message = self.press()
        self.assertEqual(kind, "danger")
        for part in ("authentication database", "REST API"):
            self.assertIn(part, message)
        self.assertIn("In order: broker.", message)

    def test_a_certificate_or_ca_that_is_not_trusted_is_told(self):
        for ca_file, said in ((certs.where(), "is not trusted"), ("/nowhere/ca.crt", "CA file /nowhere/ca.crt cannot")):
            environ = {"SMART_DAIRY_MQTT_BROKER_TYPE": "emqx", "SMART_DAIRY_MQTT_CA_FILE": ca_file}
            with patch.dict(os.environ, environ):
                self.assertIn(said, self.press()[1])

    def test_a_broker_of_an_unknown_type_is_told(self):
        with patch.dict(os.environ, {"SMART_DAIRY_MQTT_BROKER_TYPE": "other"}):
            with self.assertRaisesRegex(UserError, "mqtt_broker_type must be mosquitto or emqx"):
                self.press()


@tagged("post_install", "-at_install")
class TestSettingsInTheBrowser(ScreenCase):
    def test_the_page_tells_what_is_in_force_and_tests_it(self):
        password = self.env["iot.settings"]._get_config().mqtt_admin_password
        self.assertTrue(password)
        with patch.dict(os.environ, {"SMART_DAIRY_OFFLINE_MINUTES": "77"}):
            self.run_in_browser(
                "/web#action=smart_dairy_iot.iot_settings_action",
                f"const password = {json.dumps(password)};"
                """
                await shown(".o_setting_source", "From the server's environment: 77");
                await shown("[name=mqtt_admin_password] + .o_widget .o_setting_source", "set");
                if (document.documentElement.innerHTML.includes(password)) {
                    throw new Error("a password is shown");
                }
                (await shown("button[name=action_test_iot_connections]")).click();
                await shown(".o_notification", "In order: broker.");
                """,
            )
