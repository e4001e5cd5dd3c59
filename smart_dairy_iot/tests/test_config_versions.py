"""Versions of a device's configuration: the one it is to work by, the one it reports, and the way back."""

import json

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged

from .common import IotCase


@tagged("post_install", "-at_install")
class TestConfigVersions(IotCase):
    def configured(self, config='{"interval": 60}', state="active"):
        device = self.new_device(config_json=config)
        device._in_action().sudo().write({"state": state})
        return device

    def report(self, device, version):
        """The device's status says by which version it works."""
        self.env.cr.execute(
            "INSERT INTO iot_device_state (iot_device_id, config_version) VALUES (%s, %s)"
            " ON CONFLICT (iot_device_id) DO UPDATE SET config_version = excluded.config_version",
            [device.id, version],
        )
        device.invalidate_recordset()

    def published(self, device):
        entries = self.env["iot.outbox"].search([("topic", "=", device.sudo().config_topic)], order="id")
        return [(json.loads(entry.payload) if entry.payload else "", entry.qos, entry.retain) for entry in entries]

    def test_each_change_is_a_version_that_tells_when_and_by_whom(self):
        device = self.configured()
        device.with_user(self.admin).config_json = '{"interval": 30}'
        versions = device.sudo().config_version_ids.sorted("version", reverse=True)
        self.assertEqual(device.config_version, 2)
        self.assertEqual(versions.mapped("version"), [2, 1])
        self.assertEqual(versions.mapped("create_uid"), self.admin | self.manager)
        self.assertEqual([json.loads(text)["interval"] for text in versions.mapped("config_json")], [30, 60])

    def test_what_is_the_same_is_no_new_version(self):
        device = self.configured()
        device.config_json = device.config_json
        self.assertEqual(device.config_version, 1)

    def test_the_configuration_is_published_retained_with_its_version(self):
        device = self.configured()
        device.config_json = '{"interval": 30}'
        self.assertEqual(self.published(device), [({"interval": 30, "config_version": 2}, 2, True)])

    def test_without_a_configuration_what_is_retained_is_cleared_and_the_history_stays(self):
        device = self.configured()
        device.config_json = False
        self.assertEqual(self.published(device), [("", 2, True)])
        self.assertEqual((device.config_version, len(device.config_version_ids)), (2, 2))
        self.assertEqual(device.config_status, "none")

    def test_an_earlier_version_is_restored_as_a_new_one(self):
        device = self.configured()
        device.config_json = '{"interval": 30}'
        first = device.config_version_ids.filtered(lambda version: version.version == 1)
        first.action_restore()
        self.assertEqual((device.config_version, json.loads(device.config_json)), (3, {"interval": 60}))
        self.assertEqual(self.published(device)[-1][0], {"interval": 60, "config_version": 3})
        self.assertIn("Configuration version 1 restored.", device.sudo().message_ids[0].body)

    def test_a_configuration_is_sent_again_as_it_is_by_those_who_may_change_the_device(self):
        device = self.configured()
        self.report(device, 0)
        self.assertEqual((device.config_status, device.reported_config_version), ("drift", 0))
        with self.assertRaises(AccessError):
            device.with_user(self.user).action_send_configuration()
        self.assertFalse(self.published(device))
        device.with_user(self.manager).action_send_configuration()
        self.assertEqual(self.published(device), [({"interval": 60, "config_version": 1}, 2, True)])
        self.assertEqual(device.config_version, 1)

    def test_who_may_not_change_a_device_restores_nothing(self):
        device = self.configured()
        with self.assertRaises(AccessError):
            device.config_version_ids.with_user(self.user).action_restore()
        with self.assertRaises(AccessError):
            device.config_version_ids.with_user(self.admin).write({"config_json": "{}"})

    def test_the_history_of_a_farm_is_seen_by_those_who_see_the_farm(self):
        device = self.new_device("V-1", farm=self.valley, user=self.admin, config_json="{}")
        versions = self.env["iot.device.config.version"]
        self.assertFalse(versions.with_user(self.manager).search([("iot_device_id", "=", device.id)]))
        self.assertTrue(versions.with_user(self.admin).search([("iot_device_id", "=", device.id)]))

    def test_the_platform_s_own_key_cannot_be_configured_nor_the_version_be_written(self):
        device = self.configured()
        with self.assertRaisesRegex(ValidationError, "config_version is set by the platform"):
            device.config_json = '{"config_version": 7}'
        with self.assertRaisesRegex(UserError, "config_version cannot be written"):
            device.config_version = 7

    def test_desired_and_reported_are_compared_and_searched(self):
        device = self.configured()
        bare = self.new_device("T-2")
        devices = self.env["iot.device"]
        mine = [("id", "in", (device | bare).ids)]

        def found(status):
            return devices.search([*mine, ("config_status", "=", status)])

        self.assertEqual((device.config_status, found("unreported")), ("unreported", device))
        self.report(device, 1)
        self.assertEqual((device.config_status, found("up_to_date")), ("up_to_date", device))
        device.config_json = '{"interval": 30}'
        self.assertEqual((device.config_status, found("drift")), ("drift", device))
        self.assertEqual(device.reported_config_version, 1)
        self.assertEqual((bare.config_status, found("none")), ("none", bare))
        self.assertEqual(devices.search([*mine, ("config_status", "!=", "drift")]), bare)

    def test_many_devices_get_a_template_and_each_counts_by_itself(self):
        first, second = self.configured(), self.new_device("T-2")
        template = self.env["iot.device.template"].create(
            {"name": "Every minute", "device_type": "temperature", "config_json": '{"interval": 1}'}
        )
        template._apply(first | second)
        self.assertEqual((first.config_version, second.config_version), (2, 1))

    def test_what_no_device_could_read_is_no_configuration(self):
        device = self.configured()
        for text in ('{"a": NaN}', '{"a": -Infinity}', '{"a":' * 5000 + "1" + "}" * 5000, f'{{"a": "{"x" * 65_536}"}}'):
            with self.subTest(text=text[:20]), self.assertRaises(ValidationError):
                device.config_json = text

    def test_other_hardware_has_yet_to_report_its_version(self):
        device = self.configured()
        self.report(device, 1)
        self.env.cr.execute("UPDATE iot_device_state SET firmware_version = '1.0'")
        successor = {"device_id": "T-9", "serial_number": "9"}
        device.sudo()._replace_hardware(successor, "broken", fields.Date.today())
        self.assertEqual((device.config_status, device.reported_config_version), ("unreported", 0))
        self.assertFalse(device.reported_firmware_version)
