"""Events are recorded once; alerts say who saw to them and when."""

from datetime import datetime

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from .common import IotCase

T = datetime(2026, 3, 1, 6, 30)


@tagged("post_install", "-at_install")
class TestEvents(IotCase):
    def test_an_event_holds_what_happened_where_and_to_whom(self):
        device = self.new_device()
        animal = self.env["farm.animal"].create({"name": "17", "farm_id": self.hill.id})
        event = self.env["iot.event"].record(
            "milk_rejected",
            timestamp=T,
            device=device,
            animal=animal,
            severity="high",
            message="Blood",
            data={"blood_detected": True, "liters": 7.4},
        )
        self.assertEqual(
            (event.kind, event.timestamp, event.severity, event.message), ("milk_rejected", T, "high", "Blood")
        )
        self.assertEqual((event.iot_device_id, event.animal_id, event.farm_id), (device, animal, self.hill))
        event.invalidate_recordset()
        self.assertEqual(event.data, {"blood_detected": True, "liters": 7.4})
        self.assertIn('"liters": 7.4', event.data_text)
        self.assertEqual(event.display_name, "Milk rejected: Device T-1")

    def test_an_event_without_a_device_takes_its_farm_from_the_animal(self):
        animal = self.env["farm.animal"].create({"name": "17", "farm_id": self.valley.id})
        self.assertEqual(self.env["iot.event"].record("tag_unknown", timestamp=T, animal=animal).farm_id, self.valley)
        self.assertFalse(self.env["iot.event"].record("device_back", timestamp=T).farm_id)

    def test_a_handler_that_runs_twice_records_one_event(self):
        record = self.env["iot.event"].record
        first = record("device_silent", timestamp=T, dedup_key="silent:1")
        self.assertEqual(record("device_silent", timestamp=T, dedup_key="silent:1"), first)
        self.assertNotEqual(record("device_silent", timestamp=T, dedup_key="silent:2"), first)
        self.assertNotEqual(record("device_silent", timestamp=T), record("device_silent", timestamp=T))

    def test_a_kind_that_nobody_knows_is_refused(self):
        with self.assertRaises(ValueError):
            self.env["iot.event"].record("started", timestamp=T)

    def test_every_kind_has_a_label_of_its_own(self):
        kinds = dict(self.env["iot.event"]._kinds())
        self.assertEqual(len(kinds), len(self.env["iot.event"]._kinds()))
        self.assertEqual(len(set(kinds.values())), len(kinds))
        described = self.env["iot.event"].fields_get(["kind"])["kind"]
        self.assertEqual((described["type"], dict(described["selection"])), ("selection", kinds))

    def test_an_event_of_a_kind_that_is_gone_still_has_a_name(self):
        event = self.env["iot.event"].record("device_back", timestamp=T)
        self.env.flush_all()
        self.env.cr.execute("UPDATE iot_event SET kind = 'heat' WHERE id = %s", [event.id])
        self.env.invalidate_all()
        self.assertEqual(event.display_name, "heat")

    def test_events_are_grouped_by_what_happened(self):
        record = self.env["iot.event"].record
        events = record("device_silent", timestamp=T) + record("device_silent", timestamp=T)
        groups = self.env["iot.event"]._read_group([("id", "in", events.ids)], ["kind"], ["__count"])
        self.assertEqual(groups, [("device_silent", 2)])

    def test_what_belongs_to_no_farm_and_so_to_everybody_only_the_platform_makes(self):
        manager = self.env(user=self.manager)
        with self.assertRaises(AccessError):
            manager["iot.event"].record("device_back", timestamp=T)
        with self.assertRaises(AccessError):
            manager["iot.alert"].create({"name": "Everybody, look!"})


@tagged("post_install", "-at_install")
class TestAlerts(IotCase):
    def setUp(self):
        super().setUp()
        self.alert = self.env["iot.alert"].create({"name": "Tank warm", "iot_device_id": self.new_device().id})

    def test_an_alert_is_active_and_belongs_to_its_device_s_farm(self):
        self.assertEqual((self.alert.state, self.alert.farm_id), ("active", self.hill))

    def test_it_is_recorded_who_acknowledged_and_who_resolved_it_and_when(self):
        before = fields.Datetime.now()
        self.alert.with_user(self.user).action_acknowledge()
        self.alert.with_user(self.manager).action_resolve()
        self.assertEqual(self.alert.state, "resolved")
        self.assertEqual((self.alert.acknowledged_by_id, self.alert.resolved_by_id), (self.user, self.manager))
        self.assertLessEqual(before, self.alert.acknowledged_at)
        self.assertLessEqual(self.alert.acknowledged_at, self.alert.resolved_at)

    def test_an_alert_resolved_without_having_been_acknowledged_was_seen_by_the_same_person(self):
        self.alert.with_user(self.manager).action_resolve()
        self.assertEqual((self.alert.acknowledged_by_id, self.alert.resolved_by_id), (self.manager, self.manager))

    def test_an_alert_is_acknowledged_and_resolved_once(self):
        self.alert.action_acknowledge()
        with self.assertRaises(UserError):
            self.alert.action_acknowledge()
        self.alert.action_resolve()
        for action in ("action_acknowledge", "action_resolve"):
            with self.subTest(action=action), self.assertRaises(UserError):
                getattr(self.alert, action)()

    def test_an_alert_cannot_be_pushed_over_to_a_closed_farm(self):
        with self.assertRaises(AccessError):
            self.alert.with_user(self.manager).farm_id = self.valley

    def test_an_alert_tells_when_it_happened_not_when_it_was_raised(self):
        event = self.env["iot.event"].record("device_silent", timestamp=T, device=self.alert.iot_device_id)
        late = self.env["iot.alert"].create({"name": "Silent since the morning", "event_id": event.id})
        self.assertEqual(late.occurred_at, T)
        self.assertEqual(self.env["iot.alert"].search([("id", "in", (late + self.alert).ids)]), self.alert + late)

    def test_an_alert_without_an_event_happened_when_it_was_raised(self):
        raised = self.alert.create_date
        self.assertEqual(self.alert.occurred_at, raised.replace(microsecond=0))

    def test_when_it_happened_stays_without_the_event(self):
        event = self.env["iot.event"].record("device_silent", timestamp=T)
        alert = self.env["iot.alert"].create({"name": "Silent", "event_id": event.id})
        self.env.flush_all()
        event.unlink()
        self.env.invalidate_all()
        self.assertEqual(alert.occurred_at, T)

    def test_several_alerts_are_acknowledged_together(self):
        alerts = self.alert + self.alert.copy()
        alerts.action_acknowledge()
        self.assertEqual(set(alerts.mapped("state")), {"acknowledged"})

    def test_the_change_of_state_is_in_the_alert_s_history(self):
        self.env.cr.precommit.run()
        self.alert.with_user(self.user).action_acknowledge()
        self.env.cr.precommit.run()
        values = self.alert.message_ids.sudo().tracking_value_ids
        self.assertEqual(values.mapped("new_value_char"), ["Acknowledged"])
        self.assertEqual(values.mail_message_id.author_id, self.user.partner_id)

    def test_the_device_counts_its_open_alerts(self):
        device = self.alert.iot_device_id
        self.alert.copy()
        self.assertEqual(device.open_alert_count, 2)
        self.alert.action_resolve()
        self.assertEqual(device.open_alert_count, 1)
