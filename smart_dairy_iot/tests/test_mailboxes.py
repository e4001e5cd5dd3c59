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
        self.put(message="x", severity="low")
        self.inbox.process()
        self.env.cr.execute("UPDATE iot_inbox SET state = 'new'")
        self.inbox.process()
        self.assertEqual(len(self.events()), 1)

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

    def test_what_is_published_is_queued_in_the_users_transaction(self):
        entry = self.env["iot.mqtt.service"].publish("dairy/HILL/collars/AC-901/config", {"interval": 60}, 1, True)
        self.assertEqual((entry.state, entry.payload, entry.retain), ("queued", '{"interval": 60}', True))

    def test_nothing_is_published_to_a_wildcard(self):
        with self.assertRaises(ValidationError):
            self.env["iot.mqtt.service"].publish("dairy/#", {})

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
