"""How a meter answers is shown on it, and what needs somebody to look after it is an event, once."""

import logging
from datetime import datetime, timedelta, timezone
from unittest.mock import patch

from odoo.exceptions import AccessError
from odoo.tests.common import Form, new_test_user, tagged

from ..modbus.health import MeterState
from ..modbus.registry import write_states
from .common import MilkCase

#: In the past, so that the inbox acts on what is told.
NOW = (datetime.now(timezone.utc) - timedelta(days=1)).replace(microsecond=0)
MINUTE = timedelta(minutes=1)


@tagged("post_install", "-at_install")
class TestMeterState(MilkCase):
    def setUp(self):
        super().setUp()
        self.env["iot.milk_meter"].search([]).polling_enabled = False
        self.polled = self.make_meter("MM-9", communication_type="modbus_tcp", modbus_port="127.0.0.1:15020")
        self.polled.action_provision()
        self.set_poller(True)

    def set_poller(self, lives):
        """Whether a poller is at work, which in a test cannot be."""
        service = self.env.registry["iot.modbus.service"]
        patcher = patch.object(service, "_poller_lives", lambda _self: lives)
        patcher.start()
        self.addCleanup(patcher.stop)

    def tell(self, state="polled", at=NOW, since=None, **values):
        """Have the poller say how the meter is, at that time."""
        self.env.flush_all()
        told = {
            "meter_id": self.polled.id,
            "state": state,
            "since": since or at,
            "last_read_at": at if state in ("polled", "slow") else None,
            "problem": "" if state == "polled" else "no answer from unit 1",
            "failures": 0 if state in ("polled", "slow") else 3,
            "response_ms": 12.0,
            "interval": 1.0,
            "overruns": 0,
            **values,
        }
        write_states(self.env.cr, [MeterState(**told)], [told["meter_id"]], at)
        self.env.invalidate_all()

    def row(self):
        return self.env["iot.milk_meter.state"].browse(self.polled.id)

    def events(self, kind="meter_unreadable"):
        self.process()
        return self.env["iot.event"].search([("kind", "=", kind), ("farm_id", "=", self.farm.id)])

    def test_a_meter_shows_how_it_answers(self):
        self.assertEqual(self.polled.polling_state, "waiting")
        self.tell()
        self.assertEqual((self.polled.polling_state, self.polled.response_ms), ("polled", 12.0))
        self.assertEqual(self.polled.last_read_at, NOW.replace(tzinfo=None))
        self.assertFalse(self.polled.polling_problem)
        self.tell("silent", NOW + MINUTE)
        self.assertEqual((self.polled.polling_state, self.polled.polling_problem), ("silent", "no answer from unit 1"))
        self.assertEqual(self.polled.polling_since, (NOW + MINUTE).replace(tzinfo=None))
        self.assertEqual(self.polled.last_read_at, NOW.replace(tzinfo=None), "when it was read last stays known")

    def test_where_nobody_polls_every_meter_says_so(self):
        self.tell()
        self.set_poller(False)
        self.env.invalidate_all()
        self.assertEqual(self.polled.polling_state, "unpolled")
        self.assertIn("no bridge is running", self.polled.polling_problem)

    def test_a_meter_that_is_not_to_be_polled_has_no_state(self):
        self.tell()
        self.polled.action_stop_polling()
        self.assertFalse(self.polled.polling_state)
        self.assertFalse(self.meter.polling_state)

    def test_meters_are_found_by_how_they_answer(self):
        meters = self.env["iot.milk_meter"]
        self.tell("silent")
        ours = [("farm_id", "=", self.farm.id)]
        for domain, found in (
            ([("polling_state", "=", "silent")], self.polled),
            ([("polling_state", "=", "polled")], meters),
            ([("polling_state", "!=", "silent")], self.meter),
            ([("polling_state", "in", ["silent", "refused"])], self.polled),
            ([("polling_state", "not in", ["polled", "slow", "waiting", False])], self.polled),
            ([("polling_state", "=", False)], self.meter),
            ([("polling_state", "!=", False)], self.polled),
        ):
            with self.subTest(domain=domain):
                self.assertEqual(meters.search(ours + domain), found)

    def test_an_outage_begins_once_whatever_its_reason_and_whoever_is_restarted(self):
        self.tell()
        self.tell("silent", NOW + MINUTE)
        self.tell("unreachable", NOW + 2 * MINUTE, since=NOW + 2 * MINUTE)
        self.assertEqual(self.row().since, (NOW + MINUTE).replace(tzinfo=None))
        self.tell("polled", NOW + 3 * MINUTE)
        self.assertEqual(self.row().since, (NOW + 3 * MINUTE).replace(tzinfo=None))

    def test_what_is_no_longer_polled_is_forgotten(self):
        self.tell()
        write_states(self.env.cr, [], [self.meter.id], NOW)
        self.env.invalidate_all()
        self.assertFalse(self.env["iot.milk_meter.state"].search([("meter_id", "=", self.polled.id)]))

    def test_an_outage_keeps_its_beginning_where_a_poller_is_started_and_hears_of_the_meter_late(self):
        self.tell("silent")
        write_states(self.env.cr, [], [self.polled.id], NOW + MINUTE)
        self.tell("silent", NOW + 2 * MINUTE, since=NOW + 2 * MINUTE)
        self.assertEqual(self.row().since, NOW.replace(tzinfo=None))

    def test_an_outage_of_a_minute_is_an_event_once_and_its_end_another(self):
        self.tell()
        self.tell("silent", NOW + MINUTE)
        self.assertFalse(self.events(), "it may come back")
        for minutes in (3, 4, 5):
            self.tell("silent", NOW + minutes * MINUTE, since=NOW + MINUTE)
        event = self.events()
        self.assertEqual(len(event), 1)
        self.assertEqual((event.severity, event.iot_device_id), ("medium", self.polled.iot_device_id))
        self.assertEqual(event.timestamp, (NOW + MINUTE).replace(tzinfo=None))
        self.assertEqual((event.data["meter"], event.data["state"]), ("MM-9", "silent"))
        self.assertIn("no answer from unit 1", event.message)
        self.tell("polled", NOW + 6 * MINUTE)
        self.tell("polled", NOW + 7 * MINUTE, since=NOW + 6 * MINUTE)
        self.assertEqual(len(self.events("device_back")), 1)
        self.tell("silent", NOW + 8 * MINUTE)
        self.tell("silent", NOW + 10 * MINUTE, since=NOW + 8 * MINUTE)
        self.assertEqual(len(self.events()), 2, "the next outage is another event")

    def test_a_short_outage_is_no_event_and_has_no_end_either(self):
        self.tell()
        self.tell("silent", NOW + MINUTE)
        self.tell("polled", NOW + MINUTE + timedelta(seconds=30))
        self.assertFalse(self.events() | self.events("device_back"))

    def test_a_missing_poller_is_logged_and_recorded_once_per_outage(self):
        service = self.env["iot.modbus.service"]
        logger = "odoo.addons.smart_dairy_iot_milk.models.iot_modbus_supervision"
        self.tell()
        self.assertTrue(service._check_poller())
        self.set_poller(False)
        with self.assertLogs(logger, "WARNING") as log:
            self.assertFalse(service._check_poller())
            self.assertFalse(service._check_poller())
        self.assertEqual(len(log.output), 1)
        event = self.events("modbus_poller_missing")
        self.assertEqual(len(event), 1)
        self.assertEqual((event.severity, event.timestamp), ("high", NOW.replace(tzinfo=None)))
        self.assertIn(self.polled.name, event.message)
        self.set_poller(True)
        # By its number: Odoo gives its name to a level of its own.
        with self.assertLogs(logger, logging.INFO):
            self.assertTrue(service._check_poller())

    def test_a_poller_that_was_there_a_moment_ago_may_come_back(self):
        self.tell(at=datetime.now(timezone.utc))
        self.set_poller(False)
        with self.assertLogs("odoo.addons.smart_dairy_iot_milk.models.iot_modbus_supervision", "WARNING"):
            self.env["iot.modbus.service"]._check_poller()
        self.assertFalse(self.events("modbus_poller_missing"))
        self.polled.polling_enabled = False
        self.env["iot.modbus.service"]._check_poller()

    def test_without_meters_to_poll_no_poller_is_missed(self):
        self.polled.polling_enabled = False
        self.set_poller(False)
        self.assertTrue(self.env["iot.modbus.service"]._check_poller())

    def test_who_sees_a_meter_sees_how_it_answers_and_nobody_writes_it(self):
        self.tell()
        user = new_test_user(self.env, "insider", "smart_dairy_farm.group_farm_user")
        outsider = new_test_user(self.env, "outsider", "smart_dairy_farm.group_farm_user")
        self.farm.user_ids = user
        domain = [("meter_id", "=", self.polled.id)]
        states = self.env["iot.milk_meter.state"]
        self.assertTrue(states.with_user(user).search(domain))
        self.assertFalse(states.with_user(outsider).search(domain))
        self.assertEqual(self.polled.with_user(user).polling_state, "polled")
        with self.assertRaises(AccessError):
            self.row().with_user(user).write({"problem": "none"})

    def test_the_form_opens_for_a_meter_that_cannot_be_read(self):
        self.tell("silent")
        with Form(self.polled) as form:
            self.assertEqual(form.polling_state, "silent")
            form.modbus_address = 7
        self.assertEqual(self.polled.modbus_address, 7)
