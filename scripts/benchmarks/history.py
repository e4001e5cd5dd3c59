"""Fills a farm's store with weeks of readings, made by PostgreSQL itself: as many rows as the bridge stores in hours.

Every device has a reading every so many minutes, some tenths of a second early or late, and under way for up to a fifth
of a second, as no two are. Values go up and down over the day and from reading to reading as those of real sensors do,
to the precision that sensors have. The rollups are what the bridge's statement would have made of them.
"""

import contextlib
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg2 import sql

from stack.shell import StackError, say

from .farm import SMOKE, BenchFarm, plan
from .load import utc_now
from .traffic import TABLES

#: The farms and readings of the benchmarks that need tens of millions, which take longest to make.
HISTORY_FARM = plan("history", 10_000, farms=50)
ROWS = 10_000 if SMOKE else int(os.environ.get("ROWS", 50_000_000))
SPAN = timedelta(days=35)
#: Bytes of disk per reading, with indexes, rollups and the server's log; generous.
_BYTES_PER_READING = 500
#: Left free, whatever is asked for.
_SPARE_BYTES = 5 * 2**30
_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
#: TimescaleDB's weeks begin on a Thursday, as 1970 did.
_FIRST_WEEK = datetime(1970, 1, 1)
#: Between the end of the readings and that of their week, for what is published afterwards.
_ROOM = timedelta(hours=2)
#: What is published meanwhile is younger.
_YOUNGEST = timedelta(days=2)
_PERIODS = {"hourly": "hour", "daily": "day"}

# Expressions of the seconds since 1970 (`epoch`), the day's course, from 0 to 1, and the device's own number, 0 to 99.
_BATTERY = "round((60 + own / 5 + 15 * cos(epoch / 900000 + own) + random() / 2)::numeric, 1)"
_SIGNAL = "round((-65 - own / 10 + 6 * sin(epoch / 7000 + own) + 4 * random())::numeric)"
_ENERGY = "round((0.4 + own / 100.0 + random() / 2)::numeric, 2)"
_VALUES = {
    "collar": {
        "energy_wh": _ENERGY,
        "activity_level": "20 + 50 * course + 10 * random()",
        "rumination_minutes": "25 + 20 * course + 5 * random()",
        "lying_time_minutes": "20 + 20 * course",
        "standing_time_minutes": "40 - 20 * course",
        "steps": "300 * course + 100 * random()",
        "battery_level": _BATTERY,
    },
    "temperature": {
        "energy_wh": _ENERGY,
        "temperature": "round((4 + 8 * course + own / 20 + random() / 5)::numeric, 1)",
        "humidity": "round((85 - 20 * course + random())::numeric, 1)",
        "location": "'north barn'",
        "location_type": "'barn'",
        "battery_level": _BATTERY,
        "signal_strength": _SIGNAL,
    },
    "milk_meter": {
        "energy_wh": _ENERGY,
        "session_id": "'S' || own || '-' || floor(epoch / 3600)::integer",
        "milking": "true",
        "yield_liters": "round((10 + 20 * course * random())::numeric, 1)",
        "flow_rate_lpm": "round((2 + random() * 3)::numeric, 1)",
        "duration_seconds": "300 * random()",
        "fat_percentage": "round((3.6 + random())::numeric, 1)",
        "protein_percentage": "round((3.1 + random() / 2)::numeric, 1)",
        "conductivity": "round((4.5 + random() / 2)::numeric, 1)",
    },
}


@dataclass(frozen=True)
class History:
    """How many readings there are, and until when, naive UTC."""

    readings: int
    end: datetime


def history_end() -> datetime:
    """Shortly before the end of the last whole week, so that its part of the store is as full as one gets."""
    youngest = utc_now() - _YOUNGEST
    return youngest - (youngest - _FIRST_WEEK) % _WEEK - _ROOM


def fill(farm: BenchFarm, rows: int) -> History:
    """Store about so many readings of the farm's devices, of the `SPAN` before `history_end`.

    Fewer where the disk has no room for them; those that are there already where it has been done before.

    :raises StackError: where the disk has no room, or the server is without TimescaleDB
    """
    if farm.history is None:
        farm.history = _fill(farm, _rows_that_fit(farm, rows), history_end())
    return farm.history


def _rows_that_fit(farm: BenchFarm, rows: int) -> int:
    free = shutil.disk_usage(farm.bed.directory).free - _SPARE_BYTES
    most = free // _BYTES_PER_READING
    if most < len(farm.devices):
        raise StackError(f"Only {free / 2**30:.1f} GiB of the disk are free, besides what has to stay so.")
    if most < rows:
        say(f"the disk has room for {most:,} readings, not for {rows:,}")
    return min(rows, most)


def _fill(farm: BenchFarm, rows: int, end: datetime) -> History:
    farm.require_timescaledb()
    turns = max(1, rows // len(farm.devices))
    step = timedelta(seconds=max(1, SPAN // turns // timedelta(seconds=1)))
    say(f"making {turns * len(farm.devices):,} readings, one of each device every {step}")
    began = time.monotonic()
    with ThreadPoolExecutor(max_workers=len(TABLES)) as executor:
        kinds = [executor.submit(_fill_kind, farm, kind, end - turns * step, end, step) for kind in TABLES]
        made = sum(kind.result() for kind in kinds)
    seconds = time.monotonic() - began
    say(f"made in {seconds:,.0f} s, {1_000_000 * seconds / made:.1f} s per million")
    return History(made, end)


def _fill_kind(farm: BenchFarm, device_type: str, begin: datetime, end: datetime, step: timedelta) -> int:
    """Fill the table of one type of device, day by day; returns how many readings were made."""
    table, made = TABLES[device_type], 0
    rollups = {f"{table}_{period}": unit for period, unit in _PERIODS.items()}
    with contextlib.closing(farm.connect()) as connection, connection.cursor() as cursor:
        day = begin.replace(hour=0, minute=0, second=0)
        while day < end:
            since, until = max(day, begin), min(day + _DAY, end)
            first = begin + -((begin - since) // step) * step
            made += _fill_day(cursor, device_type, table, first, until, step)
            for rollup, unit in rollups.items():
                _fill_rollup(cursor, table, rollup, unit, since, until)
            day += _DAY
        for name in (table, *rollups):
            # The visibility map too: a server does that by itself, some time later.
            cursor.execute(sql.SQL("VACUUM ANALYZE {}").format(sql.Identifier(name)))
    return made


def _fill_day(cursor, device_type: str, table: str, first: datetime, until: datetime, step: timedelta) -> int:
    values = _VALUES[device_type]
    cursor.execute(
        sql.SQL(
            "INSERT INTO {} (iot_device_id, timestamp, channel, farm_id, in_maintenance, received_at, {})"
            # No reading leaves the second of its turn, and so none its day.
            " SELECT id, moment + jitter, 0, farm_id, false,"
            " moment + jitter + (5 + floor(random() * 201)) * interval '1 millisecond', {}"
            " FROM (SELECT moment, id, farm_id, id %% 100 AS own, extract(epoch FROM moment)::float8 AS epoch,"
            " sin(pi() * extract(epoch FROM moment)::float8 / 86400) ^ 2 AS course,"
            " (id %% 100 * 5 + floor(random() * 400)) * interval '1 millisecond' AS jitter"
            " FROM generate_series(%s::timestamp, %s::timestamp - interval '1 second', %s) moment, iot_device"
            " WHERE device_type = %s) reading"
        ).format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(map(sql.SQL, values.values())),
        ),
        [first, until, step, device_type],
    )
    return cursor.rowcount


def _fill_rollup(cursor, table: str, rollup: str, unit: str, since: datetime, until: datetime) -> None:
    cursor.execute(
        "SELECT value.attname, format_type(value.atttypid, value.atttypmod) FROM pg_attribute part"
        " JOIN pg_attribute value ON value.attname || '_sum' = part.attname"
        " WHERE part.attrelid = quote_ident(%s)::regclass AND value.attrelid = quote_ident(%s)::regclass"
        " AND NOT part.attisdropped AND NOT value.attisdropped",
        [rollup, table],
    )
    parts = [(name, part, kind) for name, kind in cursor.fetchall() for part in ("count", "sum", "min", "max")]
    # By time, and within an hour mixed: so they come in, and a device's are not side by side on the disk.
    cursor.execute(
        sql.SQL(
            "INSERT INTO {} (iot_device_id, bucket, farm_id, readings, {}) SELECT iot_device_id,"
            " date_trunc(%s, timestamp), CASE WHEN min(farm_id) = max(farm_id) THEN min(farm_id) END, count(*), {}"
            " FROM {} WHERE timestamp >= %s AND timestamp < %s GROUP BY 1, 2 ORDER BY 2, hashint4(iot_device_id)"
        ).format(
            sql.Identifier(rollup),
            sql.SQL(", ").join(sql.Identifier(f"{name}_{part}") for name, part, _kind in parts),
            sql.SQL(", ").join(
                sql.SQL(_summary(part, kind)).format(sql.Identifier(name)) for name, part, kind in parts
            ),
            sql.Identifier(table),
        ),
        [unit, since, until],
    )


def _summary(part: str, kind: str) -> str:
    """As the bridge's statement sums up: a `real` by its text, see `telemetry.statements`."""
    return "sum({}::text::double precision)" if (part, kind) == ("sum", "real") else f"{part}({{}})"
