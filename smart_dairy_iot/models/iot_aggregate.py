"""What is published of each farm on `dairy/{farm_id}/aggregated/hourly|daily`, from the rollups, once a period is over.

An hour or a day (of UTC, as the rollups have it) is published ten minutes after its end. Readings that come later, say
from a device that was offline, have it published again with the next `revision`, as long as the period lies within the
window below: whoever reads it keeps the highest revision of (farm_id, period, start). What comes later still is in the
rollups and on the screens, and is not published. Periods that ended while nothing was published, because the platform
was down or the topic switched off, are made up for, however long ago, as far as these records go back.

The record is written in the transaction that fills the outbox, and is unique: a period is published once per revision.
"""

from datetime import timedelta

from odoo import _, api, fields, models
from odoo.exceptions import AccessError

from ..bridge.timestamps import format_timestamp
from ..telemetry.spec import ROLLUP_PERIODS
from ..telemetry.summaries import summaries

# A device may publish with some delay; what is on its way is not worth a revision.
_GRACE = timedelta(minutes=10)
_WINDOWS = {"hourly": timedelta(days=2), "daily": timedelta(days=7)}
_LENGTHS = {"hourly": timedelta(hours=1), "daily": timedelta(days=1)}
# Beyond every window; the readings themselves are kept for years.
_KEEP = timedelta(days=90)


class IotAggregate(models.Model):
    _name = "iot.aggregate"
    _description = "Published Aggregate"
    _log_access = False
    _order = "start desc, period, farm_id"
    _rec_name = "start"

    farm_id = fields.Many2one("farm.location", required=True, readonly=True, ondelete="cascade", index=True)
    period = fields.Selection([("hourly", "Hour"), ("daily", "Day")], required=True, readonly=True)
    start = fields.Datetime(required=True, readonly=True, index=True, help="Beginning of the hour or day of UTC")
    readings = fields.Integer(required=True, readonly=True)
    revision = fields.Integer(
        required=True, readonly=True, group_operator="max", help="1, and one more each time that late readings came in"
    )
    published_at = fields.Datetime(required=True, readonly=True)

    _sql_constraints = [
        ("period_unique", "UNIQUE(farm_id, period, start)", "This period of the farm is published already."),
    ]

    @api.model
    def _cron_publish(self):
        """Publish what is over and not published yet, or has changed since."""
        if not self.env.su:
            raise AccessError(_("Only the platform itself publishes its aggregates."))
        now = fields.Datetime.now()
        for period in ROLLUP_PERIODS:
            topic = self.env["iot.topic.hierarchy"].search([("code", "=", f"aggregated_{period}")])
            # An administrator who deactivates the topic wants nothing published there.
            if topic.is_active:
                self._publish_period(topic, period, now)

    def _publish_period(self, topic, period, now):
        end = _floor(now - _GRACE, period)
        begin = self._begin(period, end, now)
        specs = self.env["iot.settings"]._telemetry_specs()
        found = summaries(self.env.cr, specs, period, begin, end)
        known = self.search([("period", "=", period), ("start", ">=", begin), ("start", "<", end)])
        known = {(aggregate.farm_id.id, aggregate.start): aggregate for aggregate in known}
        for (farm_id, start), device_types in sorted(found.items()):
            readings = sum(summary["readings"] for summary in device_types.values())
            aggregate = known.get((farm_id, start), self.browse())
            if aggregate.readings == readings:
                continue
            values = {"readings": readings, "revision": aggregate.revision + 1, "published_at": now}
            if aggregate:
                aggregate.write(values)
            else:
                aggregate = self.create({**values, "farm_id": farm_id, "period": period, "start": start})
            aggregate._publish(topic, device_types)

    def _begin(self, period, end, now):
        """The first bucket to look at: that of the window, or the one after the last published if that is earlier."""
        last = self.search([("period", "=", period)], order="start desc", limit=1)
        begin = end - _WINDOWS[period]
        if last:
            begin = min(begin, last.start + _LENGTHS[period])
        # What was published before is forgotten, and must not be published as if it were new.
        return max(begin, now - _KEEP)

    def _publish(self, topic, device_types):
        self.ensure_one()
        payload = {
            "farm_id": self.farm_id.code,
            "period": self.period,
            "start": format_timestamp(self.start),
            "end": format_timestamp(self.start + _LENGTHS[self.period]),
            "revision": self.revision,
            "published_at": format_timestamp(self.published_at),
            "readings": self.readings,
            "device_types": device_types,
        }
        self.env["iot.mqtt.service"].publish(
            topic.generate_topic(farm_id=self.farm_id.code), payload, qos=int(topic.qos_level), retain=topic.retain
        )

    @api.autovacuum
    def _gc_old(self):
        self.env.cr.execute("DELETE FROM iot_aggregate WHERE start < %s", [fields.Datetime.now() - _KEEP])


def _floor(moment, period):
    moment = moment.replace(minute=0, second=0, microsecond=0)
    return moment.replace(hour=0) if period == "daily" else moment
