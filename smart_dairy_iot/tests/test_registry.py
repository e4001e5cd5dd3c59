"""What the register holds of a device: its farm, its addresses, and what must not be mixed up."""

from odoo.exceptions import AccessError, ValidationError
from odoo.tests import Form, tagged

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
            with self.assertRaisesRegex(ValidationError, "Give Device T-1 a farm first"), self.env.cr.savepoint():
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

    def test_only_administrators_take_a_device_out_of_its_farm(self):
        device = self.new_device()
        with self.assertRaises(AccessError):
            device.with_user(self.manager).farm_id = False
        device.with_user(self.admin).farm_id = False
        self.assertFalse(device.sudo().farm_id)

    def test_the_form_asks_for_a_farm_only_once_the_device_is_past_its_registration(self):
        device = self.new_device(uses_mqtt=False)
        with Form(device.with_user(self.admin)) as form:
            form.farm_id = self.env["farm.location"]
            form.farm_id = self.hill
        device.action_provision()
        with self.assertRaises(AssertionError), Form(device.with_user(self.admin)) as form:
            form.farm_id = self.env["farm.location"]
