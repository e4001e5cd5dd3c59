"""Topics and schemas are data: they are complete, they are checked, and they cannot let a device out of its place."""

import json
import re

import psycopg2
from psycopg2.errors import SerializationFailure

from odoo.exceptions import UserError, ValidationError
from odoo.tests import TransactionCase, new_test_user, tagged
from odoo.tools import mute_logger

from ..bridge.topics import DEVICE_PUBLISHES, DEVICE_TYPE_PATHS
from ..bridge.validation import PayloadValidator
from ..models.iot_topic_schema import DRAFTS
from .common import CommittedCase


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

    def test_what_is_wrong_with_a_pattern_is_said_in_a_sentence(self):
        for pattern, sentence in (
            ("dairy/{herd_id}/x", "There is no placeholder {herd_id}"),
            ("dairy/+/x", "is a wildcard: nothing can be published to it"),
            ("dairy/x/#", "is a wildcard: nothing can be published to it"),
            ("dairy/a b", "cannot be part of the topic pattern"),
            ("dairy/{device_id}/x", "{device_id} has no meaning there"),
            ("farms/{farm_id}/x", "must begin with dairy/"),
            ("{farm_id}/x", "must begin with dairy/"),
        ):
            refused = self.assertRaisesRegex(ValidationError, re.escape(sentence))
            with self.subTest(pattern=pattern), refused, self.env.cr.savepoint():
                self.new_topic(pattern)

    def test_two_patterns_that_could_match_the_same_topic_are_refused(self):
        for pattern, device_type, message_type, other in (
            ("dairy/{farm_id}/aggregated/hourly", "system", "aggregated", "Hourly Aggregates"),
            ("dairy/system/alerts", "system", "alerts", "System Alerts"),
            ("dairy/{farm_id}/health", "system", "events", "System Health"),
            ("dairy/{farm_id}/{farm_id}/{farm_id}/{message_type}", "system", "aggregated", None),
            ("dairy/{farm_id}/gates/{device_id}/status", "gate", "events", "Automated Gate Status"),
            ("dairy/{farm_id}/{device_type}/{device_id}/{message_type}", "milk_meter", "events", "Milk Meter Events"),
        ):
            with self.subTest(pattern=pattern):
                if other is None:
                    self.new_topic(pattern, device_type, message_type).unlink()
                    continue
                with self.assertRaisesRegex(ValidationError, f"“{other}”"), self.env.cr.savepoint():
                    self.new_topic(pattern, device_type, message_type)

    def test_an_inactive_topic_may_overlap_until_it_is_activated(self):
        topic = self.new_topic("dairy/system/alerts", is_active=False)
        with self.assertRaisesRegex(ValidationError, "“System Alerts”"), self.env.cr.savepoint():
            topic.is_active = True
        self.topic("system_alerts").is_active = False
        topic.is_active = True

    def test_a_topic_that_is_moved_onto_another_one_is_refused(self):
        with self.assertRaisesRegex(ValidationError, "at once"):
            self.topic("gate_status").topic_pattern = "dairy/{farm_id}/gates/{device_id}/data"

    def test_a_device_s_topic_names_farm_and_device_or_devices_would_share_it(self):
        self.topic("gate_data").is_active = False
        for pattern in (
            "dairy/gates/{device_id}/data",
            "dairy/{farm_id}/gates/data",
            "dairy/{farm_id}/{farm_id}/{device_id}/x",
        ):
            with self.subTest(pattern=pattern), self.assertRaises(ValidationError):
                self.new_topic(pattern, "gate", "data")

    def test_the_topic_of_the_bridge_s_own_health_stays_where_it_is(self):
        with self.assertRaisesRegex(ValidationError, "dairy/system/health, and nowhere else"):
            self.topic("system_health").topic_pattern = "dairy/system/bridge"

    def test_a_device_has_one_topic_per_type_of_message(self):
        with self.assertRaises(psycopg2.IntegrityError), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            self.new_topic("dairy/{farm_id}/other/{device_id}/data", "gate", "data")


@tagged("post_install", "-at_install")
class TestTopicsAtOnce(CommittedCase):
    def add(self, env, name):
        values = {"name": name, "code": f"at_once_{name}", "device_type": "system", "message_type": "events"}
        return env["iot.topic.hierarchy"].create({**values, "topic_pattern": "dairy/system/at-once"})

    def test_of_two_that_add_topics_which_overlap_in_one_instant_the_second_is_refused(self):
        self.addCleanup(self.remove)
        with self.environment() as env, self.environment() as other_env:
            for each in (env, other_env):
                self.assertTrue(each["iot.topic.hierarchy"].search_count([]))  # from here on it sees no other's work
            self.add(env, "first")
            env.cr.commit()
            with self.assertRaises(SerializationFailure), mute_logger("odoo.sql_db"):
                self.add(other_env, "second")
            # Odoo tries it again, in a transaction that sees the first one's.
            other_env.cr.rollback()
            other_env.invalidate_all()
            with self.assertRaisesRegex(ValidationError, "“first”"):
                self.add(other_env, "second")
            other_env.cr.rollback()

    def remove(self):
        with self.environment() as env:
            env["iot.topic.hierarchy"].search([("code", "=like", "at_once_%")]).unlink()


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

    def test_a_schema_names_a_draft_that_the_validator_knows_or_none(self):
        schema = self.schema("gate_data").copy({"version": "9", "example_payload": False})
        for draft in ("http://127.0.0.1:1/draft", "https://json-schema.org/draft/2099-01/schema", ""):
            text = json.dumps({"$schema": draft, "type": "object"})
            with self.subTest(draft=draft), self.assertRaisesRegex(ValidationError, "no known draft"):
                schema.json_schema = text
        for draft in (*DRAFTS, f"{DRAFTS[2]}#"):
            schema.json_schema = json.dumps({"$schema": draft, "type": "object"})

    def test_a_schema_is_checked_against_its_own_draft(self):
        schema = self.schema("gate_data").copy({"version": "9", "example_payload": False})
        text = {"properties": {"a": {"exclusiveMinimum": True, "minimum": 1}}}
        schema.json_schema = json.dumps({"$schema": "http://json-schema.org/draft-04/schema#", **text})
        with self.assertRaisesRegex(ValidationError, "no valid JSON schema"):
            schema.json_schema = json.dumps({"$schema": DRAFTS[0], **text})

    def test_what_is_wrong_with_a_schema_is_told_with_its_place(self):
        schema = self.schema("gate_data").copy({"version": "9", "example_payload": False})
        complaint = 'no valid JSON schema: properties.weight.type: "objekt" is none of what is allowed here'
        with self.assertRaisesRegex(ValidationError, complaint):
            schema.json_schema = json.dumps({"properties": {"weight": {"type": "objekt"}}})

    def test_activating_a_version_deactivates_the_other_one_and_says_when_and_who(self):
        old = self.schema("gate_data")
        new = old.copy({"version": "2.0"})
        self.assertEqual((old.is_active, new.is_active, new.activated_at), (True, False, False))
        admin = new_test_user(self.env, "schema_admin", "smart_dairy_farm.group_farm_admin")
        new.with_user(admin).action_activate()
        self.assertEqual((old.is_active, new.is_active), (False, True))
        self.assertEqual(old.topic_hierarchy_id.payload_schema, new.json_schema)
        self.assertTrue(old.activated_at and old.deactivated_at and new.activated_at)
        self.assertEqual((new.activated_by_id, new.deactivated_at), (admin, False))
        old.action_activate()
        self.assertEqual((old.is_active, new.is_active, old.deactivated_at), (True, False, False))

    def test_a_topic_s_first_schema_is_active_and_later_ones_wait(self):
        topic = self.env.ref("smart_dairy_iot.topic_system_health")
        values = {"name": "Health", "topic_hierarchy_id": topic.id, "json_schema": "{}"}
        first, second = self.env["iot.topic.schema"].create([values, {**values, "version": "1.1"}])
        self.assertEqual((first.is_active, second.is_active), (True, False))

    def test_the_database_itself_has_one_active_schema_of_a_topic(self):
        new = self.schema("gate_data").copy({"version": "2.0"})
        with self.assertRaises(psycopg2.IntegrityError), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            self.env.cr.execute("UPDATE iot_topic_schema SET is_active = true WHERE id = %s", [new.id])

    def test_what_was_in_force_is_history_and_a_new_version_is_made_of_it(self):
        admin = new_test_user(self.env, "schema_admin", "smart_dairy_farm.group_farm_admin")
        schema = self.schema("gate_data").with_user(admin)
        for values in ({"json_schema": "{}"}, {"version": "3"}):
            with self.subTest(values=values), self.assertRaisesRegex(UserError, "make a new version"):
                schema.write(values)
        new = schema.browse(schema.action_new_version()["res_id"])
        self.assertEqual((new.version, new.is_active, new.json_schema), ("1.1", False, schema.json_schema))
        new.json_schema = json.dumps({**json.loads(new.json_schema), "title": "Mine"})
        new.action_activate()
        with self.assertRaisesRegex(UserError, "make a new version"):
            new.json_schema = "{}"
        self.assertEqual(schema.browse(new.action_new_version()["res_id"]).version, "1.2")

    def test_what_was_in_force_is_not_deleted_and_a_draft_is(self):
        schema = self.schema("gate_data")
        draft = schema.browse(schema.action_new_version()["res_id"])
        draft.unlink()
        new = schema.browse(schema.action_new_version()["res_id"])
        new.action_activate()
        for version in (schema, new):
            with self.subTest(version=version.version), self.assertRaisesRegex(UserError, "it is kept"):
                version.unlink()

    def test_a_schema_from_before_there_were_versions_is_history_after_an_upgrade(self):
        schema = self.schema("gate_data")
        draft = schema.browse(schema.action_new_version()["res_id"])
        self.env.flush_all()
        self.env.cr.execute("UPDATE iot_topic_schema SET activated_at = NULL WHERE id IN %s", [(schema | draft)._ids])
        self.env["iot.topic.schema"].init()
        self.env.invalidate_all()
        self.assertEqual(schema.activated_at, schema.create_date.replace(microsecond=0))
        self.assertFalse(draft.activated_at)

    def test_a_version_is_there_once(self):
        with self.assertRaises(psycopg2.IntegrityError), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            self.schema("gate_data").copy()

    def test_a_payload_is_tried_on_the_form_and_each_thing_that_is_wrong_is_said_with_its_place(self):
        manager = new_test_user(self.env, "schema_manager", "smart_dairy_farm.group_farm_manager")
        schema = self.schema("milk_meter_data").with_user(manager)
        trial = self.env["iot.topic.schema.trial"].with_user(manager)
        trial = trial.with_context(**schema.action_try_payload()["context"]).create({})
        self.assertTrue(trial.accepted)
        payload = json.loads(schema.example_payload)
        payload["quality"]["fat_percentage"] = 12
        del payload["timestamp"]
        trial.payload = json.dumps(payload)
        self.assertFalse(trial.accepted)
        self.assertEqual(
            sorted(trial.complaint.splitlines()),
            ["quality.fat_percentage: 12 is more than 10", "timestamp is missing"],
        )
        trial.payload = "{"
        self.assertIn("This is not JSON", trial.complaint)
