"""The course of what a device measures can be drawn, by who may see its readings."""

from datetime import datetime, timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from ..bridge.devices import DeviceCache
from ..bridge.messages import Accepted, Message
from ..bridge.store import Store
from ..models import iot_device_curve
from .common import IotCase
from .screens import ScreenCase

NOON = datetime(2026, 3, 1, 12)


def measure(env, device, readings):
    """Store (time, temperature) of a device, as the bridge does."""
    env.flush_all()
    devices = DeviceCache()
    devices.reload(env.cr)
    known = devices.get(device.device_id)
    Store(env["iot.settings"]._telemetry_specs()).write_batch(
        env.cr,
        [
            Accepted(Message("topic", b"{}", moment), known, "data", moment, 0, {"temperature": value})
            for moment, value in readings
        ],
    )


@tagged("post_install", "-at_install")
class TestReadingCurve(IotCase):
    def setUp(self):
        super().setUp()
        self.tank = self.new_device()

    def curve(self, hours=24, until=NOON, user=None, **options):
        device = self.tank.with_user(user or self.user)
        return device.get_reading_curve("temperature", until - timedelta(hours=hours), until, **options)

    def cool(self, hours=24):
        """A tank that is filled at the beginning and cools by a degree an hour, down to 4 °C; read every 10 minutes."""
        begin = NOON - timedelta(hours=hours)
        steps = [(begin + timedelta(minutes=10 * step), max(4.0, 20.0 - step / 6)) for step in range(6 * hours)]
        measure(self.env, self.tank, steps)

    def test_the_cooling_of_a_tank_is_seen_by_the_hour(self):
        self.cool()
        shown = self.curve()
        self.assertEqual((shown["metric"], shown["label"], shown["unit"]), ("temperature", "Temperature", "°C"))
        self.assertEqual((shown["since"], shown["until"]), ("2026-02-28T12:00:00Z", "2026-03-01T12:00:00Z"))
        points = {time: mean for time, mean, _least, _most in shown["points"]}
        self.assertEqual(len(points), 6 * 24)
        self.assertAlmostEqual(points["2026-02-28T12:00:00Z"], 20.0, 3)
        self.assertAlmostEqual(points["2026-02-28T18:00:00Z"], 14.0, 3)
        self.assertAlmostEqual(points["2026-03-01T11:50:00Z"], 4.0, 3)

    def test_a_long_span_comes_from_the_hours_and_keeps_the_extremes(self):
        self.cool()
        shown = self.curve(hours=7 * 24, points=1000)
        values = [value for value in shown["points"] if value[1] is not None]
        self.assertEqual(len(values), 24, "one point an hour")
        self.assertAlmostEqual(max(most for _time, _mean, _least, most in values), 20.0, 3)
        self.assertAlmostEqual(min(least for _time, _mean, least, _most in values), 4.0, 3)

    def test_what_it_is_drawn_from_is_said(self):
        self.assertEqual([self.curve(days * 24)["resolution"] for days in (1, 2, 3, 61)], ["raw", "raw", "hour", "day"])

    def test_more_readings_than_are_drawn_one_by_one_are_drawn_by_the_hour_and_no_more_of_them_are_read(self):
        self.cool()
        with patch.object(iot_device_curve, "MOST_READINGS", 6 * 24):
            self.assertEqual(self.curve()["resolution"], "raw", "as many as may be")
        asked, read = [], type(self.tank)._reading_page

        def reading_page(device, span, after, limit, offset=0):
            rows = read(device, span, after, limit, offset)
            asked.append((span.resolution, len(rows)))
            return rows

        with patch.object(iot_device_curve, "MOST_READINGS", 6 * 24 - 1):
            with patch.object(type(self.tank), "_reading_page", reading_page):
                shown = self.curve(points=1000)
        self.assertEqual(asked, [("raw", 6 * 24), ("hour", 24)])
        self.assertEqual(shown["resolution"], "hour")
        self.assertEqual(len(shown["points"]), 24)
        first = shown["points"][0]
        self.assertEqual(first[0], "2026-02-28T12:00:00Z")
        self.assertAlmostEqual(first[2], 20.0 - 5 / 6, 3)
        self.assertAlmostEqual(first[3], 20.0, 3)

    def test_by_the_hour_the_one_in_which_a_span_begins_is_drawn_too(self):
        measure(self.env, self.tank, [(NOON - timedelta(minutes=minutes), 4.0) for minutes in range(1, 10)])
        with patch.object(iot_device_curve, "MOST_READINGS", 5):
            shown = self.curve(hours=1 / 4)
        self.assertEqual((shown["resolution"], len(shown["points"])), ("hour", 1))

    def test_a_span_without_readings_is_an_empty_line(self):
        self.assertEqual(self.curve()["points"], [])

    def test_the_last_day_is_shown_where_no_span_is_asked_for(self):
        shown = self.tank.get_reading_curve("temperature")
        since, until = (datetime.fromisoformat(shown[end][:-1]) for end in ("since", "until"))
        self.assertEqual(until - since, timedelta(days=1))

    def test_what_can_be_drawn_has_its_words_and_units(self):
        metrics = self.tank.with_user(self.user).get_reading_metrics()
        self.assertEqual(metrics[0], {"metric": "temperature", "label": "Temperature", "unit": "°C"})
        for device_type in ("milk_meter", "collar", "feeder", "gate", "waterer", "environmental"):
            with self.subTest(device_type=device_type):
                device = self.new_device(f"X-{device_type}", device_type)
                self.assertTrue(all(each["label"] for each in device.get_reading_metrics()))

    def test_what_makes_no_sense_is_refused(self):
        for metric, since, until in (
            ("name", None, None),
            ("temperature; DROP TABLE", None, None),
            ("temperature", NOON, NOON),
            ("temperature", NOON, NOON - timedelta(days=1)),
            ("temperature", NOON - timedelta(days=2000), NOON),
        ):
            with self.subTest(metric=metric, since=since), self.assertRaises(UserError):
                self.tank.get_reading_curve(metric, since, until)

    def test_a_farm_that_a_user_does_not_see_has_no_curves_for_him(self):
        tank = self.new_device("T-2", farm=self.valley, user=self.admin)
        measure(self.env, tank, [(NOON - timedelta(hours=1), 4.0)])
        self.env.invalidate_all()
        with self.assertRaises(AccessError):
            tank.with_user(self.user).get_reading_curve("temperature", NOON - timedelta(hours=2), NOON)

    def test_what_was_measured_on_another_farm_is_not_in_the_curve(self):
        measure(self.env, self.tank, [(NOON - timedelta(hours=3), 9.0)])
        self.env.cr.execute(
            "UPDATE iot_temperature_reading SET farm_id = %s WHERE iot_device_id = %s", [self.valley.id, self.tank.id]
        )
        self.assertEqual(self.curve()["points"], [])
        self.assertEqual(len(self.curve(user=self.admin)["points"]), 1)

    def test_a_reading_opens_the_curve_around_itself(self):
        measure(self.env, self.tank, [(NOON, 4.0)])
        reading = self.env["iot.temperature.reading"].search([("iot_device_id", "=", self.tank.id)])
        action = reading.action_view_curve()
        self.assertEqual((action["type"], action["tag"]), ("ir.actions.client", "iot_reading_curve"))
        self.assertEqual(action["params"]["device_id"], self.tank.id)
        self.assertEqual(action["params"]["until"], "2026-03-02 00:00:00")


@tagged("post_install", "-at_install")
class TestReadingCurveScreen(ScreenCase):
    def test_a_curve_is_opened_from_the_device_and_shows_other_spans(self):
        sensor = self.new_sensor()
        now = fields.Datetime.now()
        measure(self.env, sensor, [(now - timedelta(minutes=10 * step), 4.0 + step / 50) for step in range(1, 140)])
        self.run_in_browser(
            f"/web#action=smart_dairy_iot.iot_device_action&view_type=form&id={sensor.id}",
            """
            (await shown(".o_form_view button[name=action_view_curve]")).click();
            const canvas = await shown(".o_reading_curve .o_line_chart canvas");
            await until(() => canvas.getAttribute("aria-label").includes("values from"), "the curve in words");
            await until(() => canvas.clientHeight > 100, "a chart with some height");
            const span = await shown(".o_reading_curve_span");
            const before = span.textContent;
            (await shown(".o_reading_curve .btn", "7 days")).click();
            await until(() => span.textContent !== before, "another span");
            await shown(".o_reading_curve .btn-primary", "7 days");
            if (document.querySelector(".o_reading_curve .alert")) {
                throw new Error("the curve complains");
            }
            """,
        )

    def test_what_a_curve_is_drawn_from_is_said_on_the_screen(self):
        sensor = self.new_sensor()
        now = fields.Datetime.now()
        measure(self.env, sensor, [(now - timedelta(minutes=10 * step), 4.0) for step in range(1, 140)])
        for most, text in ((50_000, "from the readings"), (100, "from hourly summaries")):
            with self.subTest(most=most), patch.object(iot_device_curve, "MOST_READINGS", most):
                self.run_in_browser(
                    f"/web#action=smart_dairy_iot.iot_device_action&view_type=form&id={sensor.id}",
                    f"""
                    (await shown(".o_form_view button[name=action_view_curve]")).click();
                    await shown(".o_reading_curve .o_reading_curve_resolution", "{text}");
                    """,
                )
