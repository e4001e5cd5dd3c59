"""Inbox and outbox: what came in is acted on at least once, what goes out is sent only if it was meant."""

from datetime import datetime, timedelta
from unittest.mock import patch

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import TransactionCase, new_test_user, tagged
from odoo.tools import mute_logger

INBOX_LOGGER = "odoo.addons.smart_dairy_iot.models.iot_inbox"
T = datetime(2026, 3, 1, 6, 30)


@tagged("post_install", "-at_install")
class TestMailboxes(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        farm = cls.env["farm.location"].create({"name": "Hill Farm", "code": "HILL"})
        cls.device = cls.env["iot.device"].create(
            {"name": "Collar", "device_id": "AC-901", "device_type": "collar", "farm_id": farm.id}
        )
        cls.inbox = cls.env["iot.inbox"]
        cls.env.cr.execute("DELETE FROM iot_inbox")

    def put(self, kind="device_alert", timestamp=T, **payload):
        self.inbox._put(kind, self.device.id, timestamp, payload)

    def events(self):
        return self.env["iot.event"].search([("iot_device_id", "=", self.device.id)])

    def handler(self, method):
        return patch.object(type(self.env["iot.event"]), "_react_device_alert", method)

    def test_an_alert_that_a_device_published_becomes_an_event(self):
        self.put(alert_type="battery", severity="high", message="Battery low")
        self.assertEqual(self.inbox.process(), 1)
        event = self.events()
        self.assertEqual((event.kind, event.severity, event.message), ("device_alert", "high", "Battery low"))
        self.assertEqual((event.timestamp, event.farm_id), (T, self.device.farm_id))

    def test_a_message_that_comes_twice_is_acted_on_once(self):
        self.put(message="x", severity="low")
        self.put(message="x", severity="low")
        self.inbox.process()
        self.assertEqual(len(self.events()), 1)

    def test_a_message_that_is_handled_twice_makes_one_event(self):
        self.put("device_alert", message="x", severity="low")
        self.put("device_status", status="error")
        self.put("device_silent")
        self.put("device_back", T + timedelta(minutes=1))
        self.inbox.process()
        self.env.cr.execute("UPDATE iot_inbox SET state = 'new'")
        self.inbox.process()
        kinds = ["device_alert", "device_back", "device_error", "device_silent"]
        self.assertEqual(sorted(self.events().mapped("kind")), kinds)

    def test_only_an_error_among_the_statuses_is_an_event(self):
        self.put("device_status", T, status="online")
        self.put("device_status", T + timedelta(seconds=1), status="error", error_code="E7", error_message="stuck")
        self.inbox.process()
        self.assertEqual(self.events().mapped("kind"), ["device_error"])
        self.assertEqual(self.events().message, "E7: stuck")

    def test_messages_of_different_kinds_are_acted_on_in_the_order_of_their_arrival(self):
        for minute, kind in enumerate(("device_silent", "device_back", "device_silent")):
            self.put(kind, T + timedelta(minutes=minute))
        self.inbox.process()
        kinds = self.events().sorted("id").mapped("kind")
        self.assertEqual(kinds, ["device_silent", "device_back", "device_silent"])

    def test_what_devices_of_several_kinds_send_in_turn_is_acted_on_together_kind_by_kind(self):
        batches = []
        other = self.device.copy({"name": "Other collar", "device_id": "AC-902"})
        for minute in range(3):
            for device, kind in ((self.device, "device_alert"), (other, "device_status")):
                self.inbox._put(kind, device.id, T + timedelta(minutes=minute), {})

        def note(_model, messages):
            batches.append([message.kind for message in messages])

        with self.handler(note), patch.object(type(self.env["iot.event"]), "_react_device_status", note):
            self.inbox.process()
        self.assertEqual(batches, [["device_alert"] * 3, ["device_status"] * 3])

    def test_a_message_of_this_very_second_is_acted_on(self):
        self.put(message="x", severity="low")
        # As the bridge does, which knows fractions of a second.
        self.env.cr.execute("UPDATE iot_inbox SET next_try_at = clock_timestamp() AT TIME ZONE 'UTC'")
        self.assertEqual(self.inbox.process(), 1)

    def test_a_kind_that_nobody_handles_is_done_with(self):
        self.put("no_such_kind")
        self.inbox.process()
        self.assertEqual(self.inbox.search([]).mapped("state"), ["done"])

    def test_one_message_that_fails_does_not_hold_up_the_others(self):
        original = type(self.env["iot.event"])._react_device_alert

        def fail_on_bad(model, messages):
            original(model, messages)
            if any(message.payload["message"] == "bad" for message in messages):
                raise ValueError("cannot cope with this")

        for number, text in enumerate(("good", "bad", "better")):
            self.put(timestamp=T + timedelta(seconds=number), message=text, severity="low")
        with self.handler(fail_on_bad), mute_logger(INBOX_LOGGER):
            self.inbox.process()
        self.assertEqual(sorted(self.events().mapped("message")), ["better", "good"])
        failed = self.inbox.search([("state", "=", "new")])
        self.assertEqual((failed.payload["message"], failed.attempts), ("bad", 1))
        self.assertIn("cannot cope with this", failed.error)

    def test_a_message_that_failed_waits_and_is_given_up_after_eight_attempts(self):
        def fail(model, messages):
            raise ValueError("never")

        self.put(message="bad")
        with self.handler(fail), mute_logger(INBOX_LOGGER):
            self.inbox.process()
            self.assertEqual(self.inbox.process(), 0, "it is not tried again at once")
            for _attempt in range(7):
                self.env.cr.execute("UPDATE iot_inbox SET next_try_at = '2026-01-01'")
                self.env.invalidate_all()
                self.inbox.process()
        self.env.invalidate_all()
        message = self.inbox.search([])
        self.assertEqual((message.state, message.attempts), ("failed", 8))

    def test_a_traceback_that_the_database_would_not_take_as_it_is_is_kept_all_the_same(self):
        def fail(model, messages):
            raise ValueError("NUL \0, half a character \ud800, and much else " + "x" * 100_000 + " at last")

        self.put(message="bad")
        with self.handler(fail), mute_logger(INBOX_LOGGER):
            self.inbox.process()
        message = self.inbox.search([])
        self.assertEqual((message.state, message.attempts), ("new", 1))
        self.assertLess(len(message.error), 21_000)
        self.assertTrue(message.problem.endswith(" at last"))

    def test_a_message_that_failed_says_in_plain_words_of_what_device_it_is_and_what_is_to_be_done(self):
        self.put(message="x", severity="low")
        message = self.inbox.search([])
        self.assertEqual((message.device_name, message.problem, message.advice), ("Collar", False, False))
        error = "Traceback (most recent call last):\n  File x\nValueError: cannot cope with this\n"
        self.env.cr.execute("UPDATE iot_inbox SET attempts = 1, error = %s", [error])
        self.env.invalidate_all()
        self.assertEqual(message.problem, "ValueError: cannot cope with this")
        self.assertIn("tries it again by itself", message.advice)
        self.env.cr.execute("UPDATE iot_inbox SET state = 'failed', attempts = 8")
        self.env.invalidate_all()
        self.assertIn("has given up", message.advice)

    def test_what_failed_is_for_administrators_of_the_system_alone(self):
        self.put(message="x", severity="low")
        administrator = new_test_user(self.env, "iot_admin_z", "smart_dairy_farm.group_farm_admin")
        for model in ("iot.inbox", "iot.outbox"):
            with self.assertRaises(AccessError):
                self.env[model].with_user(administrator).search_read([], ["error"])

    def test_a_device_s_silence_that_is_acted_on_late_is_no_event_once_the_device_is_back(self):
        self.put("device_back", T + timedelta(minutes=9))
        self.inbox.process()
        self.put("device_silent", T)
        self.put("device_silent", T + timedelta(minutes=10))
        self.inbox.process()
        self.assertEqual(
            [(event.kind, event.timestamp) for event in self.events().sorted("id")],
            [("device_back", T + timedelta(minutes=9)), ("device_silent", T + timedelta(minutes=10))],
        )

    def test_what_failed_can_be_discarded_and_is_deleted_when_dead_letters_are(self):
        self.put(message="x", severity="low")
        entry = self.env["iot.mqtt.service"].publish("dairy/HILL/collars/AC-901/config", {"interval": 60})
        system = new_test_user(self.env, "iot_system_z", "base.group_system")
        message = self.inbox.search([])
        for record in (message, entry):
            self.env.flush_all()
            self.env.cr.execute(f"UPDATE {record._table} SET state = 'failed', error = 'never'")
            self.env.invalidate_all()
            with self.assertRaises(AccessError):
                record.with_user(self.env.ref("base.public_user")).action_discard()
            record.with_user(system).action_discard()
            self.assertEqual((record.state, record.error), ("discarded", "never"))
            with self.assertRaises(UserError):
                record.with_user(system).action_retry()
        self.assertEqual(self.inbox.process(), 0)
        self.env.cr.execute("UPDATE iot_inbox SET received_at = now() - interval '89 days'")
        self.env.cr.execute("UPDATE iot_outbox SET create_date = now() - interval '89 days'")
        self.inbox._gc_old()
        self.env["iot.outbox"]._gc_old()
        self.assertTrue(message.exists())
        self.assertTrue(entry.exists())
        self.env.cr.execute("UPDATE iot_inbox SET received_at = now() - interval '91 days'")
        self.env.cr.execute("UPDATE iot_outbox SET create_date = now() - interval '91 days'")
        self.inbox._gc_old()
        self.env["iot.outbox"]._gc_old()
        self.env.invalidate_all()
        self.assertFalse(message.exists() or entry.exists())

    def test_what_is_settled_is_deleted_after_a_week(self):
        self.put(message="x", severity="low")
        self.put(message="y", severity="low", timestamp=T + timedelta(seconds=1))
        self.env.cr.execute("UPDATE iot_inbox SET received_at = now() - interval '8 days'")
        self.env.cr.execute("UPDATE iot_inbox SET state = 'done' WHERE timestamp = %s", [T])
        self.inbox._gc_old()
        self.assertEqual(self.inbox.search([]).mapped("state"), ["new"], "what waits is never deleted")

    def test_a_message_that_was_given_up_is_tried_again_by_an_administrator_of_the_system(self):
        self.put(message="x", severity="low")
        self.env.cr.execute("UPDATE iot_inbox SET state = 'failed', attempts = 8, error = 'never'")
        self.env.invalidate_all()
        message = self.inbox.search([])
        with self.assertRaises(AccessError):
            message.with_user(
                new_test_user(self.env, "iot_admin_x", "smart_dairy_farm.group_farm_admin")
            ).action_retry()
        system = message.with_user(new_test_user(self.env, "iot_system_x", "base.group_system"))
        system.action_retry()
        self.assertEqual((message.state, message.attempts), ("new", 0))
        self.inbox.process()
        self.env.invalidate_all()
        self.assertEqual((message.state, message.error), ("done", False))
        self.assertEqual(self.events().mapped("message"), ["x"])
        with self.assertRaises(UserError):
            system.action_retry()

    def test_what_waits_is_found_without_a_look_at_all_that_was_done_before(self):
        """By the plan for a backlog that is gone, of which the statistics still tell."""
        fill = {
            "iot_inbox": "INSERT INTO iot_inbox (kind, iot_device_id, timestamp, channel, digest, state, attempts)"
            " SELECT 'device_alert', 0, timestamp '2026-01-01' + n * interval '1 s', 0, '', %s, 0"
            " FROM generate_series(1, 5000) n",
            "iot_outbox": "INSERT INTO iot_outbox (topic, payload, qos, retain, state)"
            " SELECT 'dairy', '', 1, false, %s FROM generate_series(1, 5000)",
        }
        for (table, statement), (waiting, done) in zip(
            fill.items(), (("new", "done"), ("queued", "sent")), strict=True
        ):
            self.env.cr.execute(statement, [done])
            self.env.cr.execute(statement.replace("2026", "2025"), [waiting])
            self.env.cr.execute(f"ANALYZE {table}")
            self.env.cr.execute(f"UPDATE {table} SET state = %s", [done])
            self.env.cr.execute(
                f"EXPLAIN SELECT id FROM {table} WHERE state = '{waiting}' ORDER BY id LIMIT 500 FOR UPDATE SKIP LOCKED"
            )
            plan = "\n".join(line for (line,) in self.env.cr.fetchall())
            self.assertIn(f"{table}_waiting_index", plan)

    def test_what_is_published_is_queued_in_the_users_transaction(self):
        entry = self.env["iot.mqtt.service"].publish("dairy/HILL/collars/AC-901/config", {"interval": 60}, 1, True)
        self.assertEqual((entry.state, entry.payload, entry.retain), ("queued", '{"interval": 60}', True))

    def test_nothing_is_published_to_a_wildcard_nor_to_what_is_no_topic(self):
        for topic in ("dairy/#", "dairy/a\tb", "", False):
            with self.assertRaises(ValidationError):
                self.env["iot.mqtt.service"].publish(topic, {})

    def test_what_the_broker_would_not_take_is_sent_again_by_an_administrator_of_the_system(self):
        entry = self.env["iot.mqtt.service"].publish("dairy/HILL/collars/AC-901/config", {"interval": 60})
        self.env.flush_all()
        self.env.cr.execute("UPDATE iot_outbox SET state = 'failed', error = 'too large' WHERE id = %s", [entry.id])
        self.env.invalidate_all()
        with self.assertRaises(AccessError):
            entry.with_user(new_test_user(self.env, "iot_admin_y", "smart_dairy_farm.group_farm_admin")).action_retry()
        system = entry.with_user(new_test_user(self.env, "iot_system_y", "base.group_system"))
        system.action_retry()
        self.assertEqual((entry.state, entry.error), ("queued", False))
        with self.assertRaises(UserError):
            system.action_retry()
