"""Meters that use their session ids again."""

import random
from datetime import timedelta
from unittest.mock import patch

from odoo.tests.common import tagged

from .common import OTHER_TAG, START, TAG, MilkCase, migrate

HOUR = 3600


@tagged("post_install", "-at_install")
class TestSessionReuse(MilkCase):
    def yields(self):
        return sorted(self.sessions().mapped("total_yield"))

    def test_an_id_that_comes_again_at_the_next_milking_is_another_session(self):
        morning = self.milking_at(0, 9.0, session_id="1")
        evening = self.milking_at(11 * HOUR, 7.0, session_id="1")
        self.assertEqual((morning.session_key, morning.wire_session_id), ("1", "1"))
        self.assertEqual((evening.session_key, evening.wire_session_id), ("1~20260301T153000", "1"))
        self.assertEqual(self.yields(), [7.0, 9.0])
        self.assertEqual(self.cow.production_count, 2)

    def test_a_counter_that_runs_from_1_to_3_tells_each_milking_apart(self):
        self.env["farm.animal"].create({"name": "18", "farm_id": self.farm.id, "rfid_tag": OTHER_TAG})
        for number in range(9):
            tag = (TAG, OTHER_TAG)[number % 2]
            self.milking_at(number * 400, 1.0 + number, session_id=str(number % 3 + 1), rfid_tag=tag)
        self.assertEqual(self.yields(), [1.0 + number for number in range(9)])

    def test_the_same_id_for_ever_tells_cow_from_cow_without_a_gap(self):
        self.env["farm.animal"].create({"name": "18", "farm_id": self.farm.id, "rfid_tag": OTHER_TAG})
        first = self.milking_at(0, 9.0, session_id="1")
        second = self.milking_at(300, 7.0, session_id="1", rfid_tag=OTHER_TAG)
        third = self.milking_at(600, 5.0, session_id="1")
        self.assertEqual([first.total_yield, second.total_yield, third.total_yield], [9.0, 7.0, 5.0])

    def test_without_a_clock_a_yield_that_runs_back_is_the_next_milking(self):
        for start in (0, 400):
            for seconds, liters in ((10, 1.0), (150, 5.0), (300, 9.0)):
                self.message(start + seconds, liters, session_id="1", duration_seconds=None)
        self.process()
        self.assertEqual(len(self.sessions()), 2)

    def test_without_a_clock_what_is_milked_after_the_end_is_the_next_milking(self):
        for start, most in ((0, 5.0), (400, 9.0)):
            self.message(start + 10, most / 2, session_id="1", duration_seconds=None)
            self.process()
            self.message(start + 300, most, session_id="1", duration_seconds=None, milking=False)
            self.process()
        self.assertEqual(self.yields(), [5.0, 9.0])

    def test_messages_of_two_uses_find_their_milkings_in_any_order(self):
        parts = [
            (start + seconds, (start + 300) / 100 * seconds / 300, seconds)
            for start in (0, 400, 24 * HOUR)
            for seconds in (10, 100, 200, 300)
        ]
        for shuffle in range(5):
            meter = self.make_meter(f"MM-SHUFFLED-{shuffle}")
            order = parts * 2
            random.Random(shuffle).shuffle(order)
            for at, liters, into in order:
                self.message(at, liters, meter, session_id="1", duration_seconds=into, milking=into < 300)
                self.process()
            with self.subTest(shuffle=shuffle):
                self.assertRecordValues(
                    self.sessions(meter).sorted("start_time"),
                    [
                        {
                            "start_time": START + timedelta(seconds=start),
                            "end_time": START + timedelta(seconds=start + 300),
                            "total_yield": (start + 300) / 100,
                            "wire_session_id": "1",
                        }
                        for start in (0, 400)
                    ]
                    + [
                        {
                            "start_time": START + timedelta(days=1),
                            "end_time": START + timedelta(days=1, seconds=300),
                            "total_yield": (24 * HOUR + 300) / 100,
                            "wire_session_id": "1",
                        }
                    ],
                )

    def test_a_message_that_is_a_day_late_goes_to_the_milking_of_its_day(self):
        yesterday = self.milking_at(0, 9.0, session_id="1", end=False)
        self.milking_at(24 * HOUR, 7.0, session_id="1", end=False)
        self.message(310, 9.4, session_id="1", duration_seconds=310, milking=False, rfid_tag=TAG)
        self.process()
        self.assertRecordValues(yesterday, [{"total_yield": 9.4, "state": "completed"}])
        self.assertEqual(yesterday.production_id.quantity, 9.4)

    def test_two_points_with_the_same_id_have_their_own_milkings(self):
        self.milking_at(0, 9.0, session_id="1", channel=1, rfid_tag=None)
        self.milking_at(0, 7.0, session_id="1", channel=2, rfid_tag=None)
        self.assertEqual(self.yields(), [7.0, 9.0])
        self.assertEqual(len(set(self.sessions().mapped("session_key"))), 2)

    def test_the_event_of_the_end_tells_the_uses_of_an_id_apart(self):
        self.milking_at(0, 9.0, session_id="1")
        self.milking_at(11 * HOUR, 7.0, session_id="1")
        told = [entry.payload for entry in self.published()]
        self.assertEqual(sum('"session_id": "1~20260301T153000"' in payload for payload in told), 1)
        self.assertEqual(sum('"session_id": "1"' in payload for payload in told), 1)

    def test_a_single_reading_knows_its_milking_by_time(self):
        morning = self.milking_at(0, 9.0, session_id="1")
        evening = self.milking_at(11 * HOUR, 7.0, session_id="1")
        for seconds in (150, 11 * HOUR + 150, 5 * HOUR):
            self.store_reading(seconds, session_id="1", yield_liters=4.5)
        readings = self.env["milk.production.realtime"].search(
            [("iot_device_id", "=", self.meter.iot_device_id.id)], order="timestamp"
        )
        self.assertEqual([reading.milk_session_id for reading in readings], [morning, morning.browse(), evening])

    def test_readings_that_lie_far_apart_know_their_milkings_without_those_between_being_read(self):
        day = 24 * HOUR
        milkings = [self.milking_at(number * day, 9.0, session_id="1") for number in range(4)]
        for number in (0, 3):
            self.store_reading(number * day + 150, session_id="1", yield_liters=4.5)
        domain = [("iot_device_id", "=", self.meter.iot_device_id.id)]
        readings = self.env["milk.production.realtime"].search(domain, order="timestamp")
        found, search = [], type(milkings[0]).search

        def searched(model, *args, **options):
            sessions = search(model, *args, **options)
            found.append(len(sessions))
            return sessions

        with patch.object(type(milkings[0]), "search", searched):
            self.assertEqual([reading.milk_session_id for reading in readings], [milkings[0], milkings[3]])
        self.assertEqual(found, [2])

    def test_a_reading_without_an_id_knows_its_milking_too(self):
        session = self.milking_at(0, 9.0, session_id=None)
        self.store_reading(150, yield_liters=4.5)
        reading = self.env["milk.production.realtime"].search([("iot_device_id", "=", self.meter.iot_device_id.id)])
        self.assertEqual(reading.milk_session_id, session)

    def test_milkings_from_before_know_the_name_that_their_meter_sent(self):
        named, nameless = self.milking_at(0, session_id="17"), self.milking_at(7200, session_id=None)
        polled = self.env["milk.session"].create(
            {"meter_id": self.meter.id, "source": "modbus", "session_key": "MM-1-1-20260301T043000000Z"}
        )
        self.env.flush_all()
        self.env.cr.execute("UPDATE milk_session SET wire_session_id = NULL")
        migrate(self.env, "1.1.0", "post-milk-session-ids")
        self.assertEqual(
            [session.wire_session_id for session in (named, nameless, polled)],
            ["17", False, "MM-1-1-20260301T043000000Z"],
        )
        self.message(310, 12.2, session_id="17", duration_seconds=310, milking=False, rfid_tag=TAG)
        self.process()
        self.assertAlmostEqual(named.total_yield, 12.2)
