"""A device in the register: its identity, its topics, what was heard from it."""

import os
from datetime import timedelta
from unittest.mock import patch

import psycopg2

from odoo import fields
from odoo.exceptions import UserError, ValidationError
from odoo.tests import Form, tagged
from odoo.tools import mute_logger

from .common import IotCase


@tagged("post_install", "-at_install")
class TestDeviceIdentity(IotCase):
    def test_a_new_device_waits_for_provisioning_with_its_names_at_the_broker_settled(self):
        device = self.new_device("MM001", "milk_meter")
        self.assertEqual(device.state, "provisioning")
        self.assertEqual((device.mqtt_username, device.mqtt_client_id), ("MI_MM001", "sd_MM001"))
        self.assertFalse(device.sudo().mqtt_password_hash)

    def test_ids_that_could_reach_other_topics_or_the_platform_s_own_client_are_refused(self):
        for device_id in ("a/b", "+", "#", "$SYS", "a b", "", "x" * 65, "bridge", "ADMIN", "ü"):
            with self.subTest(device_id=device_id), self.assertRaises(ValidationError):
                self.new_device(device_id)

    def test_a_device_cannot_have_the_client_id_that_the_settings_give_the_bridge(self):
        with patch.dict(os.environ, {"SMART_DAIRY_MQTT_BRIDGE_CLIENT_ID": "sd_listener"}):
            self.new_device("T-1")
            with self.assertRaises(ValidationError):
                self.new_device("listener")

    def test_the_phase_plan_s_ids_are_accepted(self):
        self.assertEqual(self.new_device("meter_001", "milk_meter").mqtt_client_id, "sd_meter_001")

    def test_two_devices_cannot_have_ids_that_differ_in_case_only(self):
        self.new_device("T-1")
        with self.assertRaises(psycopg2.IntegrityError), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            self.new_device("t-1")

    def test_the_settings_can_ask_for_a_pattern_of_each_type(self):
        self.env["ir.config_parameter"].set_param("iot.device_id_pattern_milk_meter", "MM[0-9]{3,6}")
        self.new_device("MM001", "milk_meter")
        self.new_device("T-1", "temperature")
        with self.assertRaises(ValidationError):
            self.new_device("meter_001", "milk_meter")

    def test_id_and_type_are_fixed_once_the_device_is_provisioned(self):
        device = self.new_device(uses_mqtt=False)
        device.write({"device_id": "T-2", "device_type": "collar"})
        self.assertEqual(device.mqtt_username, "CO_T-2")
        device.action_provision()
        for change in ({"device_id": "T-3"}, {"device_type": "gate"}):
            with self.assertRaises(UserError):
                device.write(change)
        device.write({"device_id": "T-2", "name": "Renamed"})
        self.assertEqual(device.name, "Renamed")

    def test_nobody_can_write_what_only_actions_change(self):
        device = self.new_device()
        for user in (self.manager, self.admin):
            for change in (
                {"state": "active"},
                {"mqtt_username": "CO_other"},
                {"mqtt_client_id": "sd_bridge"},
                {"mqtt_password_hash": "0" * 64},
                {"data_topic": "dairy/system/health"},
                {"previous_config_topic": "dairy/system/health"},
            ):
                with self.subTest(user=user.login, change=change), self.assertRaises(UserError):
                    device.with_user(user).write(change)
                with self.assertRaises(UserError):
                    device.with_user(user).with_context(iot_device_action=True).write(change)
        with self.assertRaises(UserError):
            self.new_device("T-9", state="active")

    def test_a_configuration_is_a_json_object(self):
        device = self.new_device(config_json='{"interval_seconds": 60}')
        for text in ("[1]", "{", "true"):
            with self.subTest(text=text), self.assertRaises(ValidationError):
                device.config_json = text

    def test_a_device_stands_in_a_pen_of_its_own_farm(self):
        pens = self.env["farm.pen"]
        barn = pens.create({"name": "Barn", "code": "B", "farm_id": self.hill.id})
        other = pens.create({"name": "Barn", "code": "B", "farm_id": self.valley.id})
        device = self.new_device(location_id=barn.id)
        with self.assertRaises(ValidationError):
            device.sudo().location_id = other
        with Form(device.with_user(self.admin)) as form:
            form.farm_id = self.valley
            self.assertFalse(form.location_id)

    def test_calibration_is_due_within_a_week_of_its_date_and_overdue_after_it(self):
        device = self.new_device()
        # Whose today: between two time zones' midnights the users' differ.
        today = fields.Date.context_today(device)
        for days, status in ((-1, "overdue"), (0, "due"), (6, "due"), (7, "valid")):
            device.next_calibration_date = today + timedelta(days=days)
            self.assertEqual(device.calibration_status, status, f"{days} days ahead")


@tagged("post_install", "-at_install")
class TestDeviceTopics(IotCase):
    def topics(self, device):
        names = ("data_topic", "status_topic", "command_topic", "config_topic", "alert_topic", "ack_topic")
        return [device[name] for name in names]

    def test_a_device_s_topics_are_made_of_farm_code_type_and_id(self):
        segments = {
            "milk_meter": "milk_meters",
            "temperature": "temperature",
            "collar": "collars",
            "feeder": "feeders",
            "gate": "gates",
            "waterer": "waterers",
            "environmental": "environmental",
        }
        for device_type, segment in segments.items():
            device = self.new_device(f"D-{device_type}", device_type)
            base = f"dairy/HILL/{segment}/D-{device_type}"
            self.assertEqual(
                self.topics(device),
                [f"{base}/{last}" for last in ("data", "status", "commands", "config", "alerts", "acks")],
            )

    def test_topics_follow_the_farm_and_its_code(self):
        device = self.new_device().sudo()
        device.farm_id = self.valley
        self.assertEqual(device.data_topic, "dairy/VALLEY/temperature/T-1/data")
        self.valley.code = "V2"
        self.assertEqual(device.data_topic, "dairy/V2/temperature/T-1/data")

    def test_topics_follow_a_pattern_that_is_changed(self):
        device = self.new_device()
        topic = self.env.ref("smart_dairy_iot.topic_temperature_data")
        topic.topic_pattern = "dairy/{farm_id}/{device_type}/{device_id}/measured"
        self.assertEqual(device.data_topic, "dairy/HILL/temperature/T-1/measured")

    def test_the_access_list_has_the_device_s_own_topics_and_no_others(self):
        device = self.new_device()
        base = "dairy/HILL/temperature/T-1"
        self.assertEqual(
            sorted(self.env["iot.acl.manager"].device_acl(device)),
            [
                ("allow", "publish", f"{base}/acks"),
                ("allow", "publish", f"{base}/alerts"),
                ("allow", "publish", f"{base}/data"),
                ("allow", "publish", f"{base}/status"),
                ("allow", "subscribe", f"{base}/commands"),
                ("allow", "subscribe", f"{base}/config"),
            ],
        )


@tagged("post_install", "-at_install")
class TestDeviceLiveness(IotCase):
    def hear(self, device, minutes_ago, **values):
        """What the bridge writes of a device in service."""
        device._in_action().write({"uses_mqtt": False, "state": "active"})
        seen = fields.Datetime.now() - timedelta(minutes=minutes_ago)
        self.env.cr.execute(
            "INSERT INTO iot_device_state (iot_device_id, last_seen, messages_received, battery_level)"
            " VALUES (%s, %s, %s, %s)",
            [device.id, seen, values.get("messages_received", 1), values.get("battery_level")],
        )
        device.invalidate_recordset()
        return seen

    def test_a_device_is_online_for_five_minutes_after_it_was_heard(self):
        fresh, old, never = (self.new_device(name) for name in ("T-1", "T-2", "T-3"))
        seen = self.hear(fresh, 4, messages_received=7, battery_level=80)
        self.hear(old, 6)
        self.assertEqual((fresh + old + never).mapped("is_online"), [True, False, False])
        self.assertEqual((fresh + old + never).mapped("connection"), ["online", "offline", "never"])
        self.assertEqual((fresh.last_seen, fresh.messages_received, fresh.battery_level), (seen, 7, 80.0))
        self.assertFalse(never.last_seen)

    def test_a_device_that_is_being_edited_shows_what_was_heard_of_it(self):
        device = self.new_device()
        seen = self.hear(device, 4, messages_received=7)
        edited = self.env["iot.device"].new({"name": "Another name"}, origin=device)
        self.assertEqual((edited.connection, edited.last_seen, edited.messages_received), ("online", seen, 7))
        entered = self.env["iot.device"].new({"name": "Not there yet"})
        self.assertEqual((entered.connection, entered.last_seen, entered.messages_received), ("never", False, 0))

    def test_a_device_that_the_broker_refuses_is_offline_however_lately_it_was_heard(self):
        for number, state in enumerate(("provisioning", "inactive", "decommissioned")):
            device = self.new_device(f"T-{number}")
            self.hear(device, 1)
            self.assertTrue(device.is_online)
            device._in_action().write({"state": state})
            self.assertEqual((device.is_online, device.connection), (False, "offline"), state)
            search = self.env["iot.device"].search
            self.assertFalse(search([("id", "=", device.id), ("is_online", "=", True)]), state)
            self.assertEqual(search([("id", "=", device.id), ("is_online", "=", False)]), device, state)

    def test_the_time_that_a_device_may_be_silent_is_a_setting(self):
        device = self.new_device()
        self.hear(device, 6)
        self.env["ir.config_parameter"].set_param("iot.offline_minutes", "10")
        self.assertTrue(device.is_online)

    def test_a_type_can_have_a_time_of_its_own(self):
        self.env["ir.config_parameter"].set_param("iot.offline_minutes_collar", "60")
        collar, sensor = self.new_device("T-1", "collar"), self.new_device("T-2", "temperature")
        for device in (collar, sensor):
            self.hear(device, 30)
        self.assertEqual([collar.is_online, sensor.is_online], [True, False])
        mine = [("id", "in", (collar + sensor).ids)]
        self.assertEqual(self.env["iot.device"].search([*mine, ("is_online", "=", True)]), collar)
        self.assertEqual(self.env["iot.device"].search([*mine, ("is_online", "=", False)]), sensor)

    def test_online_and_offline_devices_can_be_searched_for(self):
        fresh, old, never = devices = [self.new_device(name) for name in ("T-1", "T-2", "T-3")]
        self.hear(fresh, 1)
        self.hear(old, 60)
        mine = [("id", "in", [device.id for device in devices])]
        found = self.env["iot.device"].search
        self.assertEqual(found([*mine, ("is_online", "=", True)]), fresh)
        self.assertEqual(found([*mine, ("is_online", "!=", False)]), fresh)
        self.assertEqual(found([*mine, ("is_online", "=", False)]), old + never)
        self.assertEqual(found([*mine, ("is_online", "!=", True)]), old + never)
        self.assertEqual(found([*mine, ("is_online", "in", [True, False])]), fresh + old + never)

    def test_devices_can_be_searched_for_by_their_connection_those_never_seen_too(self):
        fresh, old, never = devices = [self.new_device(name) for name in ("T-1", "T-2", "T-3")]
        self.hear(fresh, 1)
        self.hear(old, 60)
        mine = [("id", "in", [device.id for device in devices])]
        found = self.env["iot.device"].search
        self.assertEqual(found([*mine, ("connection", "=", "online")]), fresh)
        self.assertEqual(found([*mine, ("connection", "=", "offline")]), old)
        self.assertEqual(found([*mine, ("connection", "=", "never")]), never)
        self.assertEqual(found([*mine, ("connection", "!=", "online")]), old + never)
        self.assertEqual(found([*mine, ("connection", "in", ["online", "never"])]), fresh + never)
        self.assertEqual(found([*mine, ("connection", "not in", ["never"])]), fresh + old)
