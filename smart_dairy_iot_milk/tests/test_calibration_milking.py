"""A milking keeps the calibration factor with which it began, whatever is calibrated while it runs or later on."""

from datetime import timedelta, timezone
from itertools import permutations

from odoo.tests.common import tagged

from odoo.addons.smart_dairy_iot.bridge.messages import HTTP, MQTT, OWN

from ..modbus.registry import load_past
from .common import START, TAG
from .test_calibration import CalibrationCase


@tagged("post_install", "-at_install")
class TestCalibrationDuringAMilking(CalibrationCase):
    def shown(self, seconds, liters, meter=None, **payload):
        """What a meter without a clock shows `seconds` after the start."""
        payload = {"rfid_tag": TAG, "flow_rate": 3.0, **payload}
        self.message(seconds, liters, meter, duration_seconds=None, **payload)
        self.process()

    def calibrated_at(self, seconds, shown, meter=None):
        return self.calibrate(shown, meter, at=START + timedelta(seconds=seconds))

    def milk_with_a_calibration(self, shown, at=125):
        """A milking of 12 L of which 6 L are told before the meter is calibrated; its session."""
        self.shown(60, 2.0)
        self.shown(120, 6.0)
        self.calibrated_at(at, shown)
        self.shown(126, 6.02)
        self.shown(300, 12.0, milking=False)
        session = self.sessions()
        self.assertEqual(len(session), 1, "it is one milking")
        return session

    def next_milking(self, after=3600, **payload):
        """A milking of 10 L later on; its session."""
        before = self.sessions()
        self.shown(after, 1.0, session_id="next", **payload)
        self.shown(after + 300, 10.0, session_id="next", milking=False, **payload)
        return self.sessions() - before

    def assert_milked(self, session, liters):
        self.assertAlmostEqual(session.total_yield, liters, 3)
        self.assertAlmostEqual(session.production_id.quantity, liters, 3)

    # ------------------------------------------------------------------ while it runs

    def test_a_factor_that_falls_does_not_split_the_running_milking(self):
        session = self.milk_with_a_calibration(1.015)
        self.assert_milked(session, 12.0)
        self.assertAlmostEqual(session.peak_flow_rate, 3.0, 3)

    def test_a_factor_that_rises_does_not_make_the_running_milking_more(self):
        session = self.milk_with_a_calibration(0.985)
        self.assert_milked(session, 12.0)
        self.assertAlmostEqual(session.peak_flow_rate, 3.0, 3)

    def test_the_next_milking_has_the_new_factor(self):
        for shown in (1.015, 0.985):
            meter = self.meter
            self.meter = self.make_meter(f"MM-{round(1000 * shown)}")
            session = self.milk_with_a_calibration(shown)
            calibration = self.meter.calibration_ids
            following = self.next_milking(rfid_tag=None)
            self.assertAlmostEqual(session.total_yield, 12.0, 3)
            self.assertAlmostEqual(following.total_yield, 10.0 * calibration.factor_after, 3)
            self.assertAlmostEqual(following.flow_calibration_factor, calibration.factor_after, 5)
            self.meter = meter

    def test_a_milking_that_began_with_a_factor_goes_on_with_that(self):
        first = self.calibrate(1.01)
        session = self.milk_with_a_calibration(0.985)
        self.assert_milked(session, 12.0 * first.factor_after)

    def test_a_calibration_dated_before_the_running_milking_counts_from_the_next_one_on(self):
        session = self.milk_with_a_calibration(1.015, at=-24 * 3600)
        self.assert_milked(session, 12.0)
        self.assertAlmostEqual(self.next_milking().total_yield, 10.0 / 1.015, 3)

    def test_a_calibration_that_is_cancelled_does_not_split_the_running_milking(self):
        calibration = self.calibrate(0.985)
        self.shown(60, 2.0)
        self.shown(120, 6.0)
        calibration.action_cancel()
        self.shown(126, 6.02)
        self.shown(300, 12.0, milking=False)
        self.assertEqual(len(self.sessions()), 1)
        self.assert_milked(self.sessions(), 12.0 * calibration.factor_after)
        self.assert_milked(self.next_milking(), 10.0)

    def test_a_factor_that_is_typed_does_not_split_the_running_milking(self):
        self.shown(60, 2.0)
        self.shown(120, 6.0)
        self.meter.flow_calibration_factor = 0.95
        self.shown(126, 6.02)
        self.shown(300, 12.0, milking=False)
        self.assertEqual(len(self.sessions()), 1)
        self.assert_milked(self.sessions(), 12.0)

    def test_a_message_told_again_after_a_calibration_is_the_running_milking_s(self):
        self.shown(120, 6.0)
        self.calibrated_at(125, 1.015)
        self.shown(127, 6.0)
        self.shown(120, 6.0, flow_rate=2.9)
        self.assertRecordValues(self.sessions(), [{"current_yield": 6.0, "state": "in_progress"}])

    def test_a_meter_that_names_the_milking_anew_and_counts_on_does_not_split_it(self):
        self.shown(60, 2.0)
        self.shown(120, 6.0)
        self.calibrated_at(125, 1.015)
        self.shown(180, 6.02, session_id="after the restart")
        self.shown(300, 12.0, session_id="after the restart", milking=False)
        self.assertEqual(len(self.sessions()), 1)
        self.assert_milked(self.sessions(), 12.0)

    def test_a_meter_that_begins_anew_from_nothing_begins_with_the_new_factor(self):
        """Its rest is a milking of its own, of the same cow: each is counted once, by the factor it began with."""
        self.shown(60, 2.0)
        self.shown(120, 6.0)
        calibration = self.calibrated_at(125, 1.015)
        self.shown(180, 0.3, session_id="after the restart")
        self.shown(300, 5.0, session_id="after the restart", milking=False)
        rest, first = self.sessions()
        self.assertEqual(rest.continues_id, first)
        self.assertAlmostEqual(rest.total_yield, 5.0 * calibration.factor_after, 3)
        self.assertAlmostEqual(first.production_id.quantity, 6.0 + 5.0 * calibration.factor_after, 3)

    # ------------------------------------------------------------------ out of order, and late

    def test_the_order_of_its_messages_does_not_matter_around_a_calibration(self):
        """Which factor it began with is known once its first message has come."""
        messages = [(100, 4.0, {}), (200, 8.0, {}), (300, 12.0, {"milking": False})]
        for number, order in enumerate(permutations(messages)):
            meter = self.make_meter(f"MM-2{number}")
            self.calibrated_at(150, 1.015, meter)
            for seconds, liters, payload in order:
                quarters = {"quarters": {"lf": {"yield_liters": liters / 4}}}
                self.shown(seconds, liters, meter, rfid_tag=None, quality=quarters, **payload)
            with self.subTest(order=[seconds for seconds, *_rest in order]):
                self.assertRecordValues(
                    self.sessions(meter),
                    [
                        {
                            "start_time": START + timedelta(seconds=100),
                            "total_yield": 12.0,
                            "current_yield": 12.0,
                            "yield_lf": 3.0,
                            "peak_flow_rate": 3.0,
                            "current_flow_rate": 3.0,
                            "flow_calibration_factor": 1.0,
                        }
                    ],
                )

    def test_what_a_person_typed_stays_though_the_milking_turns_out_to_have_begun_earlier(self):
        calibration = self.calibrated_at(150, 1.015)
        self.shown(200, 8.0)
        self.shown(300, 12.0, milking=False)
        session = self.sessions()
        self.assert_milked(session, 12.0 * calibration.factor_after)
        session.total_yield = 11.0
        self.shown(100, 4.0)
        self.assertAlmostEqual(session.current_yield, 12.0, 3)
        self.assert_milked(session, 11.0)

    def test_late_data_of_a_milking_keep_its_factor_where_a_calibration_was_entered_for_an_earlier_day(self):
        for seconds in range(0, 310, 10):
            self.store_reading(seconds, flow_rate_lpm=2.0, milking=True)
        self.shown(60, 2.0)
        self.shown(300, 12.0, milking=False)
        session = self.sessions()
        curve = session.flow_curve
        self.assertIn(2.0, curve["flow_lpm"])
        self.calibrate(0.985)
        self.shown(300, 12.0, flow_rate=3.1, milking=False)
        self.shown(150, 6.0, flow_rate=3.2)
        self.assertEqual(self.sessions(), session)
        self.assert_milked(session, 12.0)
        self.assertAlmostEqual(session.peak_flow_rate, 3.2, 3)
        self.assertEqual(session.flow_curve, curve)

    def test_a_milking_from_before_the_factor_was_kept_has_that_of_its_beginning(self):
        first = self.calibrate(1.01)
        self.shown(60, 2.0)
        self.shown(120, 6.0)
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE milk_session SET flow_calibration_factor = NULL WHERE meter_id = %s", [self.meter.id]
        )
        self.env.invalidate_all()
        self.calibrated_at(125, 1.015)
        self.shown(300, 12.0, milking=False)
        self.assert_milked(self.sessions(), 12.0 * first.factor_after)
        self.assertAlmostEqual(self.sessions().flow_calibration_factor, first.factor_after, 5)


@tagged("post_install", "-at_install")
class TestCalibrationOfAPolledMeter(CalibrationCase):
    def setUp(self):
        super().setUp()
        self.polled = self.make_meter("MM-3", communication_type="modbus_tcp", modbus_port="127.0.0.1:15020")

    def past(self, seconds):
        """What a poller that starts `seconds` after the start finds, by the factor that is in force then."""
        self.env.flush_all()

        class Meter:
            id = self.polled.id
            iot_device_id = self.polled.iot_device_id.id
            factor = self.polled.flow_calibration_factor

        class Point:
            channel = 0

        now = START.replace(tzinfo=timezone.utc) + timedelta(seconds=seconds)
        return load_past(self.env.cr, Meter, Point, now)

    def read(self, seconds, liters, **payload):
        """The poller's message, its volumes multiplied already."""
        milking = payload.get("milking", True)
        self.message(seconds, liters, self.polled, duration_seconds=None, **payload)
        self.store_reading(seconds, self.polled, session_id="s1", yield_liters=liters, milking=milking)
        self.process()

    def test_a_session_notes_the_factor_it_was_read_with_and_multiplies_nothing(self):
        first = self.calibrate(0.985, self.polled)
        self.read(60, 4.0)
        self.calibrate(0.99, self.polled, at=START + timedelta(seconds=70))
        self.read(300, 12.0, milking=False)
        session = self.sessions(self.polled)
        self.assertRecordValues(session, [{"total_yield": 12.0, "source": "modbus"}])
        self.assertAlmostEqual(session.flow_calibration_factor, first.factor_after, 5)

    def test_a_poller_that_starts_during_a_milking_takes_up_its_factor(self):
        first = self.calibrate(0.985, self.polled)
        self.read(60, 5.0)
        second = self.calibrate(0.99, self.polled, at=START + timedelta(seconds=70))
        last = self.past(90).last
        self.assertAlmostEqual(last.factor, first.factor_after, 5)
        self.assertAlmostEqual(last.values["yield_liters"], 5.0 / first.factor_after, 4, "as the meter shows it")
        self.assertNotAlmostEqual(last.factor, second.factor_after, 3)

    def test_the_registers_of_a_former_milking_are_known_again_after_a_calibration(self):
        self.read(300, 12.0, milking=False)
        self.calibrate(0.985, self.polled, at=START + timedelta(seconds=400))
        ended = self.past(500).ended
        self.assertEqual((ended.factor, ended.values["yield_liters"]), (1.0, 12.0))

    # ------------------------------------------------------------------ the factor that the poller says

    def test_a_milking_keeps_the_factor_that_the_poller_read_it_with_whatever_was_settled_before_it_is_reacted_to(self):
        self.message(60, 4.0, self.polled, OWN, flow_calibration_factor=1.01)
        self.store_reading(60, self.polled, session_id="s1", yield_liters=4.0, milking=True)
        # From its date on, which is before the milking; the poller had begun without it.
        self.calibrate(0.985, self.polled)
        self.process()
        session = self.sessions(self.polled)
        self.assertRecordValues(session, [{"current_yield": 4.0, "flow_calibration_factor": 1.01}])
        last = self.past(90).last
        self.assertAlmostEqual(last.factor, 1.01, 5)
        self.assertAlmostEqual(last.values["yield_liters"], 4.0 / 1.01, 4, "as the meter shows it")
        self.message(300, 12.0, self.polled, OWN, flow_calibration_factor=1.01, milking=False)
        self.process()
        self.assertRecordValues(session, [{"total_yield": 12.0, "flow_calibration_factor": 1.01}])

    def test_a_poller_that_starts_before_the_milking_was_reacted_to_takes_up_its_factor(self):
        self.message(60, 4.0, self.polled, OWN, flow_calibration_factor=1.01)
        self.store_reading(60, self.polled, session_id="s1", yield_liters=4.0, milking=True)
        self.calibrate(0.985, self.polled)
        last = self.past(90).last
        self.assertAlmostEqual(last.factor, 1.01, 5)
        self.assertAlmostEqual(last.values["yield_liters"], 4.0 / 1.01, 4, "as the meter shows it")

    def test_a_poller_believes_no_device_a_factor(self):
        for number, transport in enumerate((MQTT, HTTP, None)):
            with self.subTest(transport=transport):
                seconds = 60 + number
                self.message(seconds, 4.0, self.polled, transport, flow_calibration_factor=2.0)
                self.store_reading(seconds, self.polled, session_id="s1", yield_liters=4.0, milking=True)
                self.assertEqual(self.past(90).last.factor, 1.0)

    def test_no_device_says_a_factor(self):
        for transport in (MQTT, HTTP, None):
            with self.subTest(transport=transport):
                meter = self.make_meter(f"MM-4-{transport}")
                self.message(300, 12.0, meter, transport, flow_calibration_factor=2.0, milking=False)
                self.process()
                self.assertRecordValues(self.sessions(meter), [{"total_yield": 12.0, "flow_calibration_factor": 1.0}])

    def test_meters_are_polled_while_the_addon_is_still_to_be_updated(self):
        """A milking had no factor of its own in the former version."""
        self.read(60, 5.0)
        self.env.flush_all()
        self.env.cr.execute("ALTER TABLE milk_session DROP COLUMN flow_calibration_factor CASCADE")
        self.assertEqual(self.past(90).last.factor, 1.0)

    def test_a_milking_that_has_no_session_yet_is_taken_up_with_the_factor_in_force(self):
        calibration = self.calibrate(0.985, self.polled)
        self.store_reading(60, self.polled, session_id="not seen yet", yield_liters=5.0, milking=True)
        last = self.past(90).last
        self.assertAlmostEqual(last.factor, calibration.factor_after, 5)
        self.assertAlmostEqual(last.values["yield_liters"], 5.0 / calibration.factor_after, 4)
