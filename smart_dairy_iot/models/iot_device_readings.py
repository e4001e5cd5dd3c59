"""The readings of a device over a span of time, page by page: as they came, or summed up by the hour or the day."""

from dataclasses import dataclass
from datetime import datetime

from odoo import models
from odoo.tools import SQL

#: Resolution -> rollup period. `raw` is the reading itself.
ROLLUPS = {"hour": "hourly", "day": "daily"}
RESOLUTIONS = ("raw", *ROLLUPS)
#: What is told of a metric in an hour or a day.
SUMMARIES = ("count", "mean", "min", "max")


@dataclass(frozen=True)
class ReadingSpan:
    """What is asked for: `since` <= time < `until`, naive UTC, and the names of the metrics.

    An hour or a day goes by its beginning.
    """

    resolution: str
    since: datetime
    until: datetime
    metrics: tuple

    @property
    def columns(self):
        """Names of the values in a row of a page."""
        if self.resolution == "raw":
            return ("timestamp", "channel", "in_maintenance", *self.metrics)
        return ("timestamp", "readings", *(f"{name}_{part}" for name in self.metrics for part in SUMMARIES))


class IotDevice(models.Model):
    _inherit = "iot.device"

    def _reading_metrics(self, resolution):
        """Names of the metrics that there are of this device in a resolution."""
        spec = self._reading_spec()
        return tuple(spec.rollup_columns) if resolution in ROLLUPS else tuple(column.name for column in spec.columns)

    def _reading_page(self, span, after, limit, offset=0):
        """Readings in the order of time, as far as the present user may see them.

        A device's earlier readings stay those of the farm on which it was then, and so do its hours and days; one in
        which it moved belongs to no farm, and is shown to the device alone.

        :param span: `ReadingSpan`
        :param after: (timestamp, channel) of the last reading of the page before, or None
        :param limit: most rows
        :param offset: how many rows are passed over
        :return: list of tuples, see `ReadingSpan.columns`
        """
        self.ensure_one()
        page = self._raw_page if span.resolution == "raw" else self._rollup_page
        self.env.cr.execute(SQL("%s OFFSET %s", page(self._reading_spec(), span, after, limit), offset))
        return self.env.cr.fetchall()

    def _reading_spec(self):
        specs = self.env["iot.settings"]._telemetry_specs()
        return next(spec for spec in specs if self.device_type in spec.device_types)

    def _raw_page(self, spec, span, after, limit):
        # A query of the ORM's for its record rules; its fields would cut off the fractions of a second.
        query = self.env[spec.model]._search([("iot_device_id", "=", self.id)])
        timestamp, channel = (SQL.identifier(query.table, name) for name in ("timestamp", "channel"))
        query.add_where(SQL("%s >= %s AND %s < %s", timestamp, span.since, timestamp, span.until))
        if after:
            query.add_where(SQL("(%s, %s) > (%s, %s)", timestamp, channel, *after))
        query.order = SQL("%s, %s", timestamp, channel)
        query.limit = limit
        return query.select(*(SQL.identifier(query.table, name) for name in span.columns))

    def _rollup_page(self, spec, span, after, limit):
        summaries = [SQL("readings")]
        for name in span.metrics:
            count, total, least, most = (SQL.identifier(f"{name}_{part}") for part in ("count", "sum", "min", "max"))
            summaries += [SQL("coalesce(%s, 0)", count), SQL("%s / nullif(%s, 0)", total, count), least, most]
        return SQL(
            "SELECT bucket, %s FROM %s WHERE iot_device_id = %s AND bucket >= %s AND bucket < %s AND %s AND %s"
            " ORDER BY bucket LIMIT %s",
            SQL(", ").join(summaries),
            SQL.identifier(spec.rollup_table(ROLLUPS[span.resolution])),
            self.id,
            span.since,
            span.until,
            SQL("bucket > %s", after[0]) if after else SQL("TRUE"),
            self._visible_rollups(spec),
            limit,
        )

    def _visible_rollups(self, spec):
        """The condition on a rollup's rows; raises AccessError for whom may not see readings at all."""
        if self.env.su:
            return SQL("TRUE")
        # For its check of the user's access; what is searched for does not matter.
        self.env[spec.model]._search([])
        farms = self.env["farm.location"].with_context(active_test=False)._search([])
        return SQL("farm_id IN %s", farms.subselect())
