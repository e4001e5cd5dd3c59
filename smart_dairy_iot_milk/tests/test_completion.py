"""What a milking becomes at its end, however it ends."""

from datetime import datetime, timedelta
from unittest.mock import ANY, patch

from odoo.exceptions import UserError
from odoo.tests.common import new_test_user, tagged

from .common import OTHER_TAG, START, TAG, MilkCase

GOOD = {"fat_percentage": 4.0, "protein_percentage": 3.4, "somatic_cell_count": 90_000}


@tagged("post_install", "-at_install")
class TestCompletion(MilkCase):
    def events(self, session):
        return self.env["iot.event"].search([("dedup_key", "=", f"milk_rejected:{session.name}")])

    def test_a_completed_milking_makes_one_production_record(self):
        session = self.milk(12.5, quality={**GOOD, "lactose_percentage": 4.7})
        self.assertRecordValues(
            session.production_id,
            [
                {
                    "animal_id": self.cow.id,
                    "farm_id": self.farm.id,
                    "date": START.date(),
                    "milking_time": "am",
                    "quantity": 12.5,
                    "fat_percentage": 4.0,
                    "protein_percentage": 3.4,
                    "lactose_percentage": 4.7,
                    "somatic_cell_count": 90_000,
                    "source": "iot_meter",
                    "source_reference": session.name,
                }
            ],
        )

    def test_day_and_half_of_the_day_are_those_of_the_farm(self):
        self.farm.tz = "Pacific/Auckland"
        production = self.milk().production_id
        # 04:30 UTC on 1 March is 17:30 there.
        self.assertEqual((production.date, production.milking_time), (START.date(), "pm"))
        self.farm.tz = "America/Los_Angeles"
        self.env["farm.animal"].create({"name": "18", "farm_id": self.farm.id, "rfid_tag": OTHER_TAG})
        self.message(10, 5.0, session_id="s2", rfid_tag=OTHER_TAG, milking=False, channel=1)
        self.process()
        production = self.sessions().filtered(lambda session: session.session_key == "s2").production_id
        self.assertEqual((production.date, production.milking_time), (datetime(2026, 2, 28).date(), "pm"))

    def test_a_late_message_from_before_noon_moves_the_milking_to_the_morning(self):
        noon = 7 * 3600 - 30 * 60  # 12:00 in Amsterdam
        self.message(noon + 60, 9.0, rfid_tag=TAG, duration_seconds=None, milking=False)
        self.process()
        self.assertEqual(self.sessions().production_id.milking_time, "pm")
        self.message(noon - 120, 1.0, rfid_tag=TAG, duration_seconds=None)
        self.process()
        self.assertRecordValues(self.sessions().production_id, [{"milking_time": "am", "quantity": 9.0}])

    def test_a_milking_that_gave_nothing_makes_no_production_record(self):
        session = self.milk(0.0)
        self.assertEqual(session.state, "completed")
        self.assertFalse(session.production_id)

    def test_its_end_is_published_on_the_meters_events_topic(self):
        session = self.milk(12.0, quality=GOOD)
        self.assertEqual(len(self.published()), 1)
        payload = self.published().payload
        for part in (
            '"event": "session_complete"',
            '"meter_id": "MM-1"',
            '"animal_id": "17"',
            '"yield_liters": 12.0',
            '"quality_grade": "A"',
            f'"session": "{session.name}"',
            '"timestamp": "2026-03-01T04:35:00Z"',
        ):
            self.assertIn(part, payload)

    def test_rejected_milk_is_recorded_as_an_event_once(self):
        session = self.milk(quality={"somatic_cell_count": 500_000})
        self.assertEqual(session.quality_grade, "reject")
        event = self.events(session)
        self.assertRecordValues(
            event,
            [
                {
                    "kind": "milk_rejected",
                    "iot_device_id": self.meter.iot_device_id.id,
                    "animal_id": self.cow.id,
                    "farm_id": self.farm.id,
                    "severity": "high",
                    "timestamp": session.end_time,
                }
            ],
        )
        self.assertEqual(event.message, "Milk graded reject: somatic cells 500,000/mL")

    def test_good_milk_is_no_event(self):
        self.assertFalse(self.events(self.milk(quality=GOOD)))

    def test_rejected_milk_of_a_meter_in_maintenance_is_no_event(self):
        meter = self.make_meter("MM-3", communication_type="modbus_tcp", modbus_port="127.0.0.1:15020")
        meter.action_provision()
        meter.action_set_maintenance()
        session = self.milk(meter=meter, quality={"blood_detected": True})
        self.assertEqual(session.quality_grade, "reject")
        self.assertFalse(self.events(session))

    def test_a_meter_gone_silent_leaves_no_session_open(self):
        self.message(100, 5.0, rfid_tag=TAG)
        self.process()
        session = self.sessions()
        self.env["milk.session"]._close_silent()
        self.assertEqual(session.state, "in_progress")
        session.last_received_at -= timedelta(minutes=5, seconds=1)
        self.env["milk.session"]._close_silent()
        self.assertRecordValues(
            session,
            [{"state": "completed", "total_yield": 5.0, "end_time": START + timedelta(seconds=100)}],
        )
        self.assertEqual(session.production_id.quantity, 5.0)

    def test_silence_is_counted_from_the_arrival_of_a_message_not_from_its_date(self):
        """Readings that were held up for an hour are not silence."""
        self.message(100, 5.0)
        self.process()
        self.env["milk.session"]._close_silent()
        self.assertEqual(self.sessions().state, "in_progress")

    def test_a_session_entered_by_hand_is_not_closed_for_silence(self):
        session = self.env["milk.session"].create({"meter_id": self.meter.id, "start_time": START})
        self.env["milk.session"]._close_silent()
        self.assertEqual(session.state, "in_progress")

    def test_data_that_come_after_the_time_out_correct_session_and_production_and_repeat_nothing(self):
        self.message(100, 5.0, rfid_tag=TAG)
        self.process()
        self.sessions()._complete(START)
        self.message(400, 14.0, rfid_tag=TAG, milking=False, quality={"somatic_cell_count": 500_000})
        self.process()
        session = self.sessions()
        self.assertRecordValues(
            session,
            [{"state": "completed", "total_yield": 14.0, "end_time": START + timedelta(seconds=400)}],
        )
        production = self.env["farm.milk.production"].search([("source_reference", "=", session.name)])
        self.assertRecordValues(production, [{"quantity": 14.0, "somatic_cell_count": 500_000}])
        self.assertEqual(len(self.published()), 1)
        self.assertEqual(len(self.events(session)), 1)

    def test_a_production_record_that_was_deleted_can_be_made_again(self):
        session = self.milk(rfid_tag=OTHER_TAG)
        with self.assertRaisesRegex(UserError, "needs an animal"):
            session.action_create_production_record()
        session.animal_id = self.cow
        with self.assertRaisesRegex(UserError, "already"):
            session.action_create_production_record()
        session.production_id.unlink()
        self.assertEqual(session.action_create_production_record().animal_id, self.cow)

    def test_everything_that_speaks_against_milk_is_said(self):
        session = self.milk(
            quality={
                "blood_detected": True,
                "somatic_cell_count": 1_200_000,
                "fat_percentage": 2.1,
                "protein_percentage": 3.0,
            }
        )
        self.assertEqual(
            self.events(session).message,
            "Milk graded reject: blood; somatic cells 1,200,000/mL; fat 2.10 %, protein 3.00 %",
        )

    def test_nobody_else_makes_a_record_under_the_name_of_a_milking(self):
        session = self.milk()
        user = new_test_user(self.env, "milker", "smart_dairy_farm.group_farm_user")
        productions = self.env["farm.milk.production"].with_user(user)
        values = {"animal_id": self.cow.id, "quantity": 1.0, "source_reference": "MILK/2099/000001"}
        with self.assertRaisesRegex(UserError, "Only a milking makes"):
            productions.create({**values, "source": "iot_meter"})
        by_hand = productions.create(values)
        with self.assertRaisesRegex(UserError, "Only a milking makes"):
            by_hand.source = "iot_meter"
        with self.assertRaisesRegex(UserError, "Only a milking makes"):
            session.production_id.with_user(user).source_reference = "MILK/2099/000002"
        session.production_id.with_user(user).fat_percentage = 4.2

    def test_a_manager_completes_a_milking_and_with_it_makes_its_record(self):
        manager = new_test_user(self.env, "herdsman", "smart_dairy_farm.group_farm_manager")
        session = self.env["milk.session"].with_user(manager)
        session = session.create({"meter_id": self.meter.id, "animal_id": self.cow.id, "total_yield": 7.0})
        session.action_complete()
        self.assertEqual((session.production_id.quantity, session.production_id.source), (7.0, "iot_meter"))

    def test_a_session_that_is_void_takes_its_production_record_along(self):
        manager = new_test_user(self.env, "herdsman", "smart_dairy_farm.group_farm_manager")
        session = self.milk()
        record = session.production_id
        session.with_user(manager).action_cancel()
        self.assertRecordValues(session, [{"state": "cancelled", "production_id": False}])
        self.assertFalse(record.exists())

    def test_a_session_that_is_deleted_takes_its_production_record_along(self):
        session = self.milk()
        record = session.production_id
        session.unlink()
        self.assertFalse(record.exists())

    def test_what_is_left_of_a_milking_whose_first_part_is_deleted_is_recorded(self):
        first, rest = self.milking_at(0, session_id="a"), self.milking_at(400, 3.0, session_id="b")
        self.assertEqual((rest.continues_id, first.production_id.quantity), (first, 15.0))
        record = first.production_id
        first.unlink()
        self.assertFalse(record.exists())
        self.assertEqual(rest.production_id.quantity, 3.0)

    def test_the_record_of_a_milking_whose_rest_is_deleted_is_of_what_is_left(self):
        first, rest = self.milking_at(0, session_id="a"), self.milking_at(400, 3.0, session_id="b")
        rest.unlink()
        self.assertEqual(first.production_id.quantity, 12.0)

    def test_a_milking_is_not_completed_by_hand_before_its_yield_is_entered(self):
        session = self.env["milk.session"].create({"meter_id": self.meter.id, "animal_id": self.cow.id})
        with self.assertRaisesRegex(UserError, "no yield yet"):
            session.action_complete()
        session.total_yield = 7.0
        session.action_complete()
        self.assertEqual(session.production_id.quantity, 7.0)

    def test_who_corrects_a_yield_is_told_under_the_milking(self):
        manager = new_test_user(self.env, "herdsman", "smart_dairy_farm.group_farm_manager")
        session = self.milk(12.0)
        session.with_user(manager).total_yield = 11.0
        self.env.flush_all()
        self.env.cr.flush()
        message = session.message_ids[0]
        self.assertEqual(message.author_id, manager.partner_id)
        values = message.sudo().tracking_value_ids
        self.assertEqual(
            (values.field_id.name, values.old_value_float, values.new_value_float), ("total_yield", 12, 11)
        )

    def test_a_session_can_be_ended_by_hand_once(self):
        session = self.env["milk.session"].create(
            {"meter_id": self.meter.id, "animal_id": self.cow.id, "start_time": START, "total_yield": 7.0}
        )
        session.action_complete()
        self.assertEqual(session.production_id.quantity, 7.0)
        with self.assertRaisesRegex(UserError, "not in progress"):
            session.action_complete()

    def test_open_dashboards_hear_of_what_is_done_by_hand(self):
        for action in ("action_complete", "action_cancel"):
            session = self.env["milk.session"].create(
                {"meter_id": self.meter.id, "start_time": START, "total_yield": 7.0}
            )
            with patch.object(type(self.env["iot.live"]), "_changed", autospec=True) as changed:
                getattr(session, action)()
            changed.assert_called_once_with(ANY, session.farm_id, "milk", {"session_ids": session.ids})


@tagged("post_install", "-at_install")
class TestAbnormal(MilkCase):
    def past(self, days, liters):
        return self.env["milk.session"].create(
            {
                "meter_id": self.meter.id,
                "animal_id": self.cow.id,
                "start_time": START - timedelta(days=days),
                "total_yield": liters,
                "state": "completed",
            }
        )

    def test_a_yield_far_off_the_cows_mean_of_30_days_is_abnormal(self):
        self.past(1, 10.0)
        self.past(2, 10.0)
        self.past(31, 100.0)
        session = self.milk(6.9)
        self.assertTrue(session.is_abnormal)
        self.assertIn("Yield", session.abnormality_reason)

    def test_a_yield_near_the_cows_mean_is_normal(self):
        self.past(1, 10.0)
        self.assertFalse(self.milk(7.1).is_abnormal)

    def test_the_first_milking_of_a_cow_is_normal(self):
        self.assertFalse(self.milk(1.0).is_abnormal)

    def test_a_running_milking_is_not_abnormal_for_its_small_yield(self):
        self.past(1, 10.0)
        self.message(10, 0.5, rfid_tag=TAG)
        self.process()
        running = self.sessions().filtered(lambda session: session.state == "in_progress")
        self.assertEqual(running.animal_id, self.cow)
        self.assertFalse(running.is_abnormal)

    def test_conductivity_is_judged_by_the_cows_own_baseline(self):
        self.cow.conductivity_baseline = 4.0
        session = self.milk(quality={"conductivity": 4.9})
        self.assertTrue(session.is_abnormal)
        self.assertIn("conductivity", session.abnormality_reason)

    def test_without_the_cows_baseline_the_meters_is_taken(self):
        self.meter.conductivity_baseline = 4.0
        self.assertTrue(self.milk(quality={"conductivity": 4.9}).is_abnormal)

    def test_without_a_baseline_5_5_is_taken(self):
        self.assertFalse(self.milk(quality={"conductivity": 6.5}).is_abnormal)
        self.assertTrue(self.milking_at(8 * 3600, session_id="s2", quality={"conductivity": 6.7}).is_abnormal)
