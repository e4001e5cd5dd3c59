"""Meters, their points and profiles, as people set them up and as the poller sees them."""

from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from unittest.mock import patch

from psycopg2 import IntegrityError, sql

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests.common import new_test_user, tagged
from odoo.tools import mute_logger

from ..modbus.endpoint import Endpoint
from ..modbus.meters import Point, load_meters
from ..modbus.registry import load_past
from .common import OTHER_TAG, START, TAG, MilkCase


@tagged("post_install", "-at_install")
class TestMilkMeter(MilkCase):
    def modbus_meter(self, device_id="MM-9", **values):
        return self.make_meter(device_id, communication_type="modbus_tcp", modbus_port="127.0.0.1:15020", **values)

    def serial_meter(self, device_id, **values):
        values = {"communication_type": "modbus_rtu", "modbus_port": "/dev/ttyUSB0", **values}
        return self.make_meter(device_id, **values)

    @contextmanager
    def refused(self, message):
        """What is done in the block is refused with this message, and undone, as a user's request is."""
        with self.assertRaisesRegex(ValidationError, message), self.env.cr.savepoint():
            yield

    def polled(self, device_id="MM-9"):
        self.env.flush_all()
        return [meter for meter in load_meters(self.env.cr) if meter.device_id == device_id and not meter.problem]

    def store(self, meter, seconds, **values):
        """Put a reading into the telemetry, as the bridge does."""
        timestamp = START + timedelta(seconds=seconds)
        row = {
            "iot_device_id": meter.iot_device_id.id,
            "farm_id": self.farm.id,
            "timestamp": timestamp,
            "received_at": timestamp,
            "channel": 0,
            "in_maintenance": False,
            **values,
        }
        self.env.cr.execute(
            sql.SQL("INSERT INTO milk_production_realtime ({}) VALUES %s").format(
                sql.SQL(", ").join(map(sql.Identifier, row))
            ),
            [tuple(row.values())],
        )

    def test_a_meter_is_created_with_its_device_and_its_points(self):
        meter = self.make_meter("MM-4", milking_point_count=3)
        self.assertEqual(meter.iot_device_id.device_type, "milk_meter")
        self.assertEqual(meter.milking_point_ids.mapped("point_number"), [1, 2, 3])
        meter.milking_point_count = 5
        self.assertEqual(meter.milking_point_ids.mapped("point_number"), [1, 2, 3, 4, 5])

    def test_points_that_are_given_are_kept(self):
        meter = self.make_meter("MM-4", milking_point_ids=[(0, 0, {"point_number": 7})])
        self.assertEqual(meter.milking_point_ids.mapped("point_number"), [7])

    def test_a_meter_takes_its_device_with_it(self):
        meter = self.make_meter("MM-4")
        device = meter.iot_device_id
        meter.unlink()
        self.assertFalse(device.exists())

    def test_a_modbus_meter_needs_no_user_at_the_broker(self):
        meter = self.modbus_meter()
        self.assertFalse(meter.uses_mqtt)
        self.assertIs(meter.action_provision(), True)
        self.assertEqual(meter.state, "active")
        self.assertFalse(meter.iot_device_id.mqtt_password_hash)

    def test_an_mqtt_meter_has_one(self):
        self.assertTrue(self.meter.uses_mqtt)

    def test_the_makers_profile_is_proposed(self):
        self.assertEqual(
            self.modbus_meter().modbus_profile_id, self.env.ref("smart_dairy_iot_milk.profile_delaval_mm27bc")
        )
        self.assertFalse(self.meter.modbus_profile_id)

    def test_an_address_that_is_none_is_refused(self):
        for communication, port in (
            ("modbus_tcp", "somewhere:else"),
            ("modbus_rtu", "spy:///dev/ttyUSB0?file=/tmp/spy"),
            ("modbus_rtu", "/etc/passwd"),
            ("modbus_rtu", "/dev/../etc/passwd"),
            ("modbus_rtu", "192.168.1.20"),
        ):
            meter = self.make_meter(f"MM-{len(port)}")
            with self.subTest(port=port), self.assertRaises(ValidationError):
                meter.write({"communication_type": communication, "modbus_port": port})

    def test_what_meters_measure_is_no_change_of_what_the_bridge_knows(self):
        notified = []
        settings = self.env.registry["iot.settings"]
        with patch.object(settings, "_notify_registry", lambda _self: notified.append(True)):
            session = self.milk()
            self.assertTrue(session)
            self.assertFalse(notified, "it would read all devices again with every reading")
            self.modbus_meter()
        self.assertTrue(notified)

    def test_a_meter_at_work_says_where_it_is_reached(self):
        meter = self.modbus_meter()
        meter.modbus_port = False
        with self.refused("say where it is reached"):
            meter.action_provision()
        meter.modbus_port = "127.0.0.1:15020"
        meter.action_provision()
        with self.refused("say where it is reached"):
            meter.modbus_port = False
        meter.write({"modbus_port": False, "polling_enabled": False})

    def test_units_0_and_above_247_are_no_meters_on_a_serial_line(self):
        for unit in (0, 248):
            with self.subTest(unit=unit), self.refused("1 to 247"):
                self.serial_meter(f"MM-{unit}", modbus_address=unit)
        self.serial_meter("MM-247", modbus_address=247)
        self.modbus_meter("MM-248", modbus_address=248)

    def test_two_meters_on_one_line_have_one_speed_and_two_units(self):
        self.serial_meter("MM-11", modbus_address=1, modbus_baudrate="19200")
        self.serial_meter("MM-12", modbus_address=2, modbus_baudrate="19200")
        for values, message in (
            ({"modbus_baudrate": "9600", "modbus_address": 3}, "one speed"),
            ({"modbus_baudrate": "19200", "modbus_parity": "E", "modbus_address": 3}, "one parity"),
            ({"modbus_baudrate": "19200", "modbus_address": 2}, "both unit 2"),
        ):
            with self.subTest(**values), self.refused(f"Meter MM-1[12].*{message}"):
                self.serial_meter("MM-13", **values)
        self.serial_meter("MM-14", modbus_baudrate="9600", modbus_port="/dev/ttyUSB1")
        idle = self.serial_meter("MM-15", modbus_baudrate="9600", polling_enabled=False)
        with self.refused("one speed"):
            idle.polling_enabled = True

    def test_a_gateway_that_speaks_tcp_does_not_pass_serial_frames_on(self):
        self.modbus_meter("MM-11")
        with self.refused("one kind of frames"):
            self.serial_meter("MM-12", modbus_port="127.0.0.1:15020", modbus_address=2)

    def test_a_meter_is_polled_at_an_interval_that_makes_sense(self):
        meter = self.modbus_meter()
        self.assertEqual((meter.poll_interval, meter.idle_interval), (1.0, 3.0))
        for values in ({"poll_interval": 0.1}, {"poll_interval": 5.0}, {"idle_interval": 61.0}):
            with (
                self.subTest(**values),
                mute_logger("odoo.sql_db"),
                self.assertRaises(IntegrityError),
                self.env.cr.savepoint(),
            ):
                meter.write(values)
                self.env.flush_all()

    def test_the_poller_sees_a_meter_once_it_is_active_and_polled(self):
        meter = self.modbus_meter(flow_calibration_factor=1.02, modbus_address=3)
        self.assertFalse(self.polled())
        meter.action_provision()
        (seen,) = self.polled()
        self.assertEqual(
            (seen.id, seen.data_topic, seen.endpoint, seen.unit, seen.points, seen.factor),
            (
                meter.id,
                "dairy/milk-test/milk_meters/MM-9/data",
                Endpoint("tcp", "127.0.0.1", 15020),
                3,
                (Point(1),),
                1.02,
            ),
        )
        self.assertEqual((seen.interval, seen.idle_interval, seen.farm_id), (1.0, 3.0, self.farm.id))
        self.assertEqual([(block.address, block.count) for block in seen.profile.blocks], [(10, 7), (0, 9)])
        meter.action_stop_polling()
        self.assertFalse(self.polled())
        meter.action_start_polling()
        self.assertTrue(self.polled())
        meter.action_set_maintenance()
        self.assertTrue(self.polled())
        meter.action_decommission()
        self.assertFalse(self.polled())

    def test_what_a_meter_does_not_have_is_not_taken_from_its_registers(self):
        meter = self.modbus_meter(has_rfid_reader=False, has_conductivity=False)
        meter.action_provision()
        quantities = {line.quantity for line in self.polled()[0].profile.lines}
        self.assertFalse(quantities & {"rfid_tag", "conductivity"})
        self.assertIn("temperature_celsius", quantities)

    def test_a_meter_of_another_maker_is_not_read_with_the_registers_of_the_first(self):
        meter = self.modbus_meter()
        meter.manufacturer = "gea"
        self.assertEqual(meter.modbus_profile_id, self.env.ref("smart_dairy_iot_milk.profile_gea"))
        own = self.env["iot.modbus.profile"].create({"name": "Our own"})
        meter.modbus_profile_id = own
        meter.manufacturer = "boumatic"
        self.assertEqual(meter.modbus_profile_id, own)
        meter.write({"modbus_profile_id": False, "manufacturer": "lely"})
        self.assertFalse(meter.modbus_profile_id)

    def test_a_meter_that_cannot_be_polled_says_why(self):
        self.modbus_meter(manufacturer="lely").action_provision()
        self.env.flush_all()
        (meter,) = [meter for meter in load_meters(self.env.cr) if meter.device_id == "MM-9"]
        self.assertIn("no Modbus profile", meter.problem)
        self.assertFalse(self.polled())

    def test_a_meter_on_a_line_that_is_read_otherwise_is_not_polled_and_says_why(self):
        for number, rate in ((1, "9600"), (2, "19200")):
            port = f"/dev/ttyUSB{number}"
            meter = self.serial_meter(f"MM-1{number}", modbus_address=number, modbus_baudrate=rate, modbus_port=port)
            meter.action_provision()
        self.env.flush_all()
        # As an administrator of another company may have set it, who does not see the first.
        self.env.cr.execute("UPDATE iot_milk_meter SET modbus_port = '/dev/ttyUSB1' WHERE id = %s", [meter.id])
        problems = {meter.device_id: meter.problem for meter in load_meters(self.env.cr)}
        self.assertFalse(problems["MM-11"])
        self.assertIn("with other settings by MM-11", problems["MM-12"])

    def test_every_active_point_is_polled_where_its_registers_lie(self):
        profile = self.env.ref("smart_dairy_iot_milk.profile_delaval_mm27bc")
        meter = self.modbus_meter(milking_point_count=4)
        meter.action_provision()
        self.assertEqual(self.polled()[0].points, (Point(1),))
        self.assertIn("2, 3, 4", self.polled()[0].remark)
        profile.point_stride = 100
        meter.milking_point_ids[1].is_active = False
        meter.milking_point_ids[3].write({"address_offset": 1000, "rfid_reader_id": "R4"})
        self.assertEqual(self.polled()[0].points, (Point(1), Point(3, 200), Point(4, 1000, "R4")))
        self.assertFalse(self.polled()[0].remark)

    def test_a_meter_on_a_serial_line_is_polled_too(self):
        meter = self.serial_meter("MM-9", modbus_parity="E", modbus_address=7)
        self.assertIs(meter.action_provision(), True)
        (seen,) = self.polled()
        self.assertEqual(str(seen.endpoint), "/dev/ttyUSB0 (9600 8E1)")
        self.assertEqual(seen.unit, 7)

    def test_polling_is_not_started_where_it_cannot_work(self):
        for number, (values, message) in enumerate(
            (
                ({"communication_type": "mqtt"}, "no Modbus meter"),
                ({"manufacturer": "lely"}, "no Modbus profile"),
                ({"modbus_port": False}, "no address"),
            ),
            1,
        ):
            meter = self.modbus_meter(f"MM-{number}9", modbus_address=number)
            meter.write({"modbus_profile_id": False, **values})
            if "modbus_port" in values:
                meter.modbus_profile_id = self.env.ref("smart_dairy_iot_milk.profile_delaval_mm27bc")
            with self.subTest(**values), self.assertRaisesRegex(UserError, message):
                meter.action_start_polling()

    def test_a_meter_that_does_not_answer_is_an_error_for_the_user(self):
        meter = self.modbus_meter()
        meter.modbus_port = "127.0.0.1:1"
        with self.assertRaisesRegex(UserError, "no connection"):
            self.env["iot.modbus.service"].read_meter_data(meter.id)

    def test_only_a_manager_reads_a_meter_out(self):
        user = new_test_user(self.env, "milker", "smart_dairy_farm.group_farm_user")
        meter = self.modbus_meter()
        with self.assertRaises(AccessError):
            self.env["iot.modbus.service"].with_user(user).read_meter_data(meter.id)
        with self.assertRaises(AccessError):
            meter.with_user(user).action_stop_polling()

    def test_the_running_milking_is_found_for_a_poller_that_starts(self):
        meter = self.modbus_meter()
        meter.action_provision()
        (seen,) = self.polled()
        for seconds, liters in ((0, 4.5), (1, 5.5)):
            self.store(meter, seconds, channel=1, session_id="running", rfid_tag=TAG, yield_liters=liters, milking=True)
        now = datetime(2026, 3, 1, 4, 34, tzinfo=timezone.utc)
        past = load_past(self.env.cr, seen, seen.points[0], now)
        last = past.last
        self.assertEqual((last.session_id, last.values["yield_liters"], last.values["rfid_tag"]), ("running", 5.5, TAG))
        self.assertIsNone(past.ended)
        past = load_past(self.env.cr, seen, seen.points[0], now + timedelta(minutes=50))
        self.assertIsNone(past.last, "nobody is milked for so long")
        self.assertEqual(past.ended.session_id, "running", "its registers may be shown again")
        self.env.cr.execute("UPDATE milk_production_realtime SET milking = false WHERE yield_liters = 5.5")
        past = load_past(self.env.cr, seen, seen.points[0], now)
        self.assertIsNone(past.last)
        self.assertEqual((past.ended.session_id, past.ended.values["yield_liters"]), ("running", 5.5))

    def test_the_milking_before_the_running_one_is_known_to_a_poller_that_starts(self):
        meter = self.modbus_meter()
        meter.action_provision()
        (seen,) = self.polled()
        for seconds, session, liters, milking, tag in (
            (0, "before", 12.1, False, TAG),
            (60, "running", 1.0, True, OTHER_TAG),
            (61, "running", 1.1, True, None),
        ):
            values = {"session_id": session, "yield_liters": liters, "milking": milking, "rfid_tag": tag}
            self.store(meter, seconds, channel=1, **values)
        past = load_past(self.env.cr, seen, seen.points[0], datetime(2026, 3, 1, 4, 34, tzinfo=timezone.utc))
        self.assertEqual((past.last.session_id, past.last.values["rfid_tag"]), ("running", OTHER_TAG))
        self.assertEqual((past.ended.session_id, past.ended.values["rfid_tag"]), ("before", TAG))

    def test_a_user_sees_the_meters_and_milkings_of_his_farms_only(self):
        session = self.milk()
        user = new_test_user(self.env, "insider", "smart_dairy_farm.group_farm_user")
        outsider = new_test_user(self.env, "outsider", "smart_dairy_farm.group_farm_user")
        self.farm.user_ids = user
        for model in (session, self.meter, self.meter.milking_point_ids):
            domain = [("id", "in", model.ids)]
            self.assertTrue(model.with_user(user).search(domain))
            self.assertFalse(model.with_user(outsider).search(domain))

    def test_a_milking_cannot_be_pushed_over_to_a_closed_farm(self):
        manager = new_test_user(self.env, "insider", "smart_dairy_farm.group_farm_manager")
        session = self.env["milk.session"].with_user(manager).create({"meter_id": self.meter.id})
        closed = self.env["farm.location"].create(
            {"name": "Closed", "code": "closed", "tz": "UTC", "user_ids": [(6, 0, self.env.user.ids)]}
        )
        for values in ({"farm_id": closed.id}, {"meter_id": self.make_meter("MM-4", farm_id=closed.id).id}):
            with self.assertRaises(AccessError):
                session.write(values)

    def test_a_meter_that_waits_for_its_farm_is_seen_by_administrators_alone(self):
        admin = new_test_user(self.env, "milk_admin", "smart_dairy_farm.group_farm_admin")
        manager = new_test_user(self.env, "milk_manager", "smart_dairy_farm.group_farm_manager")
        values = {"name": "Meter", "device_id": "MM-8", "manufacturer": "delaval", "communication_type": "mqtt"}
        meter = self.env["iot.milk_meter"].with_user(admin).create(values)
        self.assertEqual(meter.milking_point_ids.mapped("point_number"), [1])
        with self.assertRaises(AccessError):
            meter.with_user(manager).read(["name"])
        meter.farm_id = self.farm
        self.assertEqual(meter.with_user(manager).data_topic, "dairy/milk-test/milk_meters/MM-8/data")

    def test_the_register_of_devices_has_a_meters_make(self):
        meter = self.make_meter("MM-4", model_number="MM27")
        self.assertEqual((meter.iot_device_id.manufacturer, meter.iot_device_id.model), ("DeLaval", "MM27"))
        meter.manufacturer = "gea"
        self.assertEqual(meter.iot_device_id.manufacturer, "GEA")

    def test_a_meter_is_replaced_in_its_place_and_its_milkings_stay(self):
        meter = self.modbus_meter(model_number="MM27", serial_number="S-1", flow_calibration_factor=1.02)
        meter.action_provision()
        session = self.env["milk.session"].create({"meter_id": meter.id, "start_time": START})
        action = meter.action_replace()
        wizard = self.env[action["res_model"]].with_context(**action["context"])
        wizard.create({"serial_number": "S-2", "manufacturer": "Afimilk", "reason": "Worn out"}).action_replace()
        self.assertEqual(
            (meter.state, meter.serial_number, meter.flow_calibration_factor), ("provisioning", "S-2", 1.0)
        )
        self.assertEqual((meter.manufacturer, meter.modbus_profile_id.manufacturer), ("afimilk", "afimilk"))
        self.assertEqual(meter.session_ids, session)
        former = meter.hardware_ids
        self.assertEqual((former.manufacturer, former.model, former.serial_number), ("DeLaval", "MM27", "S-1"))
        self.assertFalse(self.polled())

    def test_a_single_reading_is_judged_as_its_session_is(self):
        session = self.milk(quality={"somatic_cell_count": 500_000})
        self.store(self.meter, 0, session_id="s1", yield_liters=4.5, somatic_cell_count=500_000)
        reading = self.env["milk.production.realtime"].search([("iot_device_id", "=", self.meter.iot_device_id.id)])
        self.assertEqual((reading.milk_session_id, reading.animal_id), (session, self.cow))
        self.assertEqual((reading.quality_grade, reading.quality_alert), ("reject", True))

    def test_a_reading_can_be_seen_though_its_cow_has_moved_to_a_closed_farm(self):
        self.milk(quality={"conductivity": 9.0})
        self.store(self.meter, 0, session_id="s1", yield_liters=4.5, conductivity=9.0)
        user = new_test_user(self.env, "insider", "smart_dairy_farm.group_farm_user")
        self.cow.farm_id = self.env["farm.location"].create(
            {"name": "Closed", "code": "closed", "tz": "UTC", "user_ids": [(6, 0, self.env.user.ids)]}
        )
        self.env.flush_all()
        self.env.invalidate_all()
        readings = self.env["milk.production.realtime"].with_user(user)
        reading = readings.search([("iot_device_id", "=", self.meter.iot_device_id.id)])
        self.assertTrue(reading.is_abnormal)
