"""The course of what a device measures, for the eye: the readings of days as a line of a few hundred points."""

import re
from datetime import timedelta

from odoo import _, fields, models
from odoo.exceptions import UserError

from ..bridge.timestamps import format_timestamp
from ..telemetry.curve import curve
from .iot_device_readings import ReadingSpan

#: Spans up to this long are drawn from the readings themselves, longer ones from the hours, and from the days beyond.
RAW_SPAN = timedelta(days=2)
HOURS_SPAN = timedelta(days=60)
LONGEST_SPAN = timedelta(days=1100)
DEFAULT_SPAN = timedelta(days=1)
#: So many readings are drawn one by one, some tenths of a second's work; of more their hours are drawn.
MOST_READINGS = 50_000
MOST_POINTS = 2000
_LABEL_AND_UNIT = re.compile(r"(?P<label>.+?) \((?P<unit>[^()]+)\)")


class IotDevice(models.Model):
    _inherit = "iot.device"

    def get_reading_metrics(self):
        """What can be drawn of the device: list of {"metric", "label", "unit"}, what is measured first.

        It is what the rollups keep, so that a short span and a long one show the same.
        """
        self.ensure_one()
        spec = self._reading_spec()
        described = self.env[spec.model].fields_get(spec.rollup_columns, ["string"])
        metrics = []
        for metric in spec.rollup_columns:
            text = described[metric]["string"] if metric in described else metric
            found = _LABEL_AND_UNIT.fullmatch(text)
            label, unit = found.group("label", "unit") if found else (text, "")
            metrics.append({"metric": metric, "label": label, "unit": unit})
        return metrics

    def get_reading_curve(self, metric, since=None, until=None, points=300):
        """The course of one metric, as far as the present user may see its readings.

        :param metric: see `get_reading_metrics`
        :param since, until: naive UTC, or as text; by default the last 24 hours
        :param points: about how many points there may be, up to 2000
        :return: dict with `metric`, `label`, `unit`, `since`, `until`, `resolution` (`raw`, `hour` or `day`: what it is
            drawn from) and `points`, a list of [time, mean, least, most] in the order of time. Times are of the form
            2026-03-01T06:30:00Z; the values of a point in a gap are null. Where it is drawn from hours or days the
            first may begin before `since`.
        """
        self.ensure_one()
        metrics = {each["metric"]: each for each in self.get_reading_metrics()}
        if metric not in metrics:
            raise UserError(_("%(device)s has no %(metric)s to draw.", device=self.name, metric=metric))
        until = fields.Datetime.to_datetime(until) or fields.Datetime.now()
        since = fields.Datetime.to_datetime(since) or until - DEFAULT_SPAN
        if not timedelta(0) < until - since <= LONGEST_SPAN:
            raise UserError(_("The span of a curve has a beginning before its end, at most three years apart."))
        points = min(max(int(points), 2), MOST_POINTS)
        resolution, readings = self._curve_readings(metric, since, until)
        line = curve(readings, since, until, points)
        return {
            **metrics[metric],
            "since": format_timestamp(since),
            "until": format_timestamp(until),
            "resolution": resolution,
            "points": [[format_timestamp(time.replace(microsecond=0)), *values] for time, *values in line],
        }

    def _curve_readings(self, metric, since, until):
        """(resolution, what `curve` takes), of the finest resolution that is not too much to read."""
        if until - since <= RAW_SPAN:
            rows = self._reading_page(ReadingSpan("raw", since, until, (metric,)), None, MOST_READINGS + 1)
            if len(rows) <= MOST_READINGS:
                return "raw", [(time, 1, value, value, value) for time, _channel, _maintenance, value in rows]
        resolution = "hour" if until - since <= HOURS_SPAN else "day"
        # The hour or day in which it begins is meant, too.
        first = since.replace(minute=0, second=0, microsecond=0, **({"hour": 0} if resolution == "day" else {}))
        # Of the longest spans those are 1,440 hours and 1,100 days.
        rows = self._reading_page(ReadingSpan(resolution, first, until, (metric,)), None, MOST_READINGS)
        return resolution, [(time, count, mean, least, most) for time, _readings, count, mean, least, most in rows]

    def action_view_curve(self):
        """Open the course of what the device measures."""
        self.ensure_one()
        return self._curve_action()

    def _curve_action(self, metric=None, until=None):
        """The client action that shows the device's curves.

        :param until: naive UTC, where the span that is shown first ends; by default now
        """
        return {
            "type": "ir.actions.client",
            "tag": "iot_reading_curve",
            "name": _("Curve of %s", self.name),
            "params": {
                "device_id": self.id,
                "metric": metric or False,
                "until": fields.Datetime.to_string(until) if until else False,
            },
        }


class IotTemperatureReading(models.Model):
    _inherit = "iot.temperature.reading"

    def action_view_curve(self):
        """Open the day around a reading: twelve hours before it and as many after."""
        self.ensure_one()
        until = min(self.timestamp + DEFAULT_SPAN / 2, fields.Datetime.now())
        return self.iot_device_id._curve_action("temperature", until.replace(microsecond=0))
