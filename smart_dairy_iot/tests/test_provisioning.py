"""From the register to the broker: who may connect, and what happens when he may no longer."""

import os
from unittest.mock import patch

from odoo.exceptions import UserError
from odoo.tests import tagged

from ..provisioning import Change, MosquittoBroker
from .common import IotCase

CONFIGURED = '{"interval_seconds": 60, "config_version": 1}'


@tagged("post_install", "-at_install")
class TestProvisioning(IotCase):
    def setUp(self):
        super().setUp()
        self.device = self.new_device()
        self.base = "dairy/HILL/temperature/T-1"

    def outbox(self, topic):
        return self.env["iot.outbox"].search([("topic", "=", topic)], order="id")

    def test_a_provisioned_device_connects_with_the_credentials_that_were_shown(self):
        context = self.device.action_provision()["context"]
        self.assertEqual(self.device.state, "active")
        self.assertEqual(context["default_iot_device_id"], self.device.id)
        self.assertEqual(context["default_mqtt_username"], "TE_T-1")
        self.assertEqual(context["default_mqtt_client_id"], "sd_T-1")
        self.assertAccepted(self.device, context["default_mqtt_password"])

    def test_a_wrong_password_or_another_client_id_is_refused(self):
        password = self.provision(self.device)
        self.assertRefused(self.device, "wrong")
        self.assertRefused(self.device, password, client_id="sd_T-2")
        self.assertRefused(
            self.device, password, client_id=self.env["iot.settings"]._get_config().mqtt_bridge_client_id
        )

    def test_a_device_uses_its_own_topics_and_no_others(self):
        password = self.provision(self.device)
        self.provision(self.new_device("T-2"))
        with self.connected(self.device, password) as connection:
            for last in ("data", "status", "alerts", "acks"):
                self.assertTrue(connection.may_publish(f"{self.base}/{last}"), last)
            for last in ("commands", "config"):
                self.assertTrue(connection.may_subscribe(f"{self.base}/{last}"), last)
            for topic in (
                f"{self.base}/commands",
                f"{self.base}/events",
                "dairy/HILL/temperature/T-2/data",
                "dairy/VALLEY/temperature/T-1/data",
                "dairy/system/health",
                "$CONTROL/dynamic-security/v1",
            ):
                self.assertFalse(connection.may_publish(topic), topic)
            for topic in ("#", "dairy/#", f"{self.base}/#", f"{self.base}/data", "dairy/HILL/temperature/T-2/commands"):
                self.assertFalse(connection.may_subscribe(topic), topic)

    def test_a_device_is_provisioned_once(self):
        self.provision(self.device)
        with self.assertRaisesRegex(UserError, "Device T-1 is active already"):
            self.device.action_provision()

    def test_deactivating_disconnects_at_once_and_refuses_until_the_device_is_reactivated(self):
        password = self.provision(self.device)
        with self.connected(self.device, password) as connection:
            self.device.action_deactivate()
            connection.wait_disconnected()
        self.assertRefused(self.device, password)
        self.device.action_reactivate()
        self.assertAccepted(self.device, password)

    def test_a_device_in_maintenance_goes_on_connecting(self):
        password = self.provision(self.device)
        self.device.action_set_maintenance()
        self.assertAccepted(self.device, password)
        self.device.action_reactivate()
        self.assertEqual(self.device.state, "active")

    def test_archiving_disconnects_and_unarchiving_lets_in_again_but_not_what_was_inactive(self):
        password = self.provision(self.device)
        with self.connected(self.device, password) as connection:
            self.device.action_archive()
            connection.wait_disconnected()
        self.assertRefused(self.device, password)
        self.device.action_unarchive()
        self.assertAccepted(self.device, password)
        self.device.action_deactivate()
        self.device.action_archive()
        self.device.action_unarchive()
        self.assertRefused(self.device, password)

    def test_a_decommissioned_device_is_disconnected_at_once_and_never_comes_back(self):
        password = self.provision(self.device)
        with self.connected(self.device, password) as connection:
            self.device.action_decommission()
            connection.wait_disconnected()
        self.assertRefused(self.device, password)
        self.assertFalse(self.device.sudo().mqtt_password_hash)
        for action in ("action_provision", "action_reactivate", "action_deactivate", "action_decommission"):
            with self.subTest(action=action), self.assertRaises(UserError):
                getattr(self.device, action)()

    def test_a_deleted_device_is_disconnected_at_once(self):
        password = self.provision(self.device)
        identity = {"username": self.device.mqtt_username, "client_id": self.device.mqtt_client_id}
        with self.connected(self.device, password) as connection:
            self.device.with_user(self.admin).unlink()
            connection.wait_disconnected()
        self.assertRefused(self.new_device("T-2"), password, **identity)

    def test_a_new_password_replaces_the_old_one_which_is_refused_from_then_on(self):
        old = self.provision(self.device)
        issued = self.device.password_issued_at
        with self.connected(self.device, old) as connection:
            new = self.device.action_rotate_password()["context"]["default_mqtt_password"]
            connection.wait_disconnected()
        self.assertRefused(self.device, old)
        self.assertAccepted(self.device, new)
        self.assertTrue(self.device.password_issued_at >= issued)

    def test_only_a_device_that_may_connect_gets_a_new_password(self):
        with self.assertRaises(UserError):
            self.device.action_rotate_password()
        self.provision(self.device)
        self.device.action_deactivate()
        with self.assertRaises(UserError):
            self.device.action_rotate_password()

    def lose_user(self, device):
        """Delete the device's user behind the register's back."""
        with self.env["iot.device.auth"]._broker() as broker:
            list(broker.apply([Change(device.mqtt_username, device.mqtt_client_id, None)]))

    def test_a_new_password_mends_a_broker_that_has_lost_its_users(self):
        self.provision(self.device)
        self.lose_user(self.device)
        with self.assertRaisesRegex(UserError, "new password"):
            self.env["iot.acl.manager"].create_device_acl(self.device)
        password = self.device.action_rotate_password()["context"]["default_mqtt_password"]
        self.assertAccepted(self.device, password)

    def test_a_user_that_the_broker_has_lost_can_be_decommissioned_nevertheless(self):
        self.provision(self.device)
        self.lose_user(self.device)
        self.device.action_decommission()
        self.assertEqual(self.device.state, "decommissioned")

    def test_the_public_api_makes_disables_and_renews_a_user(self):
        auth = self.env["iot.device.auth"]
        self.device.action_provision()
        credentials = auth.create_mqtt_user(self.device)
        self.assertEqual(set(credentials), {"username", "client_id", "password"})
        self.assertAccepted(self.device, credentials["password"])
        self.env["iot.acl.manager"].create_device_acl(self.device)
        self.assertAccepted(self.device, credentials["password"])
        new = auth.rotate_password(self.device)
        self.assertRefused(self.device, credentials["password"])
        self.assertAccepted(self.device, new)
        auth.deactivate_mqtt_user(self.device)
        self.assertEqual(self.device.state, "inactive")
        self.assertRefused(self.device, new)

    def test_nobody_to_issue_a_password_to_is_no_error(self):
        self.assertEqual(self.env["iot.device.auth"]._issue_passwords(self.env["iot.device"]), [])

    def test_a_device_without_mqtt_is_provisioned_without_a_broker(self):
        meter = self.new_device("MM-1", "milk_meter", uses_mqtt=False)
        with self.broker_out_of_reach():
            self.assertIs(meter.action_provision(), True)
            meter.action_set_maintenance()
            meter.action_reactivate()
            meter.action_deactivate()
            meter.action_decommission()
        self.assertEqual(meter.state, "decommissioned")

    def test_a_device_that_stops_using_mqtt_loses_its_user(self):
        password = self.provision(self.device)
        self.device.uses_mqtt = False
        self.assertRefused(self.device, password)
        self.device.uses_mqtt = True
        self.assertRefused(self.device, password)
        self.assertAccepted(self.device, self.device.action_rotate_password()["context"]["default_mqtt_password"])

    def test_a_wrong_setting_of_the_server_is_one_sentence(self):
        with (
            patch.dict(os.environ, {"SMART_DAIRY_MQTT_BROKER_PORT": "many"}),
            self.assertRaisesRegex(UserError, "mqtt_broker_port"),
        ):
            self.device.action_provision()

    def test_uninstalling_a_neutralised_copy_leaves_the_original_s_broker_alone(self):
        password = self.provision(self.device)
        self.env["ir.config_parameter"].set_param("database.is_neutralized", "true")
        self.device._leave_broker()
        self.env["ir.config_parameter"].set_param("database.is_neutralized", False)
        self.assertAccepted(self.device, password)

    # ------------------------------------------------------------------ the broker out of reach

    def test_all_devices_leave_the_broker_though_there_are_more_than_one_action_may_change(self):
        devices = [self.new_device(f"LEAVE-{number}") for number in range(3)]
        passwords = [self.provision(device) for device in devices]
        with patch.object(MosquittoBroker, "most_changes", 2):
            self.env["iot.device"].browse([device.id for device in devices])._leave_broker()
        for device, password in zip(devices, passwords, strict=True):
            self.assertRefused(device, password)

    def test_with_the_broker_out_of_reach_every_action_says_so_and_changes_nothing(self):
        waiting, active, inactive = self.device, self.new_device("T-2"), self.new_device("T-3")
        password = self.provision(active)
        self.provision(inactive)
        inactive.action_deactivate()
        hashes = (active + inactive).sudo().mapped("mqtt_password_hash")
        actions = [
            waiting.action_provision,
            active.action_deactivate,
            active.action_decommission,
            active.action_rotate_password,
            active.action_archive,
            lambda: active.sudo().write({"farm_id": self.valley.id}),
            lambda: self.hill.write({"code": "HILL2"}),
            inactive.action_reactivate,
            inactive.action_decommission,
            active.with_user(self.admin).unlink,
        ]
        for number, action in enumerate(actions):
            with (
                self.subTest(action=number),
                self.assertRaisesRegex(UserError, "cannot be reached"),
                self.broker_out_of_reach(),
                self.env.cr.savepoint(),
            ):
                action()
        devices = waiting + active + inactive
        devices.invalidate_recordset()
        self.assertEqual(devices.mapped("state"), ["provisioning", "active", "inactive"])
        self.assertEqual(devices.farm_id, self.hill)
        self.assertEqual(self.hill.code, "HILL")
        self.assertFalse(waiting.sudo().mqtt_password_hash)
        self.assertEqual((active + inactive).sudo().mapped("mqtt_password_hash"), hashes)
        self.assertAccepted(active, password)

    def test_changes_that_do_not_concern_the_broker_need_none(self):
        self.provision(self.device)
        with self.broker_out_of_reach():
            self.device.write({"name": "Renamed", "notes": "Behind the tank", "serial_number": "S-1"})
            self.device.action_set_maintenance()
            self.hill.code = "HILL"
        self.assertEqual((self.device.name, self.device.state), ("Renamed", "maintenance"))

    # ------------------------------------------------------------------ devices that move

    def test_a_farm_s_new_code_moves_its_devices_topics_and_rights_at_once(self):
        password = self.provision(self.device)
        inactive = self.new_device("T-2")
        inactive_password = self.provision(inactive)
        inactive.action_deactivate()
        with self.connected(self.device, password) as connection:
            self.hill.code = "RIDGE"
            connection.wait_disconnected()
        with self.connected(self.device, password) as connection:
            self.assertFalse(connection.may_publish(f"{self.base}/data"))
            self.assertTrue(connection.may_publish("dairy/RIDGE/temperature/T-1/data"))
            self.assertTrue(connection.may_subscribe("dairy/RIDGE/temperature/T-1/commands"))
        self.assertRefused(inactive, inactive_password)
        inactive.action_reactivate()
        with self.connected(inactive, inactive_password) as connection:
            self.assertTrue(connection.may_publish("dairy/RIDGE/temperature/T-2/data"))
            self.assertFalse(connection.may_publish("dairy/HILL/temperature/T-2/data"))

    def test_a_moved_device_finds_its_new_topics_on_its_old_configuration_topic(self):
        self.device.config_json = '{"interval_seconds": 60}'
        password = self.provision(self.device)
        self.assertEqual(self.outbox(f"{self.base}/config").mapped("payload"), [CONFIGURED])
        self.device.sudo().farm_id = self.valley
        new_base = "dairy/VALLEY/temperature/T-1"
        told = self.outbox(f"{self.base}/config")[-1]
        self.assertIn(f'"data": "{new_base}/data"', told.payload)
        self.assertTrue(told.retain)
        self.assertEqual(self.outbox(f"{new_base}/config").mapped("payload"), [CONFIGURED])
        with self.connected(self.device, password) as connection:
            self.assertTrue(connection.may_subscribe(f"{self.base}/config"))
            self.assertFalse(connection.may_subscribe(f"{self.base}/commands"))
            self.assertTrue(connection.may_subscribe(f"{new_base}/config"))

    def test_a_device_that_moves_back_is_not_sent_away_again(self):
        self.provision(self.device)
        self.device.sudo().farm_id = self.valley
        self.device.sudo().farm_id = self.hill
        self.assertEqual(self.outbox(f"{self.base}/config")[-1].payload, "", "what told it to leave is cleared")
        self.assertIn(f"{self.base}/data", self.outbox("dairy/VALLEY/temperature/T-1/config")[-1].payload)

    def test_a_changed_pattern_changes_the_rights_of_the_devices(self):
        password = self.provision(self.device)
        topic = self.env.ref("smart_dairy_iot.topic_temperature_data")
        topic.topic_pattern = "dairy/{farm_id}/{device_type}/{device_id}/measured"
        with self.connected(self.device, password) as connection:
            self.assertFalse(connection.may_publish(f"{self.base}/data"))
            self.assertTrue(connection.may_publish(f"{self.base}/measured"))
        topic.is_active = False
        with self.connected(self.device, password) as connection:
            self.assertFalse(connection.may_publish(f"{self.base}/measured"))

    def test_a_configuration_is_sent_retained_when_it_changes_and_cleared_when_the_device_goes(self):
        self.provision(self.device)
        self.device.config_json = '{"interval_seconds": 30}'
        self.device.config_json = False
        self.device.config_json = '{"interval_seconds": 10}'
        self.device.action_decommission()
        sent = self.outbox(f"{self.base}/config")
        self.assertEqual(
            sent.mapped("payload"),
            ['{"interval_seconds": 30, "config_version": 1}', "", '{"interval_seconds": 10, "config_version": 3}', ""],
        )
        self.assertEqual(set(sent.mapped("retain")), {True})
        self.assertEqual(set(sent.mapped("qos")), {2})

    # ------------------------------------------------------------------ the bridge is told

    def test_the_bridge_is_told_of_every_change_that_concerns_it(self):
        notified = []
        settings = type(self.env["iot.settings"])
        with patch.object(settings, "_notify_registry", lambda _self: notified.append(True)):
            for change in (
                lambda: self.new_device("T-2"),
                lambda: self.provision(self.device),
                self.device.action_set_maintenance,
                self.device.action_archive,
                self.device.action_unarchive,
                lambda: self.device.sudo().write({"farm_id": self.valley.id}),
                lambda: self.valley.write({"code": "V2"}),
                lambda: self.env.ref("smart_dairy_iot.schema_temperature_data").write({"version": "1.1"}),
                lambda: self.env.ref("smart_dairy_iot.topic_gate_data").write({"is_active": False}),
                self.device.with_user(self.admin).unlink,
            ):
                notified.clear()
                change()
                self.assertTrue(notified)
