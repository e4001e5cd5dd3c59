"""A milking becomes one session, whatever way its messages take."""

import itertools
from datetime import timedelta

from odoo.tests.common import tagged

from .common import OTHER_TAG, START, TAG, MilkCase


@tagged("post_install", "-at_install")
class TestSession(MilkCase):
    def test_the_first_message_opens_a_session(self):
        self.message(4, 0.2, rfid_tag=TAG, flow_rate=3.1, channel=1)
        self.process()
        session = self.sessions()
        self.assertRecordValues(
            session,
            [
                {
                    "state": "in_progress",
                    "source": "mqtt",
                    "start_time": START,
                    "end_time": False,
                    "current_yield": 0.2,
                    "current_flow_rate": 3.1,
                    "animal_id": self.cow.id,
                    "rfid_tag": TAG,
                    "farm_id": self.farm.id,
                    "milking_point": self.meter.milking_point_ids.id,
                }
            ],
        )
        self.assertEqual(self.meter.current_session_id, session)
        self.assertTrue(self.meter.is_milking)
        self.assertEqual(self.meter.milking_point_ids.current_animal_id, self.cow)

    def test_later_messages_keep_it_up_to_date_and_the_last_completes_it(self):
        session = self.milk(
            12.0,
            flow_rate=2.5,
            quality={"conductivity": 5.2, "temperature_celsius": 38.1, "fat_percentage": 4.1},
            equipment={"vacuum_pressure": 42, "pulsation_rate": 60},
        )
        self.assertRecordValues(
            session,
            [
                {
                    "state": "completed",
                    "total_yield": 12.0,
                    "current_yield": 12.0,
                    "start_time": START,
                    "end_time": START + timedelta(seconds=300),
                    "duration_seconds": 300,
                    "avg_flow_rate": 2.4,
                    "peak_flow_rate": 2.5,
                    "conductivity": 5.2,
                    "milk_temperature": 38.1,
                    "fat_percentage": 4.1,
                    "vacuum_level": 42.0,
                    "pulsation_rate": 60,
                }
            ],
        )
        self.assertFalse(self.meter.is_milking)
        self.assertEqual((self.meter.total_sessions, self.meter.total_yield_liters), (1, 12.0))

    def test_messages_in_any_order_make_the_same_session(self):
        parts = [(10, 1.0, True), (100, 5.0, True), (200, 9.0, True), (300, 12.0, False)]
        for number, order in enumerate(itertools.permutations(parts)):
            for seconds, liters, milking in order:
                self.message(
                    seconds,
                    liters,
                    self.meter,
                    session_id=f"s{number}",
                    milking=milking,
                    rfid_tag=TAG,
                    quality={"conductivity": 5 + seconds / 1000},
                    channel=number,
                )
                self.process()
        sessions = self.sessions()
        self.assertEqual(len(sessions), 24)
        self.assertEqual(set(sessions.mapped("total_yield")), {12.0})
        self.assertEqual(set(sessions.mapped("conductivity")), {5.3})
        self.assertEqual(set(sessions.mapped("start_time")), {START})
        self.assertEqual(set(sessions.mapped("end_time")), {START + timedelta(seconds=300)})
        self.assertEqual(sessions.mapped("state"), ["completed"] * 24)

    def test_an_older_message_never_shrinks_the_yield(self):
        self.message(100, 5.0)
        self.process()
        self.message(50, 2.0, flow_rate=9.9)
        self.process()
        self.assertRecordValues(
            self.sessions(), [{"current_yield": 5.0, "last_message_at": START + timedelta(seconds=100)}]
        )

    def test_a_meter_that_clears_its_display_at_the_end_does_not_take_the_yield_with_it(self):
        self.message(299, 12.0)
        self.message(300, 0.0, milking=False)
        self.process()
        self.assertEqual(self.sessions().total_yield, 12.0)

    def test_processing_messages_twice_changes_nothing(self):
        session = self.milk()
        before = session.read()[0]
        self.env.cr.execute(
            "UPDATE iot_inbox SET state = 'new' WHERE iot_device_id = %s", [self.meter.iot_device_id.id]
        )
        self.process()
        after = self.sessions().read()
        self.assertEqual(len(after), 1)
        changed = {name for name in before if before[name] != after[0][name]} - {"write_date", "__last_update"}
        self.assertFalse(changed)
        self.assertEqual(self.env["farm.milk.production"].search_count([("source_reference", "=", session.name)]), 1)
        self.assertEqual(len(self.published()), 1)

    def test_the_meters_of_one_batch_have_their_own_sessions(self):
        other = self.make_meter("MM-2")
        for seconds in (10, 20):
            self.message(seconds, 1.0 + seconds, self.meter, rfid_tag=TAG)
            self.message(seconds, 2.0 + seconds, other, rfid_tag=OTHER_TAG)
        self.process()
        self.assertEqual(self.sessions().current_yield, 21.0)
        self.assertEqual(self.sessions(other).current_yield, 22.0)

    def test_a_session_is_written_once_per_batch(self):
        for seconds in range(60):
            self.message(seconds, seconds / 10, rfid_tag=TAG)
        self.process()
        for seconds in range(60, 120):
            self.message(seconds, seconds / 10, rfid_tag=TAG)
        self.env.flush_all()
        with self.assertQueryCount(40):
            self.env["iot.inbox"].process()
        self.assertEqual(self.sessions().current_yield, 11.9)

    def test_what_a_meter_still_says_of_a_cancelled_session_is_ignored(self):
        self.message(10, 1.0)
        self.process()
        self.sessions().action_cancel()
        self.message(20, 2.0, milking=False)
        self.process()
        self.assertRecordValues(self.sessions(), [{"state": "cancelled", "current_yield": 1.0}])

    def test_a_device_registered_without_a_meters_settings_is_still_milked_with(self):
        device = self.env["iot.device"].create(
            {"name": "Bare", "device_id": "MM-BARE", "device_type": "milk_meter", "farm_id": self.farm.id}
        )
        self.env["iot.inbox"]._put("milk_meter_data", device.id, START, {"yield_liters": 3.0, "session_id": "s1"})
        self.process()
        meter = self.env["iot.milk_meter"].search([("device_id", "=", "MM-BARE")])
        self.assertEqual(self.sessions(meter).current_yield, 3.0)

    def test_messages_of_a_device_that_was_deleted_are_no_error(self):
        self.env["iot.inbox"]._put("milk_meter_data", 2**30, START, {"yield_liters": 3.0})
        self.process()

    def test_the_farm_of_a_milking_stays_when_the_meter_moves(self):
        session = self.milk()
        elsewhere = self.env["farm.location"].create({"name": "Elsewhere", "code": "elsewhere", "tz": "UTC"})
        self.meter.write({"farm_id": elsewhere.id})
        self.env.flush_all()
        self.assertEqual(session.farm_id, self.farm)


@tagged("post_install", "-at_install")
class TestUnnamedSession(MilkCase):
    """Meters that give a milking no name of its own."""

    def test_messages_without_a_session_id_belong_together_while_the_yield_grows(self):
        for seconds in (10, 60, 120):
            self.message(seconds, seconds / 10, session_id=None, rfid_tag=TAG)
            self.process()
        self.assertRecordValues(self.sessions(), [{"current_yield": 12.0}])

    def test_a_yield_that_starts_again_is_the_next_milking(self):
        self.message(10, 1.0, session_id=None, duration_seconds=None)
        self.message(100, 9.0, session_id=None, duration_seconds=None)
        self.message(160, 0.5, session_id=None, duration_seconds=None)
        self.process()
        self.assertEqual(sorted(self.sessions().mapped("current_yield")), [0.5, 9.0])

    def test_another_cow_or_a_long_silence_is_another_milking(self):
        self.message(10, 1.0, session_id=None, rfid_tag=TAG, duration_seconds=None)
        self.message(20, 2.0, session_id=None, rfid_tag=OTHER_TAG, duration_seconds=None)
        self.message(900, 3.0, session_id=None, rfid_tag=OTHER_TAG, duration_seconds=None)
        self.process()
        self.assertEqual(len(self.sessions()), 3)

    def test_a_tag_in_whatever_form_does_not_tear_a_milking_apart(self):
        for seconds, form in ((10, "999123456789012"), (60, "LA 999 123456789012"), (120, TAG)):
            self.message(seconds, seconds / 10, session_id=None, rfid_tag=form)
            self.process()
        self.assertRecordValues(self.sessions(), [{"current_yield": 12.0, "animal_id": self.cow.id}])

    def test_a_reader_that_misses_the_tag_does_not_tear_a_milking_apart(self):
        for seconds, sent in ((10, TAG), (60, "NO READ"), (120, TAG)):
            self.message(seconds, seconds / 10, session_id=None, rfid_tag=sent)
            self.process()
        self.assertRecordValues(self.sessions(), [{"current_yield": 12.0, "rfid_tag": TAG}])

    def test_a_yield_of_more_decimals_than_are_stored_does_not_tear_a_milking_apart(self):
        self.message(60, 4.1236, session_id=None)
        self.process()
        # What the database holds counts, not what is still in the cache.
        self.env.invalidate_all()
        self.message(120, 4.1236, session_id=None, milking=False)
        self.process()
        self.assertRecordValues(self.sessions(), [{"state": "completed", "total_yield": 4.124}])

    def test_a_milking_that_was_ended_without_the_meter_and_goes_on_is_no_second_one(self):
        """A time-out while the messages were held up, or a hand: the yield counts on, and must not count twice."""
        self.message(10, 1.0, session_id=None, rfid_tag=TAG)
        self.process()
        self.sessions().action_complete()
        self.message(60, 6.0, session_id=None, rfid_tag=TAG)
        self.process()
        self.message(120, 12.0, session_id=None, rfid_tag=TAG, milking=False)
        self.process()
        self.assertRecordValues(self.sessions(), [{"state": "completed", "total_yield": 12.0}])
        self.assertEqual(self.sessions().production_id.quantity, 12.0)
        self.assertEqual(self.cow.production_count, 1)

    def test_what_a_meter_still_says_of_a_cancelled_milking_is_ignored_to_its_end(self):
        self.message(10, 1.0, session_id=None)
        self.process()
        self.sessions().action_cancel()
        for seconds in (200, 400, 600):
            self.message(seconds, seconds / 50, session_id=None, milking=seconds < 600)
            self.process()
        self.assertRecordValues(self.sessions(), [{"state": "cancelled", "current_yield": 1.0}])
        self.message(640, 1.5, session_id=None, duration_seconds=20)
        self.process()
        self.assertEqual(self.sessions().mapped("state"), ["in_progress", "cancelled"])

    def test_a_meter_that_reports_each_milking_once_has_one_for_each_report(self):
        for number, liters in enumerate((9.0, 11.0)):
            self.message(200 * number, liters, session_id=None, duration_seconds=None, milking=False)
            self.process()
        self.assertEqual(sorted(self.sessions().mapped("total_yield")), [9.0, 11.0])

    def test_milking_points_are_told_apart(self):
        self.meter.milking_point_count = 2
        self.message(10, 1.0, session_id=None, channel=1)
        self.message(10, 2.0, session_id=None, channel=2)
        self.process()
        self.assertEqual(self.sessions().milking_point, self.meter.milking_point_ids)

    def test_a_repeated_message_opens_no_second_session(self):
        for _repetition in range(2):
            self.message(10, 1.0, session_id=None, rfid_tag=TAG)
            self.message(60, 4.0, session_id=None, rfid_tag=TAG, milking=False)
            self.env.cr.execute("UPDATE iot_inbox SET state = 'new'")
            self.process()
        self.assertEqual(len(self.sessions()), 1)


@tagged("post_install", "-at_install")
class TestAnimal(MilkCase):
    def test_the_tag_names_the_cow_in_whatever_form_it_comes(self):
        for number, form in enumerate([TAG, "999123456789012", "LA 999 123456789012", "3E7.1CBE991A14"]):
            self.message(10 + number, 1.0, session_id=f"form{number}", rfid_tag=form)
        self.process()
        self.assertEqual(len(self.sessions()), 4)
        self.assertEqual(self.sessions().animal_id, self.cow)
        self.assertEqual(set(self.sessions().mapped("rfid_tag")), {TAG})

    def test_the_cow_is_the_one_that_wore_the_tag_then(self):
        self.cow.rfid_ids.write({"date_from": START - timedelta(days=9), "date_to": START + timedelta(days=1)})
        heir = self.env["farm.animal"].create({"name": "18", "farm_id": self.farm.id, "rfid_tag": TAG})
        self.assertEqual(self.env["farm.animal"]._find_by_rfid(TAG), heir)
        self.assertEqual(self.milk().animal_id, self.cow)

    def test_a_milking_of_an_unknown_cow_is_kept(self):
        session = self.milk(rfid_tag=OTHER_TAG)
        self.assertRecordValues(
            session, [{"state": "completed", "animal_id": False, "rfid_tag": OTHER_TAG, "total_yield": 12.0}]
        )
        self.assertFalse(session.production_id)

    def test_a_tag_that_is_none_is_kept_as_it_was_sent(self):
        session = self.milk(rfid_tag="no tag at all")
        self.assertRecordValues(session, [{"animal_id": False, "rfid_tag": "no tag at all"}])

    def test_a_tag_takes_the_place_of_what_was_none(self):
        self.message(10, 1.0, rfid_tag="NO READ")
        self.process()
        self.assertEqual(self.sessions().rfid_tag, "NO READ")
        self.message(20, 2.0, rfid_tag=TAG)
        self.process()
        self.assertRecordValues(self.sessions(), [{"rfid_tag": TAG, "animal_id": self.cow.id}])

    def test_the_first_tag_that_was_read_counts_in_whatever_order_it_comes(self):
        self.message(20, 2.0, rfid_tag=OTHER_TAG)
        self.message(10, 1.0, rfid_tag=TAG)
        self.process()
        self.assertRecordValues(self.sessions(), [{"rfid_tag": TAG, "animal_id": self.cow.id}])

    def test_a_tag_read_late_names_the_cow_of_the_running_milking(self):
        self.message(10, 1.0)
        self.process()
        self.assertFalse(self.sessions().animal_id)
        self.message(20, 2.0, rfid_tag=TAG)
        self.process()
        self.assertEqual(self.sessions().animal_id, self.cow)

    def test_the_number_of_the_cow_will_do_without_a_tag(self):
        self.assertEqual(self.milk(rfid_tag=None, animal_id="17").animal_id, self.cow)

    def test_a_cow_that_was_entered_by_hand_stays(self):
        by_hand = self.env["farm.animal"].create({"name": "99", "farm_id": self.farm.id})
        self.message(10, 1.0)
        self.process()
        self.sessions().animal_id = by_hand
        self.message(20, 2.0, rfid_tag=TAG)
        self.process()
        self.assertEqual(self.sessions().animal_id, by_hand)

    def test_the_number_names_the_cow_of_the_farm_of_the_milking_though_the_meter_has_moved(self):
        self.message(10, 1.0)
        self.process()
        elsewhere = self.env["farm.location"].create({"name": "Elsewhere", "code": "elsewhere", "tz": "UTC"})
        self.env["farm.animal"].create({"name": "17", "farm_id": elsewhere.id})
        self.meter.write({"farm_id": elsewhere.id})
        self.message(20, 2.0, animal_id="17")
        self.process()
        self.assertEqual(self.sessions().animal_id, self.cow)

    def test_a_cow_of_another_company_is_unknown_here(self):
        company = self.env["res.company"].create({"name": "Neighbour"})
        farm = self.env["farm.location"].create(
            {"name": "N", "code": "neighbour", "company_id": company.id, "tz": "UTC"}
        )
        self.env["farm.animal"].create({"name": "1", "farm_id": farm.id, "rfid_tag": OTHER_TAG})
        self.assertFalse(self.milk(rfid_tag=OTHER_TAG).animal_id)
