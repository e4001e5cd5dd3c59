"""Energy: every kind of device may tell what it used, and each farm's consumption is seen by its own people."""

from datetime import datetime, timedelta

from odoo.exceptions import AccessError
from odoo.tests import tagged

from ..bridge.devices import DeviceCache
from ..bridge.messages import Accepted, Message
from ..bridge.store import Store
from ..bridge.topics import DEVICE_TYPE_PATHS
from .common import IotCase

HOUR = datetime(2026, 3, 1, 6)


@tagged("post_install", "-at_install")
class TestEnergy(IotCase):
    def setUp(self):
        super().setUp()
        self.store = Store(self.env["iot.settings"]._telemetry_specs())
        self.tank = self.new_device("TS-500")
        self.feeder = self.new_device("FD-500", "feeder")
        self.there = self.new_device("TS-501", farm=self.valley, user=self.admin)

    def use(self, device, at, *amounts):
        """Store messages, a minute apart; None is a message that tells nothing of energy."""
        self.env.flush_all()
        devices = DeviceCache()
        devices.refresh(self.env.cr, [device.device_id])
        items = [
            Accepted(
                Message("topic", b"{}", at),
                devices.get(device.device_id),
                "data",
                at + number * timedelta(minutes=1),
                0,
                {} if amount is None else {"energy_wh": amount},
            )
            for number, amount in enumerate(amounts)
        ]
        self.store.write_batch(self.env.cr, items)
        self.env.invalidate_all()

    def consumption(self, groupby, user=None):
        report = self.env["iot.energy.consumption"].with_user(user or self.admin)
        ours = [("iot_device_id", "in", (self.tank | self.feeder | self.there).ids)]
        return [(group, round(used, 6)) for group, used in report._read_group(ours, [groupby], ["energy_kwh:sum"])]

    def test_every_type_of_device_may_tell_what_it_used(self):
        for device_type in DEVICE_TYPE_PATHS:
            device = self.new_device(f"E-{device_type}", device_type)
            self.use(device, HOUR, 250.5)
            action = device.action_view_readings()
            self.assertEqual(self.env[action["res_model"]].search(action["domain"]).energy_wh, 250.5, device_type)
            used = self.env["iot.energy.consumption"].search([("iot_device_id", "=", device.id)])
            self.assertEqual((used.energy_kwh, used.device_type, used.hour), (0.2505, device_type, HOUR))

    def test_every_schema_of_data_takes_the_energy_and_refuses_a_counter_and_less_than_nothing(self):
        for device_type in DEVICE_TYPE_PATHS:
            schema = self.env.ref(f"smart_dairy_iot.schema_{device_type}_data")
            example = schema.example_payload.rstrip()[:-1]
            self.assertEqual(schema._complaint(example + ', "energy_wh": 12.5}'), "", device_type)
            for wrong in ("-1", "1000001", '"12"'):
                self.assertTrue(schema._complaint(f'{example}, "energy_wh": {wrong}}}'), (device_type, wrong))

    def test_it_is_summed_up_by_farm_type_device_and_day(self):
        self.use(self.tank, HOUR, 100, None, 300)
        self.use(self.tank, HOUR + timedelta(days=1), 1000)
        self.use(self.feeder, HOUR, 50)
        self.use(self.there, HOUR, 7)
        self.assertEqual(dict(self.consumption("farm_id")), {self.hill: 1.45, self.valley: 0.007})
        self.assertEqual(dict(self.consumption("device_type")), {"temperature": 1.407, "feeder": 0.05})
        self.assertEqual(
            dict(self.consumption("iot_device_id")), {self.tank: 1.4, self.feeder: 0.05, self.there: 0.007}
        )
        self.assertEqual([used for _day, used in self.consumption("hour:day")], [0.457, 1.0])

    def test_a_redelivery_is_used_once(self):
        for _delivery in range(2):
            self.use(self.tank, HOUR, 100, 200)
        self.assertEqual(self.consumption("farm_id"), [(self.hill, 0.3)])

    def test_a_device_that_tells_nothing_is_not_in_the_report(self):
        self.use(self.tank, HOUR, None, None)
        self.assertEqual(self.consumption("farm_id"), [])

    def test_the_hour_in_which_a_device_moved_is_divided(self):
        self.use(self.tank, HOUR, 100, 200)
        self.tank.with_user(self.admin).farm_id = self.valley
        self.use(self.tank, HOUR + timedelta(minutes=30), 1000)
        self.assertEqual(dict(self.consumption("farm_id")), {self.hill: 0.3, self.valley: 1.0})
        lines = self.env["iot.energy.consumption"].search([("iot_device_id", "=", self.tank.id)])
        self.assertEqual(sorted(lines.mapped("energy_kwh")), [0.3, 1.0], "each is a record of its own")

    def test_each_sees_the_consumption_of_his_farms_alone(self):
        self.use(self.tank, HOUR, 100)
        self.use(self.there, HOUR, 7)
        self.assertEqual(self.consumption("farm_id", self.user), [(self.hill.with_user(self.user), 0.1)])
        company = self.env["res.company"].create({"name": "Other Dairies"})
        self.valley.sudo().company_id = company
        self.assertEqual(dict(self.consumption("farm_id", self.admin)), {self.hill.with_user(self.admin): 0.1})

    def test_a_line_leads_to_its_readings(self):
        self.use(self.tank, HOUR, 100, 200)
        self.use(self.tank, HOUR + timedelta(hours=1), 300)
        used = self.env["iot.energy.consumption"].search([("iot_device_id", "=", self.tank.id), ("hour", "=", HOUR)])
        readings = used.with_user(self.user).action_view_readings()
        found = self.env[readings["res_model"]].with_user(self.user).search(readings["domain"])
        self.assertEqual(sorted(found.mapped("energy_wh")), [100, 200])

    def test_nobody_writes_it(self):
        self.use(self.tank, HOUR, 100)
        used = self.env["iot.energy.consumption"].search([("iot_device_id", "=", self.tank.id)])
        with self.assertRaises(AccessError):
            used.with_user(self.admin).energy_kwh = 0
