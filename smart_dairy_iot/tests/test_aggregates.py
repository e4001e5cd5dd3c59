"""Hours and days of a farm are published once they are over, once; late readings have them published anew."""

import json
from datetime import datetime, timedelta

from freezegun import freeze_time

from odoo.exceptions import AccessError
from odoo.tests import tagged

from ..bridge.devices import DeviceCache
from ..bridge.messages import Accepted, Message
from ..bridge.store import Store
from ..bridge.validation import PayloadValidator
from .common import IotCase

HOUR = datetime(2026, 3, 1, 6)
OVER = HOUR + timedelta(hours=1, minutes=11)


@tagged("post_install", "-at_install")
class TestAggregates(IotCase):
    def setUp(self):
        super().setUp()
        # Whatever a demonstration or another test's commit left is none of this farm's.
        for table in ("iot_temperature_reading", "iot_activity_reading"):
            for period in ("hourly", "daily"):
                self.env.cr.execute(f"DELETE FROM {table}_{period}")
        self.sensor = self.new_device("TS-800")
        self.collar = self.new_device("AC-800", "collar")
        self.there = self.new_device("TS-801", farm=self.valley, user=self.admin)
        self.store = Store(self.env["iot.settings"]._telemetry_specs())
        self.env["iot.outbox"].search([]).unlink()

    def measure(self, device, at, **values):
        self.env.flush_all()
        devices = DeviceCache()
        devices.refresh(self.env.cr, [device.device_id])
        message = Message("topic", b"{}", at)
        item = Accepted(message, devices.get(device.device_id), "data", at, 0, values)
        self.assertEqual(self.store.write_batch(self.env.cr, [item]), ["stored"])

    def publish(self, at=OVER):
        """What the scheduled action publishes when it runs at a moment: [(topic, payload)]."""
        before = self.env["iot.outbox"].search([])
        with freeze_time(at):
            self.env["iot.aggregate"]._cron_publish()
        entries = (self.env["iot.outbox"].search([], order="id")) - before
        return [(entry.topic, json.loads(entry.payload)) for entry in entries]

    def test_an_hour_is_published_once_it_is_over_and_only_once(self):
        self.measure(self.sensor, HOUR + timedelta(minutes=5), temperature=4, humidity=60)
        self.measure(self.sensor, HOUR + timedelta(minutes=6), temperature=8)
        self.measure(self.collar, HOUR + timedelta(minutes=7), steps=30)
        self.assertEqual(self.publish(HOUR + timedelta(minutes=59)), [])
        self.assertEqual(self.publish(HOUR + timedelta(minutes=69)), [], "late readings have ten minutes")
        ((topic, payload),) = self.publish()
        self.assertEqual(topic, "dairy/HILL/aggregated/hourly")
        self.assertEqual(
            payload,
            {
                "farm_id": "HILL",
                "period": "hourly",
                "start": "2026-03-01T06:00:00Z",
                "end": "2026-03-01T07:00:00Z",
                "revision": 1,
                "published_at": "2026-03-01T07:11:00Z",
                "readings": 3,
                "device_types": {
                    "temperature": {
                        "devices": 1,
                        "readings": 2,
                        "values": {
                            "temperature": {"count": 2, "sum": 12.0, "mean": 6.0, "min": 4.0, "max": 8.0},
                            "humidity": {"count": 1, "sum": 60.0, "mean": 60.0, "min": 60.0, "max": 60.0},
                        },
                    },
                    "collar": {
                        "devices": 1,
                        "readings": 1,
                        "values": {"steps": {"count": 1, "sum": 30.0, "mean": 30.0, "min": 30.0, "max": 30.0}},
                    },
                },
            },
        )
        self.assertEqual(self.publish(OVER + timedelta(minutes=10)), [])

    def test_what_is_published_is_what_its_schemas_say(self):
        self.measure(self.sensor, HOUR, temperature=4)
        self.measure(self.collar, HOUR)
        published = self.publish(HOUR + timedelta(days=1))
        self.assertEqual(
            sorted(topic for topic, _payload in published), [f"dairy/HILL/aggregated/{p}" for p in ("daily", "hourly")]
        )
        for topic, payload in published:
            schema = self.env.ref(f"smart_dairy_iot.schema_aggregated_{topic.split('/')[-1]}")
            self.assertIsNone(PayloadValidator({"x": schema.json_schema}).error("x", payload))

    def test_each_farm_has_its_own(self):
        self.measure(self.sensor, HOUR, temperature=4)
        self.measure(self.there, HOUR, temperature=10)
        published = self.publish()
        self.assertEqual(
            [
                (topic, payload["device_types"]["temperature"]["values"]["temperature"]["sum"])
                for topic, payload in published
            ],
            [("dairy/HILL/aggregated/hourly", 4), ("dairy/VALLEY/aggregated/hourly", 10)],
        )

    def test_late_readings_have_the_period_published_with_the_next_revision(self):
        self.measure(self.sensor, HOUR, temperature=4)
        self.publish()
        self.measure(self.sensor, HOUR + timedelta(minutes=1), temperature=6)
        ((_topic, payload),) = self.publish(OVER + timedelta(hours=3))
        self.assertEqual((payload["start"], payload["revision"], payload["readings"]), ("2026-03-01T06:00:00Z", 2, 2))
        self.assertEqual(
            len(self.env["iot.aggregate"].search([("period", "=", "hourly")])), 1, "one record of a period"
        )

    def test_what_comes_after_the_window_is_not_published(self):
        self.measure(self.sensor, HOUR, temperature=4)
        self.publish()
        self.measure(self.sensor, HOUR + timedelta(minutes=1), temperature=6)
        published = self.publish(OVER + timedelta(days=3))
        self.assertEqual([payload["period"] for _topic, payload in published], ["daily"])

    def test_periods_that_ended_while_nothing_was_published_are_made_up_for(self):
        self.measure(self.sensor, HOUR, temperature=4)
        self.publish()
        for days in (0, 1, 4, 6):
            self.measure(self.sensor, HOUR + timedelta(days=days, hours=1), temperature=5)
        # For 20 days no scheduled action ran, though the bridge did.
        published = [payload for _topic, payload in self.publish(OVER + timedelta(days=20))]
        hours = [payload["start"] for payload in published if payload["period"] == "hourly"]
        self.assertEqual(hours, [f"2026-03-0{1 + days}T07:00:00Z" for days in (0, 1, 4, 6)])
        self.assertEqual({payload["revision"] for payload in published}, {1})
        self.assertEqual(self.publish(OVER + timedelta(days=20, hours=1)), [])

    def test_what_is_forgotten_is_not_published_again(self):
        self.measure(self.sensor, HOUR, temperature=4)
        self.publish(OVER + timedelta(days=1))
        later = OVER + timedelta(days=100)
        with freeze_time(later):
            self.env["iot.aggregate"]._gc_old()
        self.assertFalse(self.env["iot.aggregate"].search([]))
        self.assertEqual(self.publish(later), [])

    def test_nonsense_that_one_farm_measures_does_not_keep_the_others_hours_back(self):
        second = self.new_device("TS-803")
        for sensor in (self.sensor, second):
            self.measure(sensor, HOUR, temperature=3.4e38)
        self.measure(self.there, HOUR, temperature=10)
        published = dict(self.publish())
        there = published["dairy/VALLEY/aggregated/hourly"]["device_types"]["temperature"]["values"]["temperature"]
        self.assertEqual(there["sum"], 10)
        self.assertEqual(published["dairy/HILL/aggregated/hourly"]["readings"], 2)

    def test_what_was_not_measured_adds_nothing_to_a_sum(self):
        self.measure(self.sensor, HOUR, temperature=4, humidity=60)
        self.measure(self.new_device("TS-804"), HOUR, temperature=6)
        moved = self.new_device("TS-805")
        self.measure(moved, HOUR, temperature=8, humidity=70)
        self.measure(moved, HOUR + timedelta(minutes=1), temperature=8)
        moved.with_user(self.admin).farm_id = self.valley
        self.measure(moved, HOUR + timedelta(minutes=2), temperature=9)
        published = dict(self.publish())
        there, here = (
            published[f"dairy/{farm}/aggregated/hourly"]["device_types"]["temperature"]["values"]
            for farm in ("VALLEY", "HILL")
        )
        self.assertEqual(here["humidity"], {"count": 2, "sum": 130.0, "mean": 65.0, "min": 60.0, "max": 70.0})
        self.assertEqual(there.keys(), {"temperature"})

    def test_a_day_is_published_ten_minutes_after_its_end(self):
        self.measure(self.sensor, HOUR, temperature=4)
        midnight = datetime(2026, 3, 2)
        self.publish(midnight)
        self.assertEqual(self.publish(midnight + timedelta(minutes=9)), [])
        ((topic, payload),) = self.publish(midnight + timedelta(minutes=10))
        self.assertEqual(topic, "dairy/HILL/aggregated/daily")
        self.assertEqual((payload["start"], payload["end"]), ("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"))

    def test_a_device_that_moves_leaves_its_past_with_its_former_farm(self):
        self.measure(self.sensor, HOUR, temperature=4)
        self.sensor.with_user(self.admin).farm_id = self.valley
        self.measure(self.sensor, HOUR + timedelta(minutes=1), temperature=6)
        self.measure(self.sensor, HOUR + timedelta(hours=1), temperature=8)
        published = [entry for entry in self.publish(OVER + timedelta(hours=1)) if "aggregated" in entry[0]]
        self.assertEqual(
            [(topic, payload["start"], payload["readings"]) for topic, payload in published],
            [
                ("dairy/HILL/aggregated/hourly", "2026-03-01T06:00:00Z", 1),
                ("dairy/VALLEY/aggregated/hourly", "2026-03-01T06:00:00Z", 1),
                ("dairy/VALLEY/aggregated/hourly", "2026-03-01T07:00:00Z", 1),
            ],
        )

    def test_nothing_is_published_on_a_topic_that_is_switched_off(self):
        self.env.ref("smart_dairy_iot.topic_aggregated_hourly").is_active = False
        self.measure(self.sensor, HOUR, temperature=4)
        self.assertEqual(self.publish(), [])

    def test_the_topic_s_record_says_where_and_how_it_is_published(self):
        self.env.ref("smart_dairy_iot.topic_aggregated_hourly").write(
            {"topic_pattern": "dairy/{farm_id}/sums/hourly", "qos_level": "2", "retain": True}
        )
        self.measure(self.sensor, HOUR, temperature=4)
        ((topic, _payload),) = self.publish()
        entry = self.env["iot.outbox"].search([("topic", "=", topic)])
        self.assertEqual((topic, entry.qos, entry.retain), ("dairy/HILL/sums/hourly", 2, True))

    def test_no_user_publishes_aggregates(self):
        with self.assertRaises(AccessError):
            self.env["iot.aggregate"].with_user(self.admin)._cron_publish()


@tagged("post_install", "-at_install")
class TestCriticalAlerts(IotCase):
    def published(self):
        entries = self.env["iot.outbox"].search([("topic", "=", "dairy/system/alerts")], order="id")
        return [json.loads(entry.payload) for entry in entries]

    def raise_alert(self, severity="critical", **values):
        values = {"name": "The tank is warm", "alert_type": "tank_warm", "farm_id": self.hill.id, **values}
        return self.env["iot.alert"].with_user(self.manager).create({**values, "severity": severity})

    def test_a_critical_alert_is_published_once(self):
        device = self.new_device("TS-1")
        alert = self.raise_alert(iot_device_id=device.id, message="7.9 °C")
        alert.action_acknowledge()
        alert.severity = "high"
        alert.severity = "critical"
        (payload,) = self.published()
        schema = self.env.ref("smart_dairy_iot.schema_system_alerts")
        self.assertIsNone(PayloadValidator({"x": schema.json_schema}).error("x", payload))
        self.assertEqual(payload.pop("timestamp")[-1], "Z")
        self.assertEqual(
            payload,
            {
                "alert_id": alert.id,
                "severity": "critical",
                "alert_type": "tank_warm",
                "name": "The tank is warm",
                "message": "7.9 °C",
                "farm_id": "HILL",
                "device_id": "TS-1",
            },
        )
        self.assertEqual(self.env["iot.outbox"].search([("topic", "=", "dairy/system/alerts")]).qos, 2)

    def test_an_alert_that_becomes_critical_is_published_then(self):
        alert = self.raise_alert("medium")
        self.assertEqual(self.published(), [])
        alert.severity = "critical"
        self.assertEqual([payload["alert_id"] for payload in self.published()], [alert.id])

    def test_a_copy_is_an_alert_of_its_own(self):
        alert = self.raise_alert()
        copy = alert.copy()
        self.assertEqual([payload["alert_id"] for payload in self.published()], [alert.id, copy.id])

    def test_nobody_keeps_an_alert_from_being_published_by_saying_that_it_was(self):
        self.raise_alert(published_at="2026-01-01 00:00:00")
        self.assertEqual(len(self.published()), 1)
        alert = self.raise_alert("medium")
        with self.assertRaises(AccessError):
            alert.published_at = "2026-01-01 00:00:00"

    def test_nothing_is_published_on_a_topic_that_is_switched_off(self):
        self.env.ref("smart_dairy_iot.topic_system_alerts").is_active = False
        self.assertFalse(self.raise_alert().published_at)
        self.assertEqual(self.published(), [])
