"""Topics and schemas are data: they are complete, they are checked, and they cannot let a device out of its place."""

import json

import psycopg2

from odoo.exceptions import ValidationError
from odoo.tests import TransactionCase, tagged
from odoo.tools import mute_logger

from ..bridge.topics import DEVICE_PUBLISHES, DEVICE_TYPE_PATHS
from ..bridge.validation import PayloadValidator


@tagged("post_install", "-at_install")
class TestTopics(TransactionCase):
    def topic(self, name):
        return self.env.ref(f"smart_dairy_iot.topic_{name}")

    def new_topic(self, pattern, device_type="system", message_type="alerts", **values):
        values = {"name": "New", "code": "new", "device_type": device_type, "message_type": message_type, **values}
        return self.env["iot.topic.hierarchy"].create({**values, "topic_pattern": pattern})

    def test_every_type_has_a_topic_for_each_message_with_its_qos_and_retention(self):
        expected = {
            "data": ("publish", "1", False),
            "status": ("publish", "1", True),
            "alerts": ("publish", "1", False),
            "ack": ("publish", "1", False),
            "commands": ("subscribe", "2", False),
            "config": ("subscribe", "2", True),
        }
        for device_type, segment in DEVICE_TYPE_PATHS.items():
            for message_type, values in expected.items():
                topic = self.topic(f"{device_type}_{message_type}")
                self.assertEqual((topic.direction, topic.qos_level, topic.retain), values, topic.name)
                self.assertEqual(
                    topic.generate_topic(farm_id="farm001", device_id="D-1"),
                    f"dairy/farm001/{segment}/D-1/{'acks' if message_type == 'ack' else message_type}",
                )

    def test_the_platform_has_topics_of_its_own_that_no_device_may_use(self):
        for name, pattern, retain in (
            ("system_health", "dairy/system/health", True),
            ("system_alerts", "dairy/system/alerts", False),
            ("aggregated_hourly", "dairy/{farm_id}/aggregated/hourly", False),
            ("aggregated_daily", "dairy/{farm_id}/aggregated/daily", False),
            ("milk_meter_events", "dairy/{farm_id}/milk_meters/{device_id}/events", False),
        ):
            topic = self.topic(name)
            self.assertEqual((topic.topic_pattern, topic.direction, topic.retain), (pattern, "platform", retain))

    def test_wildcards_and_strange_characters_are_refused(self):
        for pattern in (
            "dairy/+/x",
            "dairy/#",
            "$SYS/x",
            "dairy//x",
            "/dairy",
            "dairy/a b",
            "dairy/{farm}/x",
            "dairy/x{farm_id}",
        ):
            with self.subTest(pattern=pattern), self.assertRaises(ValidationError):
                self.new_topic(pattern)

    def test_a_device_s_topic_names_farm_and_device_or_devices_would_share_it(self):
        self.topic("gate_data").is_active = False
        for pattern in (
            "dairy/gates/{device_id}/data",
            "dairy/{farm_id}/gates/data",
            "dairy/{farm_id}/{farm_id}/{device_id}/x",
        ):
            with self.subTest(pattern=pattern), self.assertRaises(ValidationError):
                self.new_topic(pattern, "gate", "data")

    def test_a_device_has_one_topic_per_type_of_message(self):
        with self.assertRaises(psycopg2.IntegrityError), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            self.new_topic("dairy/{farm_id}/other/{device_id}/data", "gate", "data")


@tagged("post_install", "-at_install")
class TestSchemas(TransactionCase):
    def schema(self, name):
        return self.env.ref(f"smart_dairy_iot.schema_{name}")

    def refusal(self, name, **changes):
        """What the bridge says of the schema's example with these changes; None means that it accepts it."""
        schema = self.schema(name)
        payload = {**json.loads(schema.example_payload), **changes}
        return PayloadValidator({name: schema.json_schema}).error(name, payload)

    def test_everything_a_device_publishes_has_an_active_schema_with_an_example(self):
        for device_type in DEVICE_TYPE_PATHS:
            for message_type in DEVICE_PUBLISHES:
                schema = self.schema(f"{device_type}_{message_type}")
                self.assertTrue(schema.is_active and schema.example_payload, schema.name)
                self.assertIsNone(self.refusal(f"{device_type}_{message_type}"))
                self.assertEqual(schema.topic_hierarchy_id.payload_schema, schema.json_schema)

    def test_every_message_names_its_device_and_its_time(self):
        for device_type in DEVICE_TYPE_PATHS:
            for message_type in DEVICE_PUBLISHES:
                name = f"{device_type}_{message_type}"
                self.assertEqual(
                    set(json.loads(self.schema(name).json_schema)["required"]) & {"device_id", "timestamp"},
                    {"device_id", "timestamp"},
                )
                for change in ({"device_id": "a/b"}, {"device_id": ""}, {"timestamp": "yesterday"}, {"timestamp": 1}):
                    self.assertTrue(self.refusal(name, **change), f"{name} accepts {change}")

    def test_values_outside_the_required_ranges_are_refused(self):
        for name, change in (
            ("milk_meter_data", {"yield_liters": -0.1}),
            ("milk_meter_data", {"yield_liters": 50.1}),
            ("milk_meter_data", {"quality": {"fat_percentage": 10.1}}),
            ("milk_meter_data", {"channel": 32768}),
            ("milk_meter_data", {"session_id": "x" * 65}),
            ("temperature_data", {"temperature": 100.1}),
            ("temperature_data", {"location_type": "attic"}),
            ("temperature_data", {"signal_strength": 1}),
            ("collar_data", {"activity_level": 101}),
            ("feeder_data", {"status": "asleep"}),
            ("gate_data", {"event": "ajar"}),
            ("waterer_data", {"volume_liters": -1}),
            ("environmental_data", {"humidity": 101}),
            ("gate_status", {"status": "fine"}),
            ("gate_alerts", {"severity": "warning"}),
            ("gate_alerts", {"message": ""}),
            ("gate_ack", {"status": "maybe"}),
            ("gate_ack", {"command_id": "17"}),
            ("gate_ack", {"progress": 101}),
        ):
            self.assertTrue(self.refusal(name, **change), f"{name} accepts {change}")

    def test_what_a_device_says_beyond_the_schema_does_no_harm(self):
        self.assertIsNone(self.refusal("temperature_data", vendor_extra={"a": 1}))

    def test_a_milking_without_a_known_animal_is_accepted(self):
        schema = self.schema("milk_meter_data")
        payload = json.loads(schema.example_payload)
        del payload["animal_id"]
        payload["rfid_tag"] = "982 000123456789"
        self.assertIsNone(PayloadValidator({"x": schema.json_schema}).error("x", payload))

    def test_a_schema_that_the_bridge_could_not_use_is_not_saved(self):
        for text in ("{", "[]", '{"type": "objec"}', '{"required": "x"}', '{"properties": {"a": {"pattern": "("}}}'):
            with self.subTest(text=text), self.assertRaises(ValidationError):
                self.schema("gate_data").write({"json_schema": text, "example_payload": False})

    def test_a_schema_cannot_make_the_bridge_fetch_documents(self):
        for reference in ("http://127.0.0.1:1/x.json", "file:///etc/passwd", "other.json"):
            text = json.dumps({"properties": {"a": {"items": [{"$ref": reference}]}}})
            with self.subTest(reference=reference), self.assertRaisesRegex(ValidationError, "itself only"):
                self.schema("gate_data").write({"json_schema": text, "example_payload": False})
        self.schema("gate_data").write(
            {"json_schema": '{"$defs": {"b": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/b"}}}'}
        )

    def test_a_schema_accepts_its_own_example_or_is_not_saved(self):
        with self.assertRaisesRegex(ValidationError, "own example"):
            self.schema("gate_data").example_payload = '{"device_id": "GT001"}'

    def test_a_topic_has_one_active_schema(self):
        old = self.schema("gate_data")
        new = old.copy({"is_active": False, "version": "2.0"})
        with self.assertRaises(psycopg2.IntegrityError), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            new.is_active = True
            new.flush_recordset()
        old.is_active = False
        new.is_active = True
        self.assertEqual(old.topic_hierarchy_id.payload_schema, new.json_schema)
