"""Pages of readings of one kind over a span of time, as far as the user may see them, for export and archives."""

import os
from dataclasses import dataclass
from datetime import datetime

from odoo import _, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..telemetry.export import PAGE, pieces
from ..telemetry.spec import BASE_COLUMNS

#: Most readings in a file that a browser loads: a minute's work, well below what a server lets a request take. What is
#: cut off in the middle looks like a whole file.
MOST_IN_FILE = 2_000_000

# What tells a reading from all others, and the order in which they are exported.
_KEY = ("timestamp", "iot_device_id", "channel")

# Ids mean nothing outside of this database: devices and farms go by their own.
_NAMES = {
    "iot_device_id": ("device_id", "iot_device"),
    "farm_id": ("code", "farm_location"),
}

# PostgreSQL's `integer`.
_LARGEST_ID = 2**31 - 1


@dataclass(frozen=True)
class ExportSpan:
    """What is exported: `since` <= time < `until`, naive UTC; of one farm, by its id, or of all that the user sees."""

    since: datetime
    until: datetime
    farm_id: "int | None" = None

    def __post_init__(self):
        """:raises ValueError: where nothing can be in it"""
        if self.since.tzinfo or self.until.tzinfo:
            raise ValueError("Times are UTC, without a time zone.")
        if self.since >= self.until:
            raise ValueError("What is exported begins before it ends.")
        if self.farm_id is not None and not 0 < self.farm_id <= _LARGEST_ID:
            raise ValueError("There is no such farm.")


class IotTelemetryMixin(models.AbstractModel):
    _inherit = "iot.telemetry.mixin"

    def _export_columns(self):
        """{name: PostgreSQL type} of the columns of an exported file."""
        base = {name: pg_type for name, pg_type in BASE_COLUMNS if name not in _NAMES}
        names = {"device_id": "text", "farm_code": "text"}
        values = {column.name: column.pg_type for column in self._telemetry_spec().columns}
        return {"timestamp": "timestamp", **names, **base, **values}

    def _export_to(self, span, file_format, path):
        """Write the readings of the span into a file, which has its name once it is whole; how many there are.

        No transaction lasts longer than a page, so the caller has none open meanwhile.

        :param path: `Path` of a file that is not there yet
        :raises OSError: where it cannot be written, or another run writes it; what is there stays as it is
        """
        if path.exists():
            raise FileExistsError(f"{path} is there already")
        with self.env.registry.cursor() as cursor:
            readings = self.with_env(self.env(cr=cursor))
            columns, first = readings._export_columns(), readings._export_page(span, None, PAGE)
        rows = 0

        def counted(pages):
            nonlocal rows
            for page in pages:
                rows += len(page)
                yield page

        pages = counted(self._export_pages(span, PAGE, first))
        unfinished = path.with_name(f"{path.name}.part")
        with unfinished.open("xb") as file:
            try:
                file.writelines(pieces(file_format, columns, pages))
                file.flush()
                # Unlike a new name, a link takes no other file's place.
                os.link(unfinished, path)
            finally:
                unfinished.unlink()
        return rows

    def _export_pages(self, span, size, page):
        """The readings, page by page, each read in a transaction of its own: none waits for a slow reader.

        :param span: `ExportSpan`
        :param size: most rows of a page
        :param page: the first one, which the caller has read: what is wrong shows before anything is written
        :return: yields lists of rows in the order of `_export_columns`
        """
        while page:
            yield [row[len(_KEY) :] for row in page]
            if len(page) < size:
                return
            with self.env.registry.cursor() as cursor:
                page = self.with_env(self.env(cr=cursor))._export_page(span, page[-1][: len(_KEY)], size)

    def _export_page(self, span, after, limit):
        """Rows of the key, by which the next page is asked for, followed by the exported columns."""
        query, key = self._export_query(span, after)
        query.order = SQL("%s, %s, %s", *key)
        query.limit = limit
        columns = [self._export_expression(query.table, name) for name in self._export_columns()]
        self.env.cr.execute(query.select(*key, *columns))
        return self.env.cr.fetchall()

    def _check_fits_file(self, span):
        """Count the readings of the span, no further than a file that a browser loads may have.

        :return: how many there are
        :raises UserError: where there are more
        """
        query, _key = self._export_query(span)
        query.limit = MOST_IN_FILE + 1
        self.env.cr.execute(SQL("SELECT count(*) FROM (%s) AS reading", query.select(SQL("1"))))
        (count,) = self.env.cr.fetchone()
        if count > MOST_IN_FILE:
            raise UserError(
                _(
                    "These are more than %s readings: export shorter spans, or have the server's administrator run"
                    " odoo-bin iot_store export.",
                    f"{MOST_IN_FILE:,}",
                )
            )
        return count

    def _export_query(self, span, after=None):
        """The readings of the span that the user may see, past a key where one is given; and the key's columns."""
        # A query of the ORM's for its record rules; its fields would cut off the fractions of a second.
        query = self._search([("farm_id", "=", span.farm_id)] if span.farm_id else [])
        key = [SQL.identifier(query.table, name) for name in _KEY]
        query.add_where(SQL("%s >= %s AND %s < %s", key[0], after[0] if after else span.since, key[0], span.until))
        if after:
            query.add_where(SQL("(%s, %s, %s) > (%s, %s, %s)", *key, *after))
        return query, key

    def _export_expression(self, table, column):
        source = {"device_id": "iot_device_id", "farm_code": "farm_id"}.get(column)
        if source is None:
            return SQL.identifier(table, column)
        name, other = _NAMES[source]
        other = SQL.identifier(other)
        return SQL(
            "(SELECT other.%s FROM %s AS other WHERE other.id = %s)",
            SQL.identifier(name),
            other,
            SQL.identifier(table, source),
        )
