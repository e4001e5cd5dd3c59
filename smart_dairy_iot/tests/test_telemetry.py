"""Readings: what the store writes, once, and what the ORM sees of it."""

from datetime import datetime, timedelta

from odoo.exceptions import AccessError
from odoo.tests import TransactionCase, new_test_user, tagged

from ..bridge.devices import DeviceCache
from ..bridge.messages import Accepted, Message, Refused
from ..bridge.store import Store

T = datetime(2026, 3, 1, 6, 30)


@tagged("post_install", "-at_install")
class TestTelemetry(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.farm = cls.env["farm.location"].create({"name": "Hill Farm", "code": "HILL"})
        cls.sensor, cls.collar, cls.meter = cls.env["iot.device"].create(
            [
                {"name": name, "device_id": name, "device_type": kind, "farm_id": cls.farm.id}
                for name, kind in (("TS-900", "temperature"), ("AC-900", "collar"), ("MM-900", "milk_meter"))
            ]
        )
        cls.env.flush_all()
        cls.devices = DeviceCache()
        cls.devices.reload(cls.env.cr)
        cls.store = Store(cls.env["iot.settings"]._telemetry_specs())

    def accepted(self, device, timestamp=T, channel=0, message_type="data", **payload):
        return Accepted(
            Message("topic", b"{}", T + timedelta(seconds=1)),
            self.devices.get(device.device_id),
            message_type,
            timestamp,
            channel,
            payload,
        )

    def write(self, *results):
        return self.store.write_batch(self.env.cr, results)

    def readings(self, model, device):
        self.env.invalidate_all()
        return self.env[model].search([("iot_device_id", "=", device.id)])

    def rollup(self, device, period="hourly"):
        self.env.cr.execute(
            f"SELECT bucket, readings, temperature_count, temperature_sum, temperature_min, temperature_max"
            f" FROM iot_temperature_reading_{period} WHERE iot_device_id = %s ORDER BY bucket",
            [device.id],
        )
        return self.env.cr.fetchall()

    def test_a_reading_is_stored_with_every_value_of_the_payload(self):
        outcomes = self.write(self.accepted(self.sensor, temperature=4.25, humidity=80, location_type="bulk_tank"))
        reading = self.readings("iot.temperature.reading", self.sensor)
        self.assertEqual(outcomes, ["stored"])
        self.assertEqual((reading.temperature, reading.humidity, reading.location_type), (4.25, 80, "bulk_tank"))
        self.assertEqual((reading.timestamp, reading.channel, reading.farm_id), (T, 0, self.farm))
        self.assertFalse(reading.in_maintenance)

    def test_values_are_found_inside_nested_objects(self):
        self.write(self.accepted(self.meter, yield_liters=7.5, quality={"conductivity": 5.1}, equipment="broken"))
        reading = self.readings("milk.production.realtime", self.meter)
        self.assertEqual((reading.yield_liters, reading.conductivity), (7.5, 5.1))

    def test_a_redelivery_is_a_duplicate_and_leaves_one_row(self):
        self.write(self.accepted(self.sensor, temperature=4))
        self.assertEqual(self.write(self.accepted(self.sensor, temperature=4)), ["duplicate"])
        self.assertEqual(len(self.readings("iot.temperature.reading", self.sensor)), 1)

    def test_a_redelivery_within_one_batch_is_a_duplicate_too(self):
        outcomes = self.write(self.accepted(self.sensor, temperature=4), self.accepted(self.sensor, temperature=4))
        self.assertEqual(outcomes, ["stored", "duplicate"])

    def test_readings_of_one_instant_on_several_channels_are_all_stored(self):
        outcomes = self.write(*(self.accepted(self.meter, channel=point, yield_liters=1) for point in (1, 2, 3)))
        self.assertEqual(outcomes, ["stored"] * 3)

    def test_rollups_are_exact_under_duplicates_and_late_readings(self):
        self.write(self.accepted(self.sensor, temperature=4), self.accepted(self.sensor, temperature=4))
        self.write(self.accepted(self.sensor, T + timedelta(minutes=10), temperature=8), self.accepted(self.sensor))
        self.write(self.accepted(self.sensor, T - timedelta(minutes=20), temperature=3))
        self.write(self.accepted(self.sensor, T - timedelta(hours=1), temperature=10))
        hour = T.replace(minute=0)
        self.assertEqual(
            self.rollup(self.sensor), [(hour - timedelta(hours=1), 1, 1, 10, 10, 10), (hour, 3, 3, 15, 3, 8)]
        )
        self.assertEqual(self.rollup(self.sensor, "daily"), [(T.replace(hour=0, minute=0), 4, 4, 25, 3, 10)])

    def test_a_reading_without_the_value_counts_in_the_rollup_without_falsifying_it(self):
        self.write(
            self.accepted(self.sensor, humidity=70), self.accepted(self.sensor, T + timedelta(minutes=1), temperature=5)
        )
        self.assertEqual(self.rollup(self.sensor), [(T.replace(minute=0), 2, 1, 5, 5, 5)])

    def test_the_device_state_counts_and_shows_the_latest(self):
        self.write(self.accepted(self.collar, T, steps=1, battery_level=80))
        self.write(
            self.accepted(self.collar, T - timedelta(hours=1), steps=1),
            Refused(Message("t", b"", T), "schema", "x", self.devices.get("AC-900")),
        )
        self.env.invalidate_all()
        state = self.env["iot.device.state"].browse(self.collar.id)
        self.assertEqual((state.messages_received, state.error_count, state.battery_level), (2, 1, 80))
        self.assertEqual(state.last_message_timestamp, T)

    def test_a_status_message_updates_the_state_and_clears_a_former_error(self):
        self.write(
            self.accepted(self.collar, message_type="status", status="error", error_code="E7", firmware_version="2.1")
        )
        self.write(self.accepted(self.collar, T + timedelta(seconds=9), message_type="status", status="online"))
        self.env.invalidate_all()
        state = self.env["iot.device.state"].browse(self.collar.id)
        self.assertEqual((state.reported_status, state.error_code, state.firmware_version), ("online", False, "2.1"))

    def test_two_alerts_of_one_instant_are_both_acted_on_and_a_repeated_one_is_not(self):
        alerts = [self.accepted(self.collar, message_type="alerts", message=text) for text in ("hot", "wet", "hot")]
        for alert in alerts:
            alert.message.payload = alert.payload["message"].encode()
        self.assertEqual(self.write(*alerts), ["stored", "stored", "duplicate"])
        self.assertEqual(self.write(alerts[1]), ["duplicate"])
        self.env["iot.inbox"].process()
        events = self.env["iot.event"].search([("iot_device_id", "=", self.collar.id)])
        self.assertEqual(sorted(events.mapped("message")), ["hot", "wet"])

    def test_a_device_reported_offline_by_its_last_will_is_offline_until_it_speaks_again(self):
        self.collar._in_action().write({"uses_mqtt": False, "state": "active"})

        def is_online():
            self.env.invalidate_all()
            self.assertEqual(
                bool(self.collar.search([("is_online", "=", True), ("id", "=", self.collar.id)])), self.collar.is_online
            )
            return self.collar.is_online

        self.env.cr.execute("SELECT now() AT TIME ZONE 'UTC'")
        (now,) = self.env.cr.fetchone()
        for seconds, message_type, payload, expected in (
            (0, "data", {"steps": 1}, True),
            (1, "status", {"status": "offline"}, False),
            (2, "data", {"steps": 2}, True),
        ):
            item = self.accepted(self.collar, now + timedelta(seconds=seconds), message_type=message_type, **payload)
            item.message.received_at = now
            self.write(item)
            self.assertIs(is_online(), expected, payload)

    def test_a_new_milk_reading_goes_to_the_inbox_and_a_repeated_one_does_not(self):
        self.write(self.accepted(self.meter, yield_liters=1), self.accepted(self.meter, yield_liters=1))
        self.write(self.accepted(self.meter, yield_liters=1))
        messages = self.env["iot.inbox"].search([("iot_device_id", "=", self.meter.id)])
        self.assertEqual(
            [(message.kind, message.payload) for message in messages], [("milk_meter_data", {"yield_liters": 1})]
        )

    def test_a_dead_letter_keeps_every_byte_and_the_reason(self):
        raw = b'\xff{"a": \x00'
        outcomes = self.write(Refused(Message("dairy/x", raw, T), "invalid_json", "not JSON"))
        letter = self.env["iot.dead.letter"].search([("topic", "=", "dairy/x")])
        self.env.cr.execute("SELECT payload FROM iot_dead_letter WHERE id = %s", [letter.id])
        self.assertEqual(outcomes, ["dead_letter"])
        self.assertEqual(bytes(self.env.cr.fetchone()[0]), raw)
        self.assertEqual((letter.reason, letter.detail, letter.state), ("invalid_json", "not JSON", "new"))
        self.assertIn("ff 7b 22 61", letter.payload_text)

    def test_a_replayed_dead_letter_that_is_accepted_is_settled(self):
        self.write(Refused(Message("dairy/y", b"", T), "unknown_device", "x"))
        letter = self.env["iot.dead.letter"].search([("topic", "=", "dairy/y")])
        letter.action_replay()
        result = self.accepted(self.sensor, temperature=1)
        result.message.dead_letter_id = letter.id
        self.write(result)
        self.env.invalidate_all()
        self.assertEqual(letter.state, "replayed")

    def test_nobody_writes_readings_by_hand(self):
        admin = new_test_user(self.env, "dairy_admin", "smart_dairy_farm.group_farm_admin")
        with self.assertRaises(AccessError):
            self.env["iot.temperature.reading"].with_user(admin).create({"temperature": 4})

    def test_a_new_kind_of_telemetry_has_a_table_for_every_field_it_names(self):
        for spec in self.env["iot.settings"]._telemetry_specs():
            self.env.cr.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_name = %s", [spec.table]
            )
            columns = {name for (name,) in self.env.cr.fetchall()}
            self.assertLessEqual({column.name for column in spec.columns}, columns, spec.table)

    def test_the_tables_are_hypertables_where_timescaledb_is(self):
        self.env.cr.execute("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'")
        if not self.env.cr.fetchone():
            self.skipTest("this PostgreSQL has no TimescaleDB: the tables are ordinary ones")
        self.env.cr.execute("SELECT hypertable_name FROM timescaledb_information.hypertables")
        tables = {name for (name,) in self.env.cr.fetchall()}
        self.assertLessEqual({spec.table for spec in self.env["iot.settings"]._telemetry_specs()}, tables)
