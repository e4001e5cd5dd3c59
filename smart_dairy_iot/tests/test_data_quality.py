"""Data quality: what was expected and came, gaps, values that stand still, refusals and clocks, once for each hour."""

import ast
import contextlib
from datetime import datetime, timedelta
from unittest.mock import patch

from freezegun import freeze_time
from lxml import etree

from odoo.exceptions import AccessError
from odoo.tests import tagged
from odoo.tools import SQL

from ..bridge.database import DATA_QUALITY_LOCK
from ..bridge.devices import DeviceCache
from ..bridge.messages import Accepted, Message, Refused
from ..bridge.store import Store
from ..models import iot_data_quality
from ..telemetry.quality import read_quality
from .common import IotCase
from .shared_connection import SharedConnection

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
        self.env.cr.execute("DELETE FROM iot_data_quality_progress")
        self.patch(
            type(self.env["iot.data.quality"]),
            "_connection",
            lambda quality: contextlib.closing(SharedConnection(quality.env.cr)),
        )
        self.store = Store(self.env["iot.settings"]._telemetry_specs())
        self.next_hour(HOUR)
        self.sensor = self.in_service("TS-600", config_json='{"interval_seconds": 60}')

    def test_the_filter_for_what_is_wrong_does_not_read_every_hour_of_every_device(self):
        self.env.cr.execute(
            "INSERT INTO iot_data_quality (iot_device_id, device_type, hour, readings, received, interval_source, gaps,"
            " stuck_hours, out_of_range, delivered_late)"
            " SELECT %s, 'temperature', timestamp '2026-01-01' + n * interval '1 hour', 60, 60, 'learned',"
            " (n %% 100 = 0)::integer, 0, 0, false FROM generate_series(1, 5000) n",
            [self.sensor.id],
        )
        self.env.cr.execute("ANALYZE iot_data_quality")
        arch = etree.fromstring(self.env["iot.data.quality"].get_view(view_type="search")["arch"])
        domain = ast.literal_eval(arch.find(".//filter[@name='problems']").get("domain"))
        found = self.env["iot.data.quality"]._search(
            [*domain, ("hour", ">=", "2026-03-01 00:00:00")], order="hour desc"
        )
        self.env.cr.execute(SQL("EXPLAIN %s", found.select()))
        plan = "\n".join(line for (line,) in self.env.cr.fetchall())
        self.assertIn("iot_data_quality_something_wrong_index", plan)

    def configured(self, device, interval, since):
        """Give the device another interval, as if at that time."""
        device.config_json = f'{{"interval_seconds": {interval}}}'
        newest = device.sudo().config_version_ids.sorted("version")[-1]
        self.env.flush_all()
        self.env.cr.execute("UPDATE iot_device_config_version SET create_date = %s WHERE id = %s", [since, newest.id])

    def interrupted(self, device, until):
        """Have a device that was heard back in service from then on."""
        device.sudo()._in_action().write({"state": "maintenance"})
        self.env.flush_all()
        self.env.cr.execute(
            "INSERT INTO iot_device_state (iot_device_id, last_message_timestamp) VALUES (%s, %s)"
            " ON CONFLICT (iot_device_id) DO UPDATE SET last_message_timestamp = excluded.last_message_timestamp",
            [device.id, HOUR],
        )
        device.invalidate_recordset()
        with freeze_time(until):
            device.sudo()._in_action().write({"state": "active"})

    def next_hour(self, hour):
        self.env["iot.data.quality.progress"]._remember(self.env.cr, "next_hour", hour)

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
        self.configured(self.sensor, 7200, HOUR - MINUTE)
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

    def test_a_single_message_that_came_late_tells_nothing_of_the_clock(self):
        gate, wrong = self.in_service("GT-602", "gate"), self.in_service("GT-603", "gate")
        for hour, arrival in ((HOUR, 5), (HOUR + 60 * MINUTE, 4)):
            self.measure(gate, hour, delay=timedelta(hours=arrival))
            self.measure(wrong, hour, delay=timedelta(hours=5))
        self.assess(HOUR + 131 * MINUTE)
        for hour in (HOUR, HOUR + 60 * MINUTE):
            found = self.quality(gate, hour)
            self.assertEqual((found.clock_skew_seconds, found.delivered_late), (0, True))
        self.assertEqual(self.quality(wrong).delivered_late, True, "one alone may be either")
        found = self.quality(wrong, HOUR + 60 * MINUTE)
        self.assertEqual((found.clock_skew_seconds, found.delivered_late), (5 * 3600, False))

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

    def run_for(self, steps, at):
        """A run whose time is over after so many steps: hours that are over and searches of a day."""
        clock = iter([0.0, *[1.0] * (steps - 1)])
        # Within the frozen time, which puts a clock of its own everywhere.
        with freeze_time(at), patch.object(iot_data_quality, "monotonic", lambda: next(clock, 1e9)):
            self.env["iot.data.quality"]._cron_assess()

    def test_a_run_ends_when_its_time_is_over_and_the_next_goes_on(self):
        self.measure(self.sensor, HOUR)
        now = HOUR + (5 * 60 + 11) * MINUTE
        hours = [("iot_device_id", "=", self.sensor.id)]
        assessed = self.env["iot.data.quality"]
        self.run_for(3, now)
        self.assertEqual(assessed.search_count(hours), 3)
        self.run_for(3, now)
        self.assertEqual(assessed.search_count(hours), 5)

    def test_the_search_for_late_readings_goes_on_where_the_time_was_over(self):
        start = HOUR + timedelta(days=7)
        self.next_hour(start)
        self.measure(self.sensor, *(HOUR + timedelta(days=day, hours=2) for day in range(7)))
        now, found = start + 11 * MINUTE, []
        for _run in range(4):
            self.run_for(2, now)
            found.append(self.env["iot.data.quality"].search_count([("iot_device_id", "=", self.sensor.id)]))
        # A silent device is missed in the hours after: what counts is on how many days it was heard.
        self.assertEqual(found, [2, 4, 6, 7])

    def back_after_five_days(self, *late):
        """The sensor, silent for five days and assessed so; then readings of the hours `late` come in. Its hours."""
        back = HOUR + timedelta(days=5)
        self.measure(self.sensor, *self.whole(HOUR), *self.whole(back))
        self.assess(back + 71 * MINUTE)
        silent = [HOUR + number * 60 * MINUTE for number in range(1, 5 * 24)]
        self.assertEqual(self.quality(hour=silent[-1]).longest_gap_seconds, 119 * 3600 + 60)
        for hour in late or silent:
            self.measure(self.sensor, *self.whole(hour), delay=back + 75 * MINUTE - hour)
        return silent, back

    def assess_bit_by_bit(self, back, done, most):
        """Short runs until it is done; what each of them did is bounded."""
        self.next_hour(back + 60 * MINUTE)
        runs = 0
        with patch.object(iot_data_quality, "_MOST_LATE", 2):
            while not done():
                self.env.cr.execute("CREATE TEMP TABLE before ON COMMIT DROP AS SELECT * FROM iot_data_quality")
                self.run_for(1, back + 81 * MINUTE)
                self.env.cr.execute(
                    "SELECT count(*) FROM (SELECT iot_device_id, hour, readings, longest_gap_seconds"
                    " FROM iot_data_quality EXCEPT SELECT iot_device_id, hour, readings, longest_gap_seconds"
                    " FROM before) AS changed"
                )
                self.assertLessEqual(self.env.cr.fetchone()[0], 4)
                self.env.cr.execute("DROP TABLE before")
                runs += 1
                self.assertLess(runs, most, "each run gets further")

    def test_days_of_late_readings_are_assessed_bit_by_bit_by_runs_that_are_short(self):
        silent, back = self.back_after_five_days()
        hours = [("iot_device_id", "=", self.sensor.id), ("hour", "in", [*silent, back])]
        wrong = self.env["iot.data.quality"]
        self.assess_bit_by_bit(
            back, lambda: not wrong.search_count([*hours, "|", ("missing", ">", 0), ("gaps", ">", 0)]), 300
        )
        self.assertEqual(set(wrong.search(hours).mapped("longest_gap_seconds")), {60})

    def test_one_late_hour_has_all_the_silence_after_it_assessed_anew_by_runs_that_are_short(self):
        silent, back = self.back_after_five_days(HOUR + 60 * MINUTE)
        self.assess_bit_by_bit(back, lambda: self.quality(hour=back).longest_gap_seconds == 118 * 3600 + 60, 300)
        found = [self.quality(hour=hour).longest_gap_seconds for hour in silent[:3]]
        self.assertEqual(found, [60, 3600 + 60, 2 * 3600 + 60])
        self.assertFalse(self.env["iot.data.quality"].search([("outdated", "=", True)]))

    def test_what_was_done_before_a_run_failed_stays_done(self):
        self.measure(self.sensor, HOUR)
        assess_hour = type(self.env["iot.data.quality"])._assess

        def fail_in_the_third(quality, cr, spec, hour, devices):
            if hour == HOUR + 120 * MINUTE:
                raise ValueError("the third hour")
            assess_hour(quality, cr, spec, hour, devices)

        with (
            patch.object(type(self.env["iot.data.quality"]), "_assess", fail_in_the_third),
            self.assertRaisesRegex(ValueError, "the third hour"),
        ):
            self.assess(HOUR + (5 * 60 + 11) * MINUTE)
        hours = [("iot_device_id", "=", self.sensor.id)]
        self.assertEqual(self.env["iot.data.quality"].search_count(hours), 2)
        self.assess(HOUR + (5 * 60 + 11) * MINUTE)
        self.assertEqual(self.env["iot.data.quality"].search_count(hours), 5)

    def test_a_run_has_no_process_forget_what_it_keeps_of_the_settings(self):
        self.env.registry.clear_cache()
        self.env.registry.cache_invalidated.clear()
        self.measure(self.sensor, HOUR)
        self.assess()
        self.assertFalse(self.env.registry.cache_invalidated)

    def test_two_runs_do_not_disturb_one_another(self):
        self.measure(self.sensor, HOUR)
        with self.registry.cursor() as other:
            other.execute("SELECT pg_advisory_xact_lock(%s)", [DATA_QUALITY_LOCK])
            self.assess()
            self.assertFalse(self.quality(), "the other one does it")
        self.assess()
        self.assertTrue(self.quality())

    def test_a_silence_that_late_readings_fill_is_none_in_the_hours_after_either(self):
        self.measure(self.sensor, *self.whole(HOUR))
        back = HOUR + 180 * MINUTE
        self.measure(self.sensor, *self.whole(back))
        self.assess(back + 71 * MINUTE)
        after = self.quality(hour=back)
        self.assertEqual((after.gaps, after.longest_gap_seconds), (1, 121 * 60))
        for hour in (HOUR + 60 * MINUTE, HOUR + 120 * MINUTE):
            self.measure(self.sensor, *self.whole(hour), delay=timedelta(hours=4))
        self.assess(back + 82 * MINUTE)
        self.assertEqual([self.quality(hour=HOUR + 60 * n * MINUTE).missing for n in range(4)], [0, 0, 0, 0])
        self.assertEqual((after.gaps, after.longest_gap_seconds), (0, 60))

    def test_a_value_that_late_readings_show_to_move_is_not_stuck(self):
        hours = [HOUR + number * 60 * MINUTE for number in range(7)]
        for hour in (*hours[:2], *hours[3:]):
            self.measure(self.sensor, *self.whole(hour), temperature=4.2)
        self.assess(hours[-1] + 71 * MINUTE)
        self.assertEqual(self.quality(hour=hours[-1]).stuck_hours, 6)
        self.measure(self.sensor, *self.whole(hours[2]), delay=timedelta(hours=6))
        self.assess(hours[-1] + 82 * MINUTE)
        self.assertEqual(self.quality(hour=hours[-1]).stuck_hours, 0)

    def test_what_was_expected_of_an_hour_stays_so(self):
        self.measure(self.sensor, *self.minutes(HOUR, *range(30)))
        self.assess()
        self.configured(self.sensor, 10, HOUR + 120 * MINUTE)
        self.sensor.sudo()._in_action().write({"state": "inactive"})
        self.measure(self.sensor, *self.minutes(HOUR, *range(30, 50)), delay=timedelta(hours=3))
        self.assess(HOUR + 191 * MINUTE)
        quality = self.quality()
        self.assertEqual((quality.expected, quality.missing, quality.interval_seconds), (60, 10, 60))

    def test_an_hour_goes_by_the_configuration_that_was_in_force_then(self):
        self.measure(self.sensor, *self.whole(HOUR), *self.whole(HOUR + 60 * MINUTE), *self.whole(HOUR + 120 * MINUTE))
        self.configured(self.sensor, 10, HOUR + 100 * MINUTE)
        self.assess(HOUR + 191 * MINUTE)
        found = [self.quality(hour=HOUR + 60 * number * MINUTE).expected for number in range(3)]
        self.assertEqual(found, [60, 60, 360], "in the hour of the change it is what asks for less")

    def test_a_configuration_that_is_none_spoils_the_assessment_of_no_other_device(self):
        broken = self.in_service("TS-604", config_json='{"interval_seconds": 60}')
        self.measure(broken, HOUR)
        self.measure(self.sensor, *self.whole(HOUR))
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE iot_device_config_version SET config_json = '[' WHERE iot_device_id = %s", [broken.id]
        )
        self.assess()
        self.assertEqual((self.quality(broken).interval_source, self.quality().expected), ("unknown", 60))

    def test_of_a_device_that_came_back_into_service_it_is_expected_from_then_on(self):
        self.measure(self.sensor, *self.whole(HOUR))
        back = HOUR + 150 * MINUTE
        self.interrupted(self.sensor, back)
        self.measure(self.sensor, *(back + number * MINUTE for number in range(2, 30)))
        self.assess(HOUR + 191 * MINUTE)
        during, after = self.quality(hour=HOUR + 60 * MINUTE), self.quality(hour=HOUR + 120 * MINUTE)
        self.assertEqual((during.interval_source, during.gaps), ("unknown", 0))
        self.assertEqual((after.expected, after.missing, after.gaps), (30, 2, 0))
        self.assertEqual(after.longest_gap_seconds, 120)

    def test_a_device_that_was_never_interrupted_has_no_such_date(self):
        self.assertFalse(self.sensor.in_service_since)

    def test_a_line_leads_to_the_device_its_readings_and_what_was_refused(self):
        self.measure(self.sensor, HOUR - MINUTE, HOUR, HOUR + 59 * MINUTE, HOUR + 60 * MINUTE)
        self.refuse(self.sensor, HOUR + MINUTE)
        self.refuse(self.sensor, HOUR + 61 * MINUTE)
        self.refuse(self.sensor, HOUR + MINUTE, "wrong_farm")
        self.assess()
        line = self.quality().with_user(self.user)
        self.assertEqual(line.action_view_device()["res_id"], self.sensor.id)
        readings = line.action_view_readings()
        found = self.env[readings["res_model"]].with_user(self.user).search(readings["domain"], order="timestamp")
        self.assertEqual(found.mapped("timestamp"), [HOUR, HOUR + 59 * MINUTE])
        letters = line.with_user(self.admin).action_view_dead_letters()
        self.assertEqual(len(self.env[letters["res_model"]].search(letters["domain"])), 1)

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
