"""The password of a device: seen once by the one who provisions it, and found nowhere afterwards."""

import hashlib
import logging
import os
from unittest.mock import patch

from odoo.tests import Form, tagged

from .common import IotCase


@tagged("post_install", "-at_install")
class TestCredentials(IotCase):
    def setUp(self):
        super().setUp()
        self.device = self.new_device()

    def open_wizard(self, action):
        wizards = self.env[action["res_model"]].with_user(self.manager).with_context(**action["context"])
        return Form(wizards, "smart_dairy_iot.iot_device_credentials_wizard_view_form")

    def test_the_window_shows_user_password_client_id_address_and_topics(self):
        action = self.device.action_provision()
        self.assertEqual((action["type"], action["target"]), ("ir.actions.act_window", "new"))
        form = self.open_wizard(action)
        self.assertEqual(form.mqtt_password, action["context"]["default_mqtt_password"])
        self.assertEqual(form.mqtt_username, "TE_T-1")
        self.assertEqual(form.mqtt_client_id, "sd_T-1")
        self.assertRegex(form.broker_address, r"^mqtts://.+:\d+$")
        self.assertEqual(form.data_topic, "dairy/HILL/temperature/T-1/data")

    def test_a_device_is_told_the_broker_s_address_for_devices(self):
        settings = self.env["iot.settings"]
        self.assertRegex(settings._broker_address(), r"^mqtts://(localhost|127.0.0.1):\d+$")
        of_devices = {"HOST": "mqtt.farm.example", "PORT": "18883"}
        with patch.dict(os.environ, {f"SMART_DAIRY_MQTT_DEVICE_{key}": value for key, value in of_devices.items()}):
            self.assertEqual(settings._broker_address(), "mqtts://mqtt.farm.example:18883")
            self.assertEqual(settings._broker_address("certificate"), "mqtts://mqtt.farm.example:18883")
            with patch.dict(os.environ, {"SMART_DAIRY_MQTT_CERTIFICATE_PORT": "18884"}):
                self.assertEqual(settings._broker_address("certificate"), "mqtts://mqtt.farm.example:18884")

    def test_a_password_has_256_random_bits(self):
        passwords = {self.provision(self.new_device(f"T-1{number}")) for number in range(3)}
        self.assertEqual(len(passwords), 3)
        self.assertEqual({len(password) for password in passwords}, {43})  # 32 bytes in base 64

    def test_a_password_does_not_look_like_a_formula_to_a_spreadsheet(self):
        with patch("secrets.token_urlsafe", side_effect=["-" + 42 * "a", 43 * "b"]):
            self.assertEqual(self.provision(self.new_device("T-20")), 43 * "b")

    def test_the_register_keeps_a_salted_hash_that_only_administrators_read(self):
        first, second = self.device, self.new_device("T-2")
        password = self.provision(first)
        self.provision(second)
        self.assertNotEqual(first.sudo().mqtt_password_salt, second.sudo().mqtt_password_salt)
        salted = f"{first.sudo().mqtt_password_salt}{password}".encode()
        self.assertEqual(first.sudo().mqtt_password_hash, hashlib.sha256(salted).hexdigest())
        for user, readable in ((self.user, False), (self.manager, False), (self.admin, True)):
            fields = self.env["iot.device"].with_user(user).fields_get()
            self.assertEqual("mqtt_password_hash" in fields, readable, user.login)
            self.assertEqual("mqtt_password_salt" in fields, readable, user.login)

    def test_the_password_is_nowhere_in_the_database_even_when_the_window_is_saved(self):
        action = self.device.action_provision()
        self.open_wizard(action).save()
        password = action["context"]["default_mqtt_password"]
        self.env.flush_all()
        self.env.cr.precommit.run()
        self.assertEqual(self.tables_with(password), [])
        self.assertIn("iot_device", self.tables_with(self.device.sudo().mqtt_password_hash), "the search itself works")

    def test_the_password_is_in_no_log_not_even_among_the_statements_sent_to_the_database(self):
        with self.assertLogs("odoo", logging.DEBUG) as logs:
            first = self.provision(self.device)
            second = self.device.action_rotate_password()["context"]["default_mqtt_password"]
        text = "\n".join(logs.output)
        self.assertIn("password_issued_at", text)
        self.assertNotIn(first, text)
        self.assertNotIn(second, text)

    def test_the_password_is_in_no_message_on_the_device(self):
        password = self.provision(self.device)
        self.env.cr.precommit.run()
        bodies = self.device.message_ids.mapped("body")
        self.assertTrue(bodies)
        self.assertFalse([body for body in bodies if password in body])
