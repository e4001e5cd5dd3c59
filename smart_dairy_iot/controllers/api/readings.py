"""`GET /devices/{id}/readings`: what a device measured, as JSON in pages or as one CSV file."""

from datetime import datetime, timedelta

from odoo import _, fields
from odoo.http import Controller, Response, request

from ...bridge.timestamps import format_timestamp, parse_timestamp
from ...models.iot_device_readings import RESOLUTIONS, ROLLUPS, SUMMARIES, ReadingSpan
from ...telemetry.export import csv_cell, csv_lines
from .base import ApiError, Operation, endpoint
from .operations import NULLABLE_TEXT

#: How far back from `to` it goes where `from` is not given.
DEFAULT_SPANS = {"raw": timedelta(days=1), "hour": timedelta(days=7), "day": timedelta(days=90)}
DEFAULT_LIMIT, MOST_READINGS = 500, 5000
#: Readings of a CSV file are read and sent in pieces of so many.
CSV_PAGE = 2000
#: Most readings in a CSV file: some 20 seconds' work, well below what a server lets a request take. What is cut off in
#: the middle looks like a whole file.
MOST_IN_CSV = 1_000_000

MOMENT = {"type": "string", "format": "date-time"}
READING = {
    "type": "object",
    "required": ["timestamp"],
    "properties": {
        "timestamp": {**MOMENT, "description": "UTC; of an hour or a day its beginning."},
        "channel": {"type": "integer", "description": "Raw readings: tells those of one instant apart."},
        "in_maintenance": {"type": ["boolean", "null"], "description": "Raw readings: taken during maintenance."},
        "readings": {"type": "integer", "description": "Hours and days: how many readings it sums up."},
    },
    "additionalProperties": {
        "description": "A metric. Raw: its value. Hours and days: its count, mean, min and max.",
        "type": ["number", "string", "boolean", "object", "null"],
    },
}


class ReadingsApi(Controller):
    @endpoint(
        "GET",
        "/devices/{id}/readings",
        Operation(
            summary="Readings of a device",
            description=(
                "In the order of time. With `resolution` hour or day they are summed up (UTC), from rollups that hold"
                " late readings, too. JSON comes in pages: go on with `next_cursor` as `cursor` until it is null. CSV"
                " (`format=csv` or `Accept: text/csv`) is the whole span in one file, of up to"
                f" {MOST_IN_CSV} readings; a text in it that a spreadsheet"
                " would take for a formula begins with an apostrophe.\n\nA user sees the readings that were taken on"
                " his farms; a device its own."
            ),
            query={
                "from": {**MOMENT, "description": "The first moment; a day, a week or 90 days before `to` by default."},
                "to": {**MOMENT, "description": "The end, which is not in it; now by default."},
                "resolution": {
                    "type": "string",
                    "enum": list(RESOLUTIONS),
                    "default": "raw",
                    "description": "The readings themselves, or their hours or days.",
                },
                "metrics": {
                    "type": "string",
                    "maxLength": 1000,
                    "description": "Names separated by commas; all by default, see `metrics` in the answer.",
                },
                "format": {"type": "string", "enum": ["json", "csv"], "description": "Goes before `Accept`."},
                "limit": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MOST_READINGS,
                    "description": f"Most readings in a page of JSON; {DEFAULT_LIMIT} by default.",
                },
                "cursor": {"type": "string", "maxLength": 40, "description": "`next_cursor` of the page before."},
            },
            answer={
                "device_id": {"type": "string"},
                "resolution": {"enum": list(RESOLUTIONS)},
                "from": MOMENT,
                "to": MOMENT,
                "metrics": {"type": "array", "items": {"type": "string"}},
                "count": {"type": "integer", "description": "How many are in this page."},
                "readings": {"type": "array", "items": READING},
                "next_cursor": NULLABLE_TEXT,
            },
            other_content={"text/csv": {"type": "string"}},
            callers=("user", "device"),
        ),
    )
    def list_readings(self, call):
        span = _span(call)
        if _wants_csv(call):
            return _csv_response(call.device, span)
        limit = call.query.get("limit", DEFAULT_LIMIT)
        rows = call.device._reading_page(span, _position(call.query.get("cursor")), limit + 1)
        page = rows[:limit]
        return {
            "device_id": call.device.device_id,
            "resolution": span.resolution,
            "from": format_timestamp(span.since),
            "to": format_timestamp(span.until),
            "metrics": list(span.metrics),
            "count": len(page),
            "readings": [_reading(span, row) for row in page],
            "next_cursor": _cursor(span, page[-1]) if len(rows) > limit else None,
        }


# ---------------------------------------------------------------------- what is asked for


def _span(call):
    resolution = call.query.get("resolution", "raw")
    # The present second is not over: what was measured in it is meant, too.
    until = _moment(call.query, "to") or fields.Datetime.now() + timedelta(seconds=1)
    try:
        since = _moment(call.query, "from") or until - DEFAULT_SPANS[resolution]
    except OverflowError as error:
        raise ApiError(400, _("The time is out of range.")) from error
    if resolution in ROLLUPS:
        # The hour or day in which it begins is meant, too.
        since = since.replace(minute=0, second=0, microsecond=0)
        since = since.replace(hour=0) if resolution == "day" else since
    if since >= until:
        raise ApiError(400, _("“from” must be before “to”."))
    return ReadingSpan(resolution, since, until, _metrics(call, resolution))


def _moment(query, name):
    if name not in query:
        return None
    try:
        return parse_timestamp(query[name])
    except (ValueError, OverflowError) as error:
        raise ApiError(400, _("“%s” is no time that there is.", name)) from error


def _metrics(call, resolution):
    known = call.device._reading_metrics(resolution)
    if "metrics" not in call.query:
        return known
    asked = call.query["metrics"].split(",")
    unknown = [name for name in asked if name not in known]
    if unknown or len(set(asked)) < len(asked):
        raise ApiError(400, _("“metrics” are of these, each once: %s.", ", ".join(known)))
    return tuple(asked)


def _wants_csv(call):
    accepted = request.httprequest.accept_mimetypes.best_match(["application/json", "text/csv"])
    if call.query.get("format", "csv" if accepted == "text/csv" else "json") == "json":
        return False
    if "limit" in call.query or "cursor" in call.query:
        raise ApiError(400, _("“limit” and “cursor” are for JSON: CSV is the whole span."))
    return True


def _cursor(span, row):
    return f"{row[0].isoformat()}~{row[1] if span.resolution == 'raw' else 0}"


def _position(cursor):
    """(timestamp, channel) of a cursor."""
    if cursor is None:
        return None
    timestamp, _tilde, channel = cursor.partition("~")
    try:
        moment = datetime.fromisoformat(timestamp)
        if moment.tzinfo or not 0 <= int(channel) <= 32767:
            raise ValueError(cursor)
    except ValueError as error:
        raise ApiError(400, _("“cursor” is none that was given out.")) from error
    return moment, int(channel)


# ---------------------------------------------------------------------- how it is told


def _reading(span, row):
    reading = dict(zip(span.columns, row, strict=True), timestamp=format_timestamp(row[0]))
    if span.resolution == "raw":
        return reading
    summary = {"timestamp": reading["timestamp"], "readings": reading["readings"]}
    for name in span.metrics:
        summary[name] = {part: reading[f"{name}_{part}"] for part in SUMMARIES}
    return summary


def _csv_response(device, span):
    name = f"{device.device_id}_{span.resolution}.csv"
    headers = {
        "Content-Type": "text/csv; charset=utf-8",
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
    }
    if device._reading_page(span, None, 1, offset=MOST_IN_CSV):
        raise ApiError(400, _("These are more than %s readings: ask for them in shorter spans.", MOST_IN_CSV))
    # The first piece is read now, so that what is wrong is an error and not a broken file.
    first = device._reading_page(span, None, CSV_PAGE)
    return Response(_csv_pieces(device, span, first), headers=headers, direct_passthrough=True)


def _csv_pieces(device, span, rows):
    """The file in pieces. The request is over when they are sent, so each has a transaction of its own: no connection
    waits for a slow reader."""
    yield csv_lines([span.columns])
    while rows:
        yield csv_lines([format_timestamp(row[0]), *map(csv_cell, row[1:])] for row in rows)
        if len(rows) < CSV_PAGE:
            return
        after = (rows[-1][0], rows[-1][1] if span.resolution == "raw" else 0)
        with device.env.registry.cursor() as cursor:
            rows = device.with_env(device.env(cr=cursor))._reading_page(span, after, CSV_PAGE)
