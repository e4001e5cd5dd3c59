"""Data quality: what was expected and came, gaps, values that stand still, refusals and clocks, once for each hour."""

from datetime import datetime, timedelta

from freezegun import freeze_time

from odoo.exceptions import AccessError
from odoo.tests import tagged

from ..bridge.devices import DeviceCache
from ..bridge.messages import Accepted, Message, Refused
from ..bridge.store import Store
from ..models.iot_data_quality import _MOST_HOURS, _NEXT_HOUR
from ..telemetry.quality import read_quality
from .common import IotCase

HOUR = datetime(2026, 3, 1, 6)
MINUTE = timedelta(minutes=1)


@tagged("post_install", "-at_install")
class TestDataQuality(IotCase):
    def setUp(self):
        super().setUp()
        # Whatever a demonstration or another test's commit left is of no device here.
        for table in ("iot_temperature_reading", "iot_environment_reading"):
            self.env.cr.execute(f"DELETE FROM {table}_hourly")
        self.env.cr.execute("DELETE FROM iot_data_quality")
        self.store = Store(self.env["iot.settings"]._telemetry_specs())
        self.next_hour(HOUR)
        self.sensor = self.in_service("TS-600", config_json='{"interval_seconds": 60}')

    def next_hour(self, hour):
        self.env["ir.config_parameter"].set_param(_NEXT_HOUR, f"{hour:%Y-%m-%d %H:%M:%S}")

    def in_service(self, device_id, device_type="temperature", **values):
        device = self.new_device(device_id, device_type, **values)
        device.sudo()._in_action().write({"state": "active"})
        return device

    def cached(self, device):
        self.env.flush_all()
        devices = DeviceCache()
        devices.refresh(self.env.cr, [device.device_id])
        return devices.get(device.device_id)

    def measure(self, device, *times, delay=timedelta(seconds=1), **values):
        """Store a reading for each time; a temperature that is never the same unless one is given."""
        cached, items = self.cached(device), []
        for at in times:
            # Never the same for one hour, whatever the times: minutes and seconds alike are in it.
            payload = values or {"temperature": (at - HOUR).total_seconds() % 3607 / 100}
            items.append(Accepted(Message("topic", b"{}", at + delay), cached, "data", at, 0, payload))
        self.assertEqual(self.store.write_batch(self.env.cr, items), ["stored"] * len(items))

    def refuse(self, device, at, reason="schema"):
        self.store.write_batch(
            self.env.cr, [Refused(Message("topic", b"{}", at), reason, "the detail", self.cached(device))]
        )

    def minutes(self, hour, *numbers):
        return [hour + number * MINUTE for number in numbers]

    def whole(self, hour):
        return self.minutes(hour, *range(60))

    def assess(self, at=HOUR + 71 * MINUTE):
        with freeze_time(at):
            self.env["iot.data.quality"]._cron_assess()

    def quality(self, device=None, hour=HOUR):
        return self.env["iot.data.quality"].search(
            [("iot_device_id", "=", (device or self.sensor).id), ("hour", "=", hour)]
        )

    def test_an_hour_is_assessed_ten_minutes_after_its_end(self):
        self.measure(self.sensor, *self.whole(HOUR))
        self.assess(HOUR + 69 * MINUTE)
        self.assertFalse(self.quality())
        self.assess()
        quality = self.quality()
        self.assertEqual((quality.expected, quality.received, quality.missing, quality.completeness), (60, 60, 0, 100))
        self.assertEqual((quality.interval_source, quality.interval_seconds), ("configured", 60))
        self.assertEqual((quality.gaps, quality.longest_gap_seconds, quality.farm_id), (0, 60, self.hill))
        self.assertEqual((quality.stuck_hours, quality.out_of_range, quality.clock_skew_seconds), (0, 0, 1))

    def test_an_hour_is_assessed_once(self):
        self.measure(self.sensor, *self.whole(HOUR))
        self.assess()
        self.env.cr.execute("UPDATE iot_data_quality SET gaps = 99")
        self.assess(HOUR + 90 * MINUTE)
        self.assertEqual(self.quality().gaps, 99, "nothing came since")

    def test_silence_is_a_gap_of_each_hour_that_it_touches(self):
        self.measure(self.sensor, *self.minutes(HOUR, *range(41)), *self.minutes(HOUR, *range(60 + 20, 120)))
        self.assess(HOUR + 131 * MINUTE)
        first, second = self.quality(), self.quality(hour=HOUR + 60 * MINUTE)
        self.assertEqual((first.gaps, first.longest_gap_seconds, first.missing), (1, 20 * 60, 19))
        self.assertEqual((second.gaps, second.longest_gap_seconds, second.missing), (1, 40 * 60, 20))
        self.assertAlmostEqual(second.completeness, 66.7, 1)

    def test_one_message_missing_is_no_gap_and_two_are(self):
        lost_one = [minute for minute in range(60) if minute != 30]
        lost_two = [minute for minute in range(60, 120) if minute not in (90, 91)]
        self.measure(self.sensor, *self.minutes(HOUR, *lost_one, *lost_two))
        self.assess(HOUR + 131 * MINUTE)
        self.assertEqual((self.quality().gaps, self.quality().missing), (0, 1))
        second = self.quality(hour=HOUR + 60 * MINUTE)
        self.assertEqual((second.gaps, second.longest_gap_seconds), (1, 180))

    def test_a_device_that_says_nothing_any_more_is_missed_every_hour_while_it_is_in_service(self):
        self.measure(self.sensor, *self.whole(HOUR))
        self.assess(HOUR + 131 * MINUTE)
        silent = self.quality(hour=HOUR + 60 * MINUTE)
        self.assertEqual((silent.expected, silent.received, silent.completeness), (60, 0, 0))
        self.assertEqual((silent.gaps, silent.longest_gap_seconds, silent.farm_id), (1, 61 * 60, self.hill))
        self.sensor.sudo()._in_action().write({"state": "inactive"})
        self.assess(HOUR + 191 * MINUTE)
        self.assertFalse(self.quality(hour=HOUR + 120 * MINUTE))

    def test_a_device_is_expected_from_its_first_message_on(self):
        self.measure(self.sensor, *self.minutes(HOUR, *range(30, 60)))
        self.assess()
        quality = self.quality()
        self.assertEqual((quality.expected, quality.missing, quality.gaps), (30, 0, 0))

    def test_readings_of_several_channels_in_one_instant_are_one_message(self):
        cached = self.cached(self.sensor)
        for channel in range(3):
            item = Accepted(Message("topic", b"{}", HOUR), cached, "data", HOUR, channel, {"temperature": 4})
            self.store.write_batch(self.env.cr, [item])
        self.assess()
        self.assertEqual((self.quality().readings, self.quality().received), (3, 1))

    def test_an_interval_longer_than_an_hour_expects_its_share(self):
        self.sensor.config_json = '{"interval_seconds": 7200}'
        self.measure(self.sensor, HOUR, HOUR + 120 * MINUTE)
        self.assess(HOUR + 191 * MINUTE)
        between = self.quality(hour=HOUR + 60 * MINUTE)
        self.assertEqual((between.expected, between.received, between.gaps), (0.5, 0, 0))

    def test_an_interval_that_is_none_is_passed_over(self):
        quality = self.env["iot.data.quality"]
        for interval in ("0", "-5", '"60"', "true", "null", "1e999", "1" + "0" * 400):
            self.assertIsNone(quality._configured_interval(f'{{"interval_seconds": {interval}}}'), interval)
        self.assertEqual(quality._configured_interval('{"interval_seconds": 0.5}'), 0.5)

    def learn(self, device, numbers, hours=30):
        """The device's hours, with so many messages each as the numbers say in turn, and their assessment."""
        for number in range(hours):
            hour = HOUR + number * 60 * MINUTE
            every = numbers[number % len(numbers)]
            self.measure(device, *[hour + position * 60 * MINUTE / every for position in range(every)])
        end = HOUR + hours * 60 * MINUTE
        self.assess(end + 11 * MINUTE)
        self.assess(end + 11 * MINUTE)
        return end

    def test_of_a_device_without_interval_the_usual_is_expected_once_it_is_known(self):
        device = self.in_service("TS-601")
        end = self.learn(device, [12, 12, 11, 13])
        self.assertEqual(self.quality(device, HOUR + 60 * MINUTE).interval_source, "unknown")
        self.measure(device, *self.minutes(end, 0, 5, 10, 15, 20, 25, 30))
        self.assess(end + 71 * MINUTE)
        quality = self.quality(device, end)
        self.assertEqual((quality.interval_source, quality.expected, quality.received), ("learned", 12, 7))
        self.assertEqual((quality.gaps, quality.longest_gap_seconds), (1, 30 * 60))

    def test_an_outage_is_not_learned_from(self):
        device = self.in_service("TS-601")
        end = self.learn(device, [12])
        back = end + timedelta(hours=40)
        for _run in range(2):
            self.assess(back + 11 * MINUTE)
        self.assertEqual(self.quality(device, back - 60 * MINUTE).expected, 12)
        self.measure(device, *self.minutes(back, *range(0, 60, 5)))
        self.assess(back + 131 * MINUTE)
        self.assertEqual(self.quality(device, back + 60 * MINUTE).interval_source, "learned")

    def test_of_a_device_that_reports_when_something_happens_nothing_is_expected(self):
        gate = self.in_service("GT-600", "gate")
        end = self.learn(gate, [3, 1, 9, 2, 20])
        self.assess(end + 71 * MINUTE)
        quality = self.quality(gate, end)
        self.assertEqual((quality.interval_source, quality.expected, quality.gaps), ("unknown", 0, 0))
        self.env.cr.execute(
            "SELECT DISTINCT expected, missing, completeness FROM iot_data_quality WHERE iot_device_id = %s", [gate.id]
        )
        self.assertEqual(self.env.cr.fetchall(), [(None, None, None)], "it counts neither as complete nor as missing")

    def test_a_value_that_is_the_same_for_six_hours_is_stuck(self):
        for number in range(7):
            hour = HOUR + number * 60 * MINUTE
            self.measure(self.sensor, *self.whole(hour), temperature=4.2, humidity=50 + number)
        self.assess(HOUR + (7 * 60 + 11) * MINUTE)
        hours = [self.quality(hour=HOUR + number * 60 * MINUTE) for number in range(7)]
        self.assertEqual([quality.stuck_hours for quality in hours], [0, 0, 0, 0, 0, 6, 7])
        self.assertEqual(hours[6].stuck_values, "temperature")

    def test_one_other_value_in_between_is_the_end_of_it(self):
        for number in range(7):
            hour = HOUR + number * 60 * MINUTE
            self.measure(self.sensor, *self.whole(hour)[1:], temperature=4.2)
            self.measure(self.sensor, hour, temperature=4.3 if number == 3 else 4.2)
        self.assess(HOUR + (7 * 60 + 11) * MINUTE)
        self.assertEqual(self.quality(hour=HOUR + 6 * 60 * MINUTE).stuck_hours, 0)

    def test_what_may_well_be_the_same_for_hours_is_not_watched(self):
        waterer = self.in_service("WT-600", "waterer")
        for number in range(7):
            self.measure(waterer, *self.whole(HOUR + number * 60 * MINUTE), volume_liters=0)
        self.assess(HOUR + (7 * 60 + 11) * MINUTE)
        self.assertEqual(self.quality(waterer, HOUR + 6 * 60 * MINUTE).stuck_hours, 0)

    def test_what_was_refused_is_counted_of_a_device_that_was_never_heard_too(self):
        for reason in ("schema", "clock", "wrong_farm"):
            self.refuse(self.sensor, HOUR + MINUTE, reason)
        self.assess()
        self.assertEqual((self.quality().out_of_range, self.quality().received), (2, 0))

    def test_a_wrong_clock_is_told_from_late_delivery(self):
        late = self.in_service("TS-602")
        self.measure(self.sensor, *self.whole(HOUR), delay=-2 * MINUTE)
        for at in self.whole(HOUR):
            self.measure(late, at, delay=HOUR + 65 * MINUTE - at)
        self.assess()
        self.assertEqual((self.quality().clock_skew_seconds, self.quality().delivered_late), (-120, False))
        self.assertEqual((self.quality(late).clock_skew_seconds, self.quality(late).delivered_late), (0, True))

    def test_late_readings_have_their_hour_assessed_anew(self):
        self.measure(self.sensor, *self.minutes(HOUR, *range(30)))
        self.assess()
        self.assertEqual((self.quality().missing, self.quality().gaps), (30, 1))
        before = self.quality().id
        self.measure(self.sensor, *self.minutes(HOUR, *range(30, 60)), delay=timedelta(days=2))
        self.refuse(self.sensor, HOUR + MINUTE)
        self.assess(HOUR + timedelta(days=2, minutes=11))
        quality = self.quality()
        self.assertEqual((quality.missing, quality.gaps, quality.out_of_range), (0, 0, 1))
        self.assertEqual(quality.id, before, "it is the same row")

    def test_one_run_does_so_much_and_the_next_goes_on(self):
        self.measure(self.sensor, HOUR)
        now = HOUR + (_MOST_HOURS + 2) * 60 * MINUTE + 11 * MINUTE
        assessed = self.env["iot.data.quality"]
        self.assess(now)
        self.assertEqual(assessed.search_count([("iot_device_id", "=", self.sensor.id)]), _MOST_HOURS)
        self.assess(now)
        self.assertEqual(assessed.search_count([("iot_device_id", "=", self.sensor.id)]), _MOST_HOURS + 2)

    def test_the_hour_in_which_a_device_moved_is_of_no_farm(self):
        self.measure(self.sensor, HOUR)
        self.sensor.with_user(self.admin).farm_id = self.valley
        self.measure(self.sensor, HOUR + MINUTE)
        self.assess(HOUR + 131 * MINUTE)
        self.assertFalse(self.quality().farm_id)
        self.assertEqual(self.quality(hour=HOUR + 60 * MINUTE).farm_id, self.valley, "silence is of its present farm")

    def test_who_may_not_see_the_farm_does_not_see_its_quality_nor_changes_any(self):
        there = self.in_service("TS-603", farm=self.valley, user=self.admin)
        self.measure(self.sensor, HOUR)
        self.measure(there, HOUR)
        self.assess()
        quality = self.env["iot.data.quality"]
        ours = [("iot_device_id", "in", (self.sensor | there).ids)]
        self.assertEqual(quality.with_user(self.user).search(ours).iot_device_id, self.sensor.with_user(self.user))
        self.assertEqual(len(quality.with_user(self.admin).search(ours)), 2)
        with self.assertRaises(AccessError):
            self.quality().with_user(self.admin).gaps = 0
        with self.assertRaises(AccessError):
            quality.with_user(self.admin)._cron_assess()

    def test_the_device_s_form_tells_how_much_of_the_last_day_has_come(self):
        self.assertEqual(self.sensor.data_quality, "–")
        self.measure(self.sensor, *self.whole(HOUR), *self.minutes(HOUR, *range(60, 90)))
        self.assess(HOUR + 131 * MINUTE)
        self.sensor.invalidate_recordset()
        self.assertEqual(self.sensor.with_user(self.user).data_quality, "75 %")
        action = self.sensor.action_view_data_quality()
        self.assertEqual(len(self.env[action["res_model"]].search(action["domain"])), 2)

    def test_the_bridge_reads_the_figures_of_the_last_hour(self):
        self.assertIsNone(read_quality(self.env.cr)["hour"])
        self.measure(self.sensor, *self.minutes(HOUR, *range(30)), delay=5 * MINUTE)
        self.assess()
        figures = read_quality(self.env.cr)
        self.assertEqual(figures["hour"], (HOUR - datetime(1970, 1, 1)).total_seconds())
        self.assertEqual(figures["messages"], {"expected": 60, "missing": 30, "out_of_range": 0})
        self.assertEqual(
            figures["devices"], {"gaps": 1, "stuck": 0, "out_of_range": 0, "clock_skew": 1, "delivered_late": 0}
        )
