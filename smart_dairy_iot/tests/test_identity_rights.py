"""What decides on a device's identity is nobody's to write, by whatever way it comes; nor may just anybody have the
platform talk to the broker."""

import json
from unittest.mock import patch

from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged

from ..models import iot_broker_check, iot_provisioning_entry
from .certificates import CertificateCase
from .common import IotCase


@tagged("post_install", "-at_install")
class TestIdentityRights(IotCase):
    def test_a_default_of_one_s_own_makes_no_device_active_nor_gives_it_another_s_name(self):
        for name, value in (("state", "active"), ("mqtt_username", "sd_admin"), ("mqtt_password_hash", "0" * 64)):
            default = (
                self.env["ir.default"]
                .with_user(self.manager)
                .create(
                    {
                        "field_id": self.env["ir.model.fields"]._get("iot.device", name).id,
                        "user_id": self.manager.id,
                        "json_value": json.dumps(value),
                    }
                )
            )
            with self.subTest(name), self.assertRaises(UserError):
                self.new_device("DEFAULT-1")
            default.unlink()

    def test_a_default_in_the_context_is_refused_in_the_same_way(self):
        devices = self.env["iot.device"].with_user(self.manager).with_context(default_state="active")
        with self.assertRaises(UserError):
            devices.create(
                {"name": "D", "device_id": "DEFAULT-2", "device_type": "temperature", "farm_id": self.hill.id}
            )

    def test_what_is_said_of_a_certificate_and_of_the_company_is_nobody_s_to_write(self):
        device = self.new_device("FORGED-1")
        for values in ({"certificate_expiry": "2099-01-01"}, {"certificate_cn": "sd_admin"}, {"company_id": 1}):
            with self.subTest(values), self.assertRaises(UserError):
                device.write(values)

    def test_only_administrators_have_the_broker_compared_with_the_register(self):
        with patch.object(iot_broker_check, "check_broker") as check:
            for user in (self.user, self.manager, new_test_user(self.env, "iot_portal", "base.group_portal")):
                drifts = self.env["iot.broker.drift"].with_user(user)
                for action in (drifts.action_mend, drifts.action_remove, drifts.action_check_now):
                    with self.assertRaises(AccessError):
                        action()
            self.env.cr.postcommit.run()
            check.assert_not_called()

    def test_whoever_may_not_read_the_outbox_does_not_have_it_tried(self):
        device = self.new_device("OUTBOX-1")
        self.env["iot.provisioning.entry"]._request([device.mqtt_username])
        self.env.cr.postcommit.clear()
        entry = self.env["iot.provisioning.entry"].search([("username", "=", device.mqtt_username)])
        with patch.object(iot_provisioning_entry, "apply_entries") as apply_entries:
            with self.assertRaises(AccessError):
                entry.with_user(self.user).action_apply()
            entry.with_user(self.user).browse().action_apply()
            self.env.cr.postcommit.run()
            apply_entries.assert_not_called()

    def test_only_who_may_change_the_settings_has_their_connections_tested(self):
        with patch("odoo.addons.smart_dairy_iot.models.res_config_settings.find_problems") as find_problems:
            for user in (self.user, self.admin):
                with self.assertRaises(AccessError):
                    self.env["res.config.settings"].with_user(user).action_test_iot_connections()
            find_problems.assert_not_called()

    def test_what_the_server_s_own_settings_say_is_told_to_nobody_else_by_a_form_that_is_not_his(self):
        with patch.dict("os.environ", {"SMART_DAIRY_MQTT_AUTH_DB_HOST": "auth.internal.example"}):
            settings = self.env["res.config.settings"].with_user(self.user)
            with self.assertRaises(AccessError):
                settings.onchange({"mqtt_broker_type": "emqx"}, ["mqtt_broker_type"], {"iot_overrides": {}})


@tagged("post_install", "-at_install")
class TestFormerCertificates(CertificateCase):
    def test_a_device_that_goes_over_to_a_password_is_not_let_in_by_its_certificates_any_more(self):
        device = self.new_device("FORMER-1", auth_method="certificate")
        certificate = self.issue(device)
        device.auth_method = "password"
        self.assertEqual(certificate.state, "revoked")
        self.assertIn(certificate.serial_number, self.revoked_serials())

    def test_a_certificate_that_was_issued_in_advance_stays_when_its_device_goes_over_to_it(self):
        device = self.new_device("FORMER-2")
        certificate = self.issue(device)
        device.auth_method = "certificate"
        self.assertEqual(certificate.state, "valid")

    def test_a_device_that_stops_using_mqtt_has_no_certificate_to_come_back_with(self):
        device = self.new_device("FORMER-3", auth_method="certificate")
        certificate = self.issue(device)
        device.uses_mqtt = False
        self.assertEqual(certificate.state, "revoked")
