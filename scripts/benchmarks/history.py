"""Fills a farm's store with weeks of readings, made by PostgreSQL itself: as many rows as the bridge stores in hours.

Every device has a reading every so many minutes, with values that go up and down over the day as those of real sensors
do, to the precision that sensors have. The rollups are what the bridge's statement would have made of them.
"""

import shutil
from datetime import datetime, timedelta

from psycopg2 import sql

from stack.shell import StackError, say

from .farm import BenchFarm
from .traffic import TABLES

SPAN = timedelta(days=35)
#: Bytes of disk per reading, with indexes, rollups and the server's log; generous.
_BYTES_PER_READING = 500
#: Left free, whatever is asked for.
_SPARE_BYTES = 5 * 2**30
_DAY = timedelta(days=1)
_PERIODS = {"hourly": "hour", "daily": "day"}

# Expressions of the day's course, from 0 to 1, and of the device's own number, from 0 to 99.
_VALUES = {
    "collar": {
        "activity_level": "20 + 50 * course + 10 * random()",
        "rumination_minutes": "25 + 20 * course + 5 * random()",
        "lying_time_minutes": "20 + 20 * course",
        "standing_time_minutes": "40 - 20 * course",
        "steps": "300 * course + 100 * random()",
        "battery_level": "90 - own / 10",
    },
    "temperature": {
        "temperature": "round((4 + 8 * course + own / 20 + random() / 5)::numeric, 1)",
        "humidity": "round((85 - 20 * course + random())::numeric, 1)",
        "location": "'north barn'",
        "location_type": "'barn'",
        "battery_level": "90 - own / 10",
        "signal_strength": "-60 - own / 5",
    },
    "milk_meter": {
        "session_id": "'S' || own",
        "milking": "true",
        "yield_liters": "round((10 + 20 * course * random())::numeric, 1)",
        "flow_rate_lpm": "round((2 + random() * 3)::numeric, 1)",
        "duration_seconds": "300 * random()",
        "fat_percentage": "3.9",
        "protein_percentage": "3.3",
        "conductivity": "round((4.5 + random() / 2)::numeric, 1)",
    },
}


def rows_that_fit(farm: BenchFarm, rows: int) -> int:
    """So many, or what there is room for on the disk.

    :raises StackError: where there is no room at all
    """
    free = shutil.disk_usage(farm.bed.directory).free - _SPARE_BYTES
    most = free // _BYTES_PER_READING
    if most < len(farm.devices):
        raise StackError(f"Only {free / 2**30:.1f} GiB of the disk are free, besides what has to stay so.")
    if most < rows:
        say(f"the disk has room for {most:,} readings, not for {rows:,}")
    return min(rows, most)


def fill(farm: BenchFarm, rows: int, end: datetime) -> int:
    """Store about so many readings of the farm's devices, of the `SPAN` before ``end``; returns how many there are.

    :param end: naive UTC, a whole second
    """
    turns = max(1, rows // len(farm.devices))
    step = timedelta(seconds=max(1, SPAN // turns // timedelta(seconds=1)))
    say(f"making {turns * len(farm.devices):,} readings, one of each device every {step}")
    begin = end - turns * step
    day = begin.replace(hour=0, minute=0, second=0)
    while day < end:
        since, until = max(day, begin), min(day + _DAY, end)
        first = begin + -((begin - since) // step) * step
        for device_type, table in TABLES.items():
            _fill_day(farm, device_type, table, first, until, step)
            for period, unit in _PERIODS.items():
                _fill_rollup(farm, table, f"{table}_{period}", unit, since, until)
        day += _DAY
    for table in TABLES.values():
        for name in (table, *(f"{table}_{period}" for period in _PERIODS)):
            # The visibility map too: a server does that by itself, some time later.
            farm.rows(sql.SQL("VACUUM ANALYZE {}").format(sql.Identifier(name)))
    return readings(farm)


def readings(farm: BenchFarm) -> int:
    """How many readings there are."""
    count = sql.SQL("SELECT count(*) FROM {}")
    return sum(farm.rows(count.format(sql.Identifier(table)))[0][0] for table in TABLES.values())


def _fill_day(farm: BenchFarm, device_type: str, table: str, first: datetime, until: datetime, step: timedelta) -> None:
    values = _VALUES[device_type]
    farm.rows(
        sql.SQL(
            "INSERT INTO {} (iot_device_id, timestamp, channel, farm_id, in_maintenance, received_at, {})"
            " SELECT id, moment + own * interval '0.01 second', 0, farm_id, false, moment + interval '1 second', {}"
            " FROM (SELECT moment, id, farm_id, id %% 100 AS own,"
            " sin(pi() * extract(epoch FROM moment)::float8 / 86400) ^ 2 AS course"
            " FROM generate_series(%s::timestamp, %s::timestamp - interval '1 second', %s) moment, iot_device"
            " WHERE device_type = %s) reading"
        ).format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(map(sql.SQL, values.values())),
        ),
        *(first, until, step, device_type),
    )


def _fill_rollup(farm: BenchFarm, table: str, rollup: str, unit: str, since: datetime, until: datetime) -> None:
    names = farm.rows(
        "SELECT regexp_replace(attname, '_sum$', '') FROM pg_attribute"
        " WHERE attrelid = quote_ident(%s)::regclass AND attname LIKE %s AND NOT attisdropped",
        *(rollup, r"%\_sum"),
    )
    parts = [(name, part) for (name,) in names for part in ("count", "sum", "min", "max")]
    farm.rows(
        sql.SQL(
            "INSERT INTO {} (iot_device_id, bucket, farm_id, readings, {}) SELECT iot_device_id,"
            " date_trunc(%s, timestamp), min(farm_id), count(*), {} FROM {}"
            " WHERE timestamp >= %s AND timestamp < %s GROUP BY 1, 2 ORDER BY 1, 2 ON CONFLICT DO NOTHING"
        ).format(
            sql.Identifier(rollup),
            sql.SQL(", ").join(sql.Identifier(f"{name}_{part}") for name, part in parts),
            sql.SQL(", ").join(sql.SQL(f"{part}({{}})").format(sql.Identifier(name)) for name, part in parts),
            sql.Identifier(table),
        ),
        *(unit, since, until),
    )
