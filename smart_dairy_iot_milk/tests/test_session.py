"""A milking becomes one session, whatever way its messages take."""

import itertools
from datetime import timedelta

from odoo.tests.common import Form, tagged

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

    def test_one_that_is_entered_is_new_until_it_is_saved_and_numbered(self):
        form = Form(self.env["milk.session"])
        self.assertEqual(form.name, "New")
        form.meter_id = self.meter
        self.assertRegex(form.save().name, r"^MILK/\d{4}/\d{6}$")

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
        # How often a tag was read is counted; the inbox, which is put back here, takes each message once.
        changed -= {"tag_reads", "tag_reads_text"}
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
        with self.assertQueryCount(10):
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

    def test_a_milking_says_how_its_messages_came_whatever_the_meter_is_set_to(self):
        for number, (transport, source) in enumerate([("mqtt", "mqtt"), ("http", "api"), ("own", "modbus")]):
            meter = self.make_meter(f"MM-BY-{number}", communication_type="api")
            content = {"yield_liters": 3.0, "session_id": "s1"}
            self.env["iot.inbox"]._put("milk_meter_data", meter.iot_device_id.id, START, content, transport=transport)
            self.process()
            self.assertEqual(self.sessions(meter).source, source, transport)

    def test_where_nobody_knows_how_a_message_came_the_meters_setting_is_said(self):
        meter = self.make_meter("MM-BY-LETTER", communication_type="api")
        self.message(10, 1.0, meter)
        self.process()
        self.assertEqual(self.sessions(meter).source, "api")

    def test_messages_of_a_device_that_was_deleted_are_no_error(self):
        self.env["iot.inbox"]._put("milk_meter_data", 2**30, START, {"yield_liters": 3.0})
        self.process()

    def test_the_farm_of_a_milking_stays_when_the_meter_moves(self):
        session = self.milk()
        elsewhere = self.env["farm.location"].create({"name": "Elsewhere", "code": "elsewhere", "tz": "UTC"})
        self.meter.write({"farm_id": elsewhere.id})
        self.env.flush_all()
        self.assertEqual(session.farm_id, self.farm)
