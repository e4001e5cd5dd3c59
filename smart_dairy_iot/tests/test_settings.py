"""The settings page writes what the platform reads."""

import os
from unittest.mock import patch

from odoo.exceptions import ValidationError
from odoo.tests import Form, TransactionCase, tagged

from ..bridge.config import Config


@tagged("post_install", "-at_install")
class TestSettings(TransactionCase):
    def setUp(self):
        super().setUp()
        # Neither environment nor file: the page alone.
        self.startPatcher(patch.dict(os.environ))
        for key in [key for key in os.environ if key.startswith("SMART_DAIRY_")]:
            del os.environ[key]
        module = "odoo.addons.smart_dairy_iot.models.iot_settings"
        self.startPatcher(patch(f"{module}.read_file_section", lambda _path: {}))
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
        page = self.env["res.config.settings"].create({"mqtt_admin_password": "typed by hand"})
        page.execute()
        self.assertEqual(self.config().mqtt_admin_password, "typed by hand")
        self.page().execute()
        self.assertEqual(self.config().mqtt_admin_password, "typed by hand")
        self.assertFalse(self.page().mqtt_admin_password)
        self.env.cr.execute("SELECT 1 FROM res_config_settings AS page WHERE page::text LIKE '%typed by hand%'")
        self.assertFalse(self.env.cr.fetchone())

    def test_a_pattern_for_device_ids_has_to_be_a_regular_expression(self):
        with self.assertRaises(ValidationError):
            self.env["res.config.settings"].create({"device_id_pattern_gate": "GT[0-9"})

    def test_the_page_opens(self):
        with Form(self.env["res.config.settings"]) as form:
            self.assertEqual(form.mqtt_broker_host, "localhost")
