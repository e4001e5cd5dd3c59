"""What the register holds of a device: its farm, its addresses, and what must not be mixed up."""

import psycopg2

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, tagged
from odoo.tools import mute_logger

from .common import IotCase


@tagged("post_install", "-at_install")
class TestDeviceFarm(IotCase):
    def preregistered(self, device_id="T-1", **values):
        values = {"name": f"Device {device_id}", "device_id": device_id, "device_type": "temperature", **values}
        return self.env["iot.device"].create(values)

    def test_a_device_may_be_registered_before_its_farm_is_known_and_has_no_topics_until_then(self):
        device = self.preregistered()
        self.assertEqual((device.state, device.data_topic, device.company_id.id), ("provisioning", False, False))
        device.farm_id = self.hill
        self.assertEqual(device.data_topic, "dairy/HILL/temperature/T-1/data")
        self.assertEqual(device.company_id, self.hill.company_id)

    def test_a_device_without_a_farm_cannot_leave_the_state_in_which_it_waits_for_one(self):
        device = self.preregistered()
        for action in (device.action_provision, device.action_decommission):
            with self.assertRaisesRegex(UserError, "farm"), self.env.cr.savepoint():
                action()
        device.invalidate_recordset()
        self.assertEqual((device.state, device._broker_user()), ("provisioning", None))

    def test_a_device_in_service_keeps_a_farm(self):
        device = self.new_device(uses_mqtt=False)
        device.action_provision()
        with self.assertRaisesRegex(ValidationError, "a farm first"):
            device.sudo().farm_id = False

    def test_a_device_without_a_farm_stands_in_no_pen(self):
        barn = self.env["farm.pen"].create({"name": "Barn", "code": "B", "farm_id": self.hill.id})
        with self.assertRaises(ValidationError):
            self.preregistered(location_id=barn.id)

    def test_only_administrators_have_devices_without_a_farm(self):
        device = self.new_device()
        with self.assertRaisesRegex(AccessError, "Choose a farm"):
            device.with_user(self.manager).farm_id = False
        values = {"name": "A", "device_id": "T-2", "device_type": "gate"}
        with self.assertRaisesRegex(AccessError, "Choose a farm"):
            self.env["iot.device"].with_user(self.manager).create(values)
        self.assertFalse(self.env["iot.device"].with_user(self.admin).create(values).farm_id)
        device.with_user(self.admin).farm_id = False
        self.assertFalse(device.sudo().farm_id)

    def test_the_form_asks_for_a_farm_only_once_the_device_is_past_its_registration(self):
        with (
            self.assertRaisesRegex(AssertionError, "farm_id"),
            Form(self.env["iot.device"].with_user(self.manager)) as form,
        ):
            form.name, form.device_id, form.device_type = "Managers have a farm", "T-9", "gate"
        device = self.new_device(uses_mqtt=False)
        with Form(device.with_user(self.admin)) as form:
            form.farm_id = self.env["farm.location"]
            form.farm_id = self.hill
        device.action_provision()
        with self.assertRaises(AssertionError), Form(device.with_user(self.admin)) as form:
            form.farm_id = self.env["farm.location"]


@tagged("post_install", "-at_install")
class TestDeviceAddresses(IotCase):
    def test_a_mac_address_is_kept_in_one_form_in_whatever_form_it_is_printed(self):
        device = self.new_device()
        printed = (
            "00-1a-2b-3c-4d-5e",
            "001A.2B3C.4D5E",
            "001a2b3c4d5e",
            " 00:1a:2B:3c:4D:5e ",
            "00 1A 2B 3C 4D 5E",
            "001a:2b3c:4d5e",
        )
        for text in printed:
            device.mac_address = False
            device.mac_address = text
            self.assertEqual(device.mac_address, "00:1A:2B:3C:4D:5E", text)

    def test_what_is_no_mac_address_is_refused_with_an_example_of_one(self):
        device = self.new_device()
        for text in ("00-1a-2b", "00:1A:2B:3C:4D:5G", "00:1A-2B:3C:4D:5E", "001A.2B3C:4D5E", "0:1A:2B:3C:4D:5E:00"):
            with self.subTest(text=text), self.assertRaisesRegex(ValidationError, "00:1A:2B:3C:4D:5E"):
                device.mac_address = text

    def test_two_devices_cannot_have_one_mac_address_however_it_is_written(self):
        self.new_device("T-1", mac_address="00-1a-2b-3c-4d-5e")
        with self.assertRaises(psycopg2.IntegrityError), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            self.new_device("T-2", mac_address="001A.2B3C.4D5E")

    def test_hardware_of_a_decommissioned_device_may_be_registered_anew(self):
        hardware = {"mac_address": "001a2b3c4d5e", "manufacturer": "Maker", "serial_number": "S-1"}
        self.new_device("T-1", uses_mqtt=False, **hardware).action_decommission()
        self.assertEqual(self.new_device("T-2", **hardware).mac_address, "00:1A:2B:3C:4D:5E")

    def test_no_address_is_none_and_any_number_of_devices_have_none(self):
        devices = [self.new_device(f"T-{number}", mac_address=text) for number, text in enumerate(("", " ", False))]
        self.assertEqual([device.mac_address for device in devices], [False] * 3)

    def test_an_import_normalises_addresses_and_tells_the_row_of_a_wrong_one(self):
        devices = self.env["iot.device"].with_user(self.manager)
        names = ["name", "device_id", "device_type", "farm_id", "mac_address"]
        rows = [["A", "T-1", "temperature", "Hill Farm", "001a2b3c4d5e"], ["B", "T-2", "gate", "Hill Farm", "no"]]
        result = devices.load(names, rows)
        self.assertFalse(result["ids"])
        wrong = {message["rows"]["from"] for message in result["messages"] if "“no” is no MAC" in message["message"]}
        self.assertIn(1, wrong)
        imported = devices.browse(devices.load(names, rows[:1])["ids"])
        self.assertEqual(imported.mac_address, "00:1A:2B:3C:4D:5E")

    def test_a_default_that_is_not_in_the_normal_form_is_refused(self):
        devices = self.env["iot.device"].with_context(default_mac_address="00-1a-2b-3c-4d-5e")
        with self.assertRaisesRegex(ValidationError, "00:1A:2B:3C:4D:5E"):
            devices.create({"name": "A", "device_id": "T-1", "device_type": "gate", "farm_id": self.hill.id})

    def test_an_ip_address_is_one_of_version_4_or_6(self):
        device = self.new_device()
        for text, kept in (("192.168.1.20 ", "192.168.1.20"), ("2001:DB8:0::20", "2001:db8::20")):
            device.ip_address = text
            self.assertEqual(device.ip_address, kept)
        for text in ("192.168.1.256", "192.168.1.20:502", "meter.local", "192.168.1.0/24"):
            with self.subTest(text=text), self.assertRaisesRegex(ValidationError, "no IP address"):
                device.ip_address = text

    def test_a_serial_number_is_one_of_its_manufacturer_for_each_type_of_device(self):
        self.new_device("T-1", manufacturer="Maker", serial_number="S-1")
        self.new_device("T-2", manufacturer="Other", serial_number="S-1")
        self.new_device("T-3", serial_number="S-1")
        # One box that measures several things is several devices.
        self.new_device("T-4", "environmental", manufacturer="Maker", serial_number="S-1")
        with self.assertRaises(psycopg2.IntegrityError), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            self.new_device("T-5", manufacturer="maker", serial_number="s-1")

    def test_a_known_position_can_be_looked_up_on_a_map(self):
        device = self.new_device()
        self.assertFalse(device.map_url)
        device.write({"latitude": 23.8103, "longitude": 90.4125})
        self.assertEqual(
            device.map_url, "https://www.openstreetmap.org/?mlat=23.810300&mlon=90.412500#map=18/23.810300/90.412500"
        )
