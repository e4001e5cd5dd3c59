"""How well each device reported, hour by hour. What the figures mean is in `telemetry/quality.py`.

An hour is assessed ten minutes after its end, once. Readings that come later, say from a device that was offline, have
its row written anew, for a week after the hour.
"""

from datetime import timedelta

from odoo import _, api, fields, models
from odoo.exceptions import AccessError

from ..telemetry.quality import FORGOTTEN, assess, changed, due
from .iot_device import DEVICE_TYPES

INTERVAL_KEY = "interval_seconds"
"""The key of a device's configuration that says how often it reports."""

# The next hour to be assessed, in the transaction of the one before: each has its turn once.
_NEXT_HOUR = "smart_dairy_iot.data_quality_next_hour"
_GRACE = timedelta(minutes=10)
_HOUR = timedelta(hours=1)
# How far back late readings are looked for, and how far a fresh installation begins.
_WINDOW = timedelta(days=7)
_KEEP = timedelta(days=90)
# Nothing reports more often than a thousand times a second; a smaller number is a mistake.
_SHORTEST = 0.001
# Of one run. What is left is for the next, ten minutes later.
_MOST_HOURS = 24
_MOST_LATE = 20_000


class IotDataQuality(models.Model):
    """One row for each device and hour, written past the ORM."""

    _name = "iot.data.quality"
    _description = "Data Quality"
    _log_access = False
    _order = "hour desc, iot_device_id"
    _rec_name = "hour"

    iot_device_id = fields.Many2one(
        "iot.device", string="Device", required=True, readonly=True, ondelete="cascade", index=True
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
        string="Received (%)", digits=(16, 1), readonly=True, group_operator="avg", help="Of the messages expected"
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

    _sql_constraints = [
        ("hour_unique", "UNIQUE(iot_device_id, hour)", "This hour of the device is assessed already."),
    ]

    @api.model
    def _cron_assess(self):
        """Assess the hours that are over, and anew those of which readings came in late."""
        if not self.env.su:
            raise AccessError(_("Only the platform itself assesses its data."))
        self.env.flush_all()
        over = _floor(fields.Datetime.now() - _GRACE)
        # A parameter of the platform's own: it is running as superuser.
        parameters = self.env["ir.config_parameter"]
        begin = fields.Datetime.to_datetime(parameters.get_param(_NEXT_HOUR)) or over - _WINDOW
        until = min(over, begin + _MOST_HOURS * _HOUR)
        for spec in self.env["iot.settings"]._telemetry_specs():
            for number in range((until - begin) // _HOUR):
                hour = begin + number * _HOUR
                self._assess(spec, hour, due(self.env.cr, spec, hour))
            late = changed(self.env.cr, spec, over - _WINDOW, until, _MOST_LATE)
            for hour, devices in late.items():
                self._assess(spec, hour, devices)
        if until > begin:
            parameters.set_param(_NEXT_HOUR, fields.Datetime.to_string(until))
        self.invalidate_model()

    @api.model
    def _assess(self, spec, hour, devices):
        assess(
            self.env.cr,
            spec,
            hour,
            [(device_id, self._configured_interval(text), watched) for device_id, text, watched in devices],
        )

    @api.model
    def _configured_interval(self, config_json):
        """Seconds between two messages by a device's configuration, None where it does not say so."""
        if not config_json:
            return None
        interval = self.env["iot.device"]._parse_configuration(config_json, "").get(INTERVAL_KEY)
        # What a device is sent is between the user and the device: anything may stand there.
        if isinstance(interval, bool) or not isinstance(interval, (int, float)):
            return None
        return float(interval) if _SHORTEST <= interval <= FORGOTTEN.total_seconds() else None

    @api.autovacuum
    def _gc_old(self):
        self.env.cr.execute("DELETE FROM iot_data_quality WHERE hour < %s", [fields.Datetime.now() - _KEEP])


def _floor(moment):
    return moment.replace(minute=0, second=0, microsecond=0)
