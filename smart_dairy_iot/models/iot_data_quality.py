"""How well each device reported, hour by hour. What the figures mean is in `telemetry/quality.py`.

An hour is assessed ten minutes after its end, once. Readings that come later, say from a device that was offline, have
its row written anew, for a week after the hour.
"""

import contextlib
from datetime import timedelta
from time import monotonic

from psycopg2 import sql

from odoo import _, api, fields, models
from odoo.exceptions import AccessError, ValidationError
from odoo.tools import format_datetime

from ..bridge.database import DATA_QUALITY_LOCK, connect
from ..dsn import connection_parameters
from ..telemetry.quality import FORGOTTEN, REFUSALS, assess, changed, due, outdated
from .iot_device import DEVICE_TYPES

INTERVAL_KEY = "interval_seconds"
"""The key of a device's configuration that says how often it reports."""

_GRACE = timedelta(minutes=10)
_HOUR = timedelta(hours=1)
# How far back late readings are looked for, and how far a fresh installation begins.
_WINDOW = timedelta(days=7)
# What is searched for late readings at a time.
_SEARCHED = timedelta(days=1)
_KEEP = timedelta(days=90)
# Nothing reports more often than a thousand times a second; a smaller number is a mistake.
_SHORTEST = 0.001
# After so many seconds a run begins nothing more: the next one, ten minutes later, goes on from there. A worker for
# scheduled actions has two minutes, and is not to keep the others waiting for long.
_LONGEST_RUN = 20
# Hours of devices that are assessed anew in one transaction. With each go the later ones that it may change, a week's
# at the most, which are marked in the same.
_MOST_LATE = 2_000
# Where farms are large, the default of 4 MB would have sorts and joins go to the disk.
_WORK_MEMORY = "64MB"


class IotDataQuality(models.Model):
    """One row for each device and hour, written past the ORM."""

    _name = "iot.data.quality"
    _description = "Data Quality"
    _log_access = False
    _order = "hour desc, iot_device_id"
    _rec_name = "hour"

    # No index of its own: the constraint's begins with it.
    iot_device_id = fields.Many2one(
        "iot.device", string="Device", required=True, readonly=True, ondelete="cascade", index=False
    )
    device_type = fields.Selection(DEVICE_TYPES, required=True, readonly=True)
    farm_id = fields.Many2one("farm.location", readonly=True, ondelete="set null", index=True)
    hour = fields.Datetime(
        required=True, readonly=True, index=True, help="Beginning of the hour, by the device's clock"
    )
    readings = fields.Integer(required=True, readonly=True)
    received = fields.Integer(
        required=True, readonly=True, help="Messages with readings of that hour; those of one instant are one"
    )
    interval_source = fields.Selection(
        [("configured", "Configuration"), ("learned", "Usual Rate"), ("unknown", "Nothing Expected")],
        string="Expected By",
        required=True,
        readonly=True,
        help="The configuration's interval_seconds; or what is usual of a device that reports steadily; of others, "
        "that report when something happens, nothing is expected.",
    )
    interval_seconds = fields.Float(string="Interval (s)", readonly=True, group_operator="avg")
    expected = fields.Float(digits=(16, 1), readonly=True)
    missing = fields.Float(digits=(16, 1), readonly=True)
    completeness = fields.Float(
        string="Complete (%)",
        digits=(16, 1),
        readonly=True,
        group_operator="avg",
        help="Received, of the messages expected",
    )
    gaps = fields.Integer(
        required=True, readonly=True, help="Times of silence of more than two intervals, or longer than is usual"
    )
    longest_gap_seconds = fields.Integer(
        string="Longest Silence (s)", readonly=True, group_operator="max", help="Up to the end of the hour"
    )
    stuck_hours = fields.Integer(
        string="Stuck (h)",
        required=True,
        readonly=True,
        group_operator="max",
        help="For how many hours with readings, up to 24, a value has been the same that never is. 0: less than six",
    )
    stuck_values = fields.Char(readonly=True, help="Which")
    out_of_range = fields.Integer(
        required=True,
        readonly=True,
        help="Messages of the device that came in that hour and were refused: a value or the time stamp is out of "
        "range, or the form is wrong. They are among the dead letters.",
    )
    clock_skew_seconds = fields.Float(
        string="Clock Skew (s)",
        digits=(16, 1),
        readonly=True,
        group_operator="avg",
        help="From the time stamps to the arrival, the median: below zero the device's clock is ahead. "
        "Empty where the messages were delivered late.",
    )
    delivered_late = fields.Boolean(
        required=True, readonly=True, help="Some messages were longer under way than others, as after an outage"
    )

    # NULL where not, for the index's sake.
    outdated = fields.Boolean(
        readonly=True,
        index="btree_not_null",
        help="Something of an earlier hour came in late that may change this one: it is assessed anew within minutes.",
    )

    _sql_constraints = [
        ("hour_unique", "UNIQUE(iot_device_id, hour)", "This hour of the device is assessed already."),
    ]

    def init(self):
        # The page's filter "Something Wrong", by the hour: one row of many, which are there for every hour of a device.
        self.env.cr.execute(
            "CREATE INDEX IF NOT EXISTS iot_data_quality_something_wrong_index ON iot_data_quality (hour)"
            " WHERE gaps > 0 OR stuck_hours > 0 OR out_of_range > 0"
            " OR clock_skew_seconds > 60 OR clock_skew_seconds < -60"
        )

    @api.depends("hour")
    @api.depends_context("tz", "lang")
    def _compute_display_name(self):
        for quality in self:
            quality.display_name = format_datetime(self.env, quality.hour)

    def action_view_device(self):
        """Open the device."""
        self.ensure_one()
        return self.iot_device_id.get_formview_action()

    def action_view_readings(self):
        """Open what the device measured in the hour."""
        self.ensure_one()
        return self.iot_device_id._action_view_readings_of_hour(self.hour)

    def action_view_dead_letters(self):
        """Open those of the hour's refused messages that were kept."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("smart_dairy_iot.iot_dead_letter_action")
        domain = [
            ("iot_device_id", "=", self.iot_device_id.id),
            ("reason", "in", REFUSALS),
            ("received_at", ">=", self.hour),
            ("received_at", "<", self.hour + _HOUR),
        ]
        return {**action, "domain": domain, "context": {}}

    @api.model
    def _cron_assess(self):
        """Assess the hours that are over, and anew those of which readings came in late, until the time is over.

        A step is committed once it is done: however much there is to do, or whatever ends a run, the next one goes on.
        """
        if not self.env.su:
            raise AccessError(_("Only the platform itself assesses its data."))
        if not self._take_turn():
            return
        self.env.flush_all()
        deadline = monotonic() + _LONGEST_RUN
        with self._connection() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT set_config('work_mem', %s, false)", [_WORK_MEMORY])
            for _step in self._steps(cursor, _floor(fields.Datetime.now() - _GRACE)):
                connection.commit()
                if monotonic() >= deadline:
                    break
        self.invalidate_model()

    @api.model
    def _take_turn(self):
        """Whether no other run is under way, until the end of the transaction."""
        self.env.cr.execute("SELECT pg_try_advisory_xact_lock(%s)", [DATA_QUALITY_LOCK])
        [(alone,)] = self.env.cr.fetchall()
        return alone

    @api.model
    def _connection(self):
        """A connection of its own, which is closed with its context; what was not committed is then undone."""
        return contextlib.closing(connect(connection_parameters(self.env.cr.dbname)))

    @api.model
    def _steps(self, cr, over):
        """What there is to do, in pieces that do not depend on one another: each ends with a `yield`.

        :param over: the first hour that is not over yet
        """
        yield from self._assess_what_is_over(cr, over)
        yield from self._assess_what_came_late(cr, over)

    @api.model
    def _assess_what_is_over(self, cr, over):
        hour = self.env["iot.data.quality.progress"]._recall(cr, "next_hour") or over - _WINDOW
        while hour < over:
            for spec in self._specs():
                self._assess(cr, spec, hour, due(cr, spec, hour))
            hour += _HOUR
            # With the hour before: each has its turn once.
            self.env["iot.data.quality.progress"]._remember(cr, "next_hour", hour)
            yield

    @api.model
    def _assess_what_came_late(self, cr, over):
        """Search a week for it, day by day, from the day on at which the time of a run before was over."""
        oldest = over - _WINDOW
        reached = self.env["iot.data.quality.progress"]._recall(cr, "next_searched") or oldest
        days = [oldest + number * _SEARCHED for number in range(_WINDOW // _SEARCHED)]
        for day in sorted(days, key=lambda day: (day < reached, day)):
            more = True
            while more:
                full = [self._assess_anew(cr, spec, day) for spec in self._specs()]
                more = any(full)
                self.env["iot.data.quality.progress"]._remember(cr, "next_searched", day if more else day + _SEARCHED)
                yield

    @api.model
    def _assess_anew(self, cr, spec, day):
        """Assess what came late of a day, and what that has changed: so many hours of devices.

        :return: whether there may be more
        """
        numbers = []
        # One after the other: the first marks what the second finds.
        for find, *span in ((changed, day, day + _SEARCHED), (outdated,)):
            found = find(cr, spec, *span, _MOST_LATE)
            for hour, devices in found.items():
                self._assess(cr, spec, hour, devices)
            numbers.append(sum(map(len, found.values())))
        return max(numbers) == _MOST_LATE

    @api.model
    def _specs(self):
        return self.env["iot.settings"]._telemetry_specs()

    @api.model
    def _assess(self, cr, spec, hour, devices):
        intervals = {}
        for _device, configurations, _watched in devices:
            for text in configurations:
                if text not in intervals:
                    intervals[text] = self._configured_interval(text)
        assess(
            cr,
            spec,
            hour,
            [
                # Of several in one hour the one that asks for least: when the device took the next one up is unknown.
                (device, max(filter(None, map(intervals.get, configurations)), default=None), watched)
                for device, configurations, watched in devices
            ],
        )

    @api.model
    def _configured_interval(self, config_json):
        """Seconds between two messages by a device's configuration, None where it does not say so."""
        if not config_json:
            return None
        try:
            interval = self.env["iot.device"]._parse_configuration(config_json, "").get(INTERVAL_KEY)
        except ValidationError:
            # Of before what may stand there was checked: nothing is known of that device, and of the others all.
            return None
        # What a device is sent is between the user and the device: anything may stand there.
        if isinstance(interval, bool) or not isinstance(interval, (int, float)):
            return None
        return float(interval) if _SHORTEST <= interval <= FORGOTTEN.total_seconds() else None

    @api.autovacuum
    def _gc_old(self):
        self.env.cr.execute("DELETE FROM iot_data_quality WHERE hour < %s", [fields.Datetime.now() - _KEEP])


class IotDataQualityProgress(models.Model):
    """The one row that says how far the assessment is. No parameter: these are kept in every process's memory, and a
    change of one has all of them forget all."""

    _name = "iot.data.quality.progress"
    _description = "Progress of Data Quality"
    _log_access = False
    _rec_name = "next_hour"

    next_hour = fields.Datetime(readonly=True, help="The next hour to be assessed")
    next_searched = fields.Datetime(readonly=True, help="Where the search for late readings goes on")

    @api.model
    def _recall(self, cr, name):
        """A field's value, in the transaction of a cursor of one's own; None before there is one."""
        cr.execute(sql.SQL("SELECT max({}) FROM iot_data_quality_progress").format(sql.Identifier(name)))
        return cr.fetchone()[0]

    @api.model
    def _remember(self, cr, name, moment):
        column = sql.Identifier(name)
        cr.execute(sql.SQL("UPDATE iot_data_quality_progress SET {} = %s").format(column), [moment])
        if not cr.rowcount:
            cr.execute(sql.SQL("INSERT INTO iot_data_quality_progress ({}) VALUES (%s)").format(column), [moment])


def _floor(moment):
    return moment.replace(minute=0, second=0, microsecond=0)
