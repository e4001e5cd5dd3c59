"""Hardware that dies is replaced in its place: the history stays, the old hardware is shut out."""

from contextlib import contextmanager
from datetime import timedelta

from odoo import SUPERUSER_ID, api, fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, tagged

from ..provisioning import MosquittoBroker
from .certificates import CertificateCase
from .common import IotCase


@tagged("post_install", "-at_install")
class TestReplaceDevice(IotCase):
    OLD = {
        "manufacturer": "Maker",
        "model": "M1",
        "serial_number": "S-1",
        "mac_address": "00:1A:2B:3C:4D:5E",
        "firmware_version": "1.0",
        "hardware_version": "A",
    }

    def replace(self, device, user=None, **values):
        """Open the wizard by its button, fill it in and confirm."""
        device = device.with_user(user or self.manager)
        action = device.action_replace()
        form = Form(self.env[action["res_model"]].with_user(device.env.user).with_context(**action["context"]))
        for name, value in {"reason": "Water in the housing", **values}.items():
            form[name] = value
        return form.save().action_replace()

    def test_the_wizard_proposes_the_same_id_and_make_and_the_history_keeps_what_was_there(self):
        device = self.new_device(uses_mqtt=False, **self.OLD)
        device.action_provision()
        self.replace(device, serial_number="S-2", mac_address="001a2b3c4d5f")
        self.assertEqual((device.device_id, device.state), ("T-1", "provisioning"))
        self.assertEqual((device.manufacturer, device.model, device.serial_number), ("Maker", "M1", "S-2"))
        self.assertEqual((device.mac_address, device.firmware_version), ("00:1A:2B:3C:4D:5F", False))
        former = device.hardware_ids
        self.assertEqual({name: former[name] for name in self.OLD}, self.OLD)
        today = fields.Date.context_today(device)
        self.assertEqual((former.device_id, former.reason), ("T-1", "Water in the housing"))
        self.assertEqual((former.installed_on, former.removed_on, device.installed_on), (today, today, today))
        self.assertEqual(former.replaced_by_id, self.manager)
        self.assertIn("Water in the housing", device.message_ids.filtered(lambda message: "S-2" in message.body).body)

    def test_the_old_hardware_is_off_and_cannot_return_and_its_successor_is_provisioned_anew(self):
        device = self.new_device(config_json='{"interval_seconds": 60}')
        password = self.provision(device)
        with self.connected(device, password) as connection:
            self.assertTrue(connection.accepted)
            self.replace(device)
            connection.wait_disconnected()
        self.assertRefused(device, password)
        self.assertIsNone(device._broker_user())
        self.assertFalse(device.password_issued_at)
        new_password = self.provision(device)
        self.assertRefused(device, password)
        self.assertAccepted(device, new_password)

    def test_a_successor_with_an_id_of_its_own_leaves_no_way_in_by_the_old_one(self):
        device = self.new_device(config_json='{"interval_seconds": 60}')
        password, old_topic = self.provision(device), device.config_topic
        self.replace(device, device_id="T-2")
        self.assertEqual((device.device_id, device.mqtt_username, device.mqtt_client_id), ("T-2", "TE_T-2", "sd_T-2"))
        new_password = self.provision(device)
        self.assertRefused(device, password, username="TE_T-1", client_id="sd_T-1")
        self.assertRefused(device, new_password, username="TE_T-1", client_id="sd_T-1")
        self.assertAccepted(device, new_password)
        sent = self.env["iot.outbox"].search([("topic", "=", old_topic)], order="id")
        self.assertEqual(sent[-1].payload, "", "the retained configuration is cleared")

    def test_readings_and_alerts_stay_with_the_device(self):
        device = self.new_device(uses_mqtt=False)
        device.action_provision()
        alert = self.env["iot.alert"].create({"name": "Hot", "iot_device_id": device.id})
        self.env.cr.execute(
            "INSERT INTO iot_temperature_reading"
            " (iot_device_id, timestamp, channel, farm_id, in_maintenance, received_at, temperature)"
            " VALUES (%s, now() AT TIME ZONE 'UTC', 0, %s, false, now() AT TIME ZONE 'UTC', 4.0)",
            [device.id, self.hill.id],
        )
        self.replace(device, device_id="T-2")
        self.assertEqual(device.alert_ids, alert)
        self.assertEqual(self.env["iot.temperature.reading"].search_count([("iot_device_id", "=", device.id)]), 1)

    def test_a_decommissioned_device_comes_back_with_new_hardware_an_archived_one_too(self):
        device = self.new_device()
        password = self.provision(device)
        device.action_decommission()
        device.with_user(self.manager).active = False
        self.replace(device)
        self.assertEqual((device.state, device.active), ("provisioning", True))
        new_password = self.provision(device)
        self.assertRefused(device, password)
        self.assertAccepted(device, new_password)

    def test_the_calibration_of_the_old_hardware_is_no_longer_that_of_the_device(self):
        today = fields.Date.context_today(self.env.user)
        device = self.new_device(calibration_date=today, next_calibration_date=today + timedelta(days=100))
        self.replace(device)
        self.assertEqual((device.calibration_date, device.next_calibration_date), (False, False))
        self.assertEqual(device.hardware_ids.calibration_date, today)

    def test_an_id_that_another_device_has_is_refused_and_nothing_changes(self):
        device = self.new_device("T-1", uses_mqtt=False)
        device.action_provision()
        with self.assertRaises(ValidationError), self.env.cr.savepoint():
            self.replace(device, device_id="a/b")
        device.invalidate_recordset()
        self.assertEqual((device.state, device.device_id, len(device.hardware_ids)), ("active", "T-1", 0))

    def test_nothing_is_replaced_while_the_broker_that_must_shut_the_old_hardware_out_is_out_of_reach(self):
        device = self.new_device()
        self.provision(device)
        with self.assertRaises(UserError), self.broker_out_of_reach(), self.env.cr.savepoint():
            self.replace(device)
        device.invalidate_recordset()
        self.assertEqual((device.state, len(device.hardware_ids)), ("active", 0))

    def test_hardware_is_replaced_neither_in_the_future_nor_before_it_was_installed(self):
        device = self.new_device(uses_mqtt=False)
        device.action_provision()
        today = fields.Date.context_today(device)
        for days in (1, -1):
            with self.assertRaises(ValidationError), self.env.cr.savepoint():
                self.replace(device, removed_on=today + timedelta(days=days))

    def test_only_managers_of_the_farm_replace_and_nobody_writes_the_history(self):
        device = self.new_device(uses_mqtt=False)
        there = self.new_device("T-9", farm=self.valley, user=self.admin)
        for user, record in ((self.user, device), (self.manager, there)):
            with self.subTest(user=user.login), self.assertRaises(AccessError), self.env.cr.savepoint():
                self.replace(record, user=user)
            with self.subTest(user=user.login), self.assertRaises(AccessError), self.env.cr.savepoint():
                record.with_user(user)._replace_hardware({"device_id": "T-5"}, "because", fields.Date.today())
        self.replace(device)
        for user in (self.manager, self.admin):
            with self.subTest(user=user.login), self.assertRaises(AccessError):
                device.hardware_ids.with_user(user).reason = "Another"
        self.replace(there, user=self.admin)
        seen = self.env["iot.device.hardware"].with_user(self.user).search([])
        self.assertEqual(seen.iot_device_id & (device | there), device)


@tagged("post_install", "-at_install")
class TestReplacedDevicesCertificate(CertificateCase):
    def test_the_certificate_of_the_old_hardware_is_revoked_whatever_id_the_new_has(self):
        for old_id, new_id in (("C-1", "C-1"), ("C-2", "C-3")):
            device = self.new_device(old_id, auth_method="certificate")
            device.action_provision()
            certificate = self.issue(device)
            self.assertTrue(device._broker_user().enabled)
            values = {"iot_device_id": device.id, "device_id": new_id, "reason": "Stolen"}
            self.env["iot.device.replace.wizard"].with_user(self.manager).create(values).action_replace()
            self.assertEqual(certificate.revocation_reason, "superseded")
            self.assertIn(certificate.serial_number, self.revoked_serials())
            device.action_provision()
            self.assertIsNone(device._broker_user(), "nobody comes in before the successor has a certificate")


@tagged("post_install", "-at_install")
class TestReplacedForGood(IotCase):
    """What the broker is left with once the transaction has ended; these tests commit, and delete what they made."""

    def setUp(self):
        super().setUp()
        with self.transaction() as env:
            self.farm_id = env["farm.location"].create({"name": "Replaced", "code": "REPLACED", "tz": "UTC"}).id
            values = {"name": "Old", "device_id": "OLD-1", "device_type": "temperature", "farm_id": self.farm_id}
            device = env["iot.device"].create(values)
            self.device_id = device.id
            self.password = self.provision(device)
        self.addCleanup(self.forget)

    def forget(self):
        with self.transaction() as env:
            env["iot.device"].browse(self.device_id).unlink()
            env["farm.location"].browse(self.farm_id).unlink()

    @contextmanager
    def transaction(self, committed=True):
        with self.registry.cursor() as cr:
            yield api.Environment(cr, SUPERUSER_ID, {})
            if not committed:
                cr.rollback()

    def replace(self, env):
        device = env["iot.device"].browse(self.device_id)
        values = {"iot_device_id": device.id, "device_id": "NEW-1", "reason": "Worn out"}
        env["iot.device.replace.wizard"].create(values).action_replace()
        return device

    def users_at_broker(self):
        with MosquittoBroker(self.env["iot.settings"]._get_config()) as broker:
            return {"TE_OLD-1", "TE_NEW-1"} & set(broker.users())

    def test_the_user_of_the_old_id_is_gone_and_that_of_the_new_one_is_there_once_provisioned(self):
        with self.transaction() as env:
            self.replace(env)
        self.assertFalse(self.users_at_broker())
        with self.transaction() as env:
            self.provision(env["iot.device"].browse(self.device_id))
        self.assertEqual(self.users_at_broker(), {"TE_NEW-1"})

    def test_both_in_one_transaction_come_to_the_same(self):
        with self.transaction() as env:
            self.provision(self.replace(env))
        self.assertEqual(self.users_at_broker(), {"TE_NEW-1"})

    def test_a_replacement_that_is_undone_leaves_the_old_hardware_its_password(self):
        with self.transaction(committed=False) as env:
            device = self.replace(env)
            self.assertRefused(device, self.password, username="TE_OLD-1", client_id="sd_OLD-1")
        with self.transaction() as env:
            self.assertAccepted(env["iot.device"].browse(self.device_id), self.password)
        self.assertEqual(self.users_at_broker(), {"TE_OLD-1"})
