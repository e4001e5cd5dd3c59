"""What the devices of each farm measured in an hour or a day, summed up from the rollups."""

from psycopg2 import sql

from .spec import ROLLUP_PERIODS

#: Part of a summary -> how one is made of several. A sum that PostgreSQL cannot hold is an error, and the nonsense that
#: two devices of one farm measured would keep the hours of all farms from being published. What was not measured is
#: left out by a filter: `least` and `greatest` pass over NULL, and would make a number of it.
_MERGES = {
    "count": "sum({0})",
    "sum": "sum(least(greatest({0}, -1e300::float8), 1e300::float8)) FILTER (WHERE {0} IS NOT NULL)",
    "min": "min({0})",
    "max": "max({0})",
}
#: The same of readings; a `real` is turned into a double precision by its text, as when it was summed up.
_OF_READINGS = {
    **_MERGES,
    "count": "count({0})",
    "sum": "sum(least(greatest({0}::text::float8, -1e300::float8), 1e300::float8)) FILTER (WHERE {0} IS NOT NULL)",
}


def summaries(cr, specs, period, begin, end):
    """Sum up the rollups of a period by farm, bucket and type of device.

    :param specs: the `TelemetrySpec`s
    :param period: `hourly` or `daily`
    :param begin: the first bucket, naive UTC
    :param end: the first bucket that is left out
    :return: {(farm id, bucket): {device type: {"devices", "readings", "values": {name: {"count", "sum", "mean", "min",
        "max"}}}}}; a value that was not measured is left out
    """
    found = {}
    for spec in specs:
        if not spec.rollup_columns:
            continue
        cr.execute(_statement(spec, period), {"begin": begin, "end": end})
        for farm_id, bucket, device_type, devices, readings, *figures in cr.fetchall():
            found.setdefault((farm_id, bucket), {})[device_type] = {
                "devices": devices,
                "readings": int(readings),
                "values": _values(spec, figures),
            }
    return found


def _statement(spec, period):
    names = [f"{name}_{part}" for name in spec.rollup_columns for part in _MERGES]
    return sql.SQL(
        # The rollup of a device that moved in that hour or day is of no farm: its readings say which are whose.
        "WITH part AS ("
        " SELECT farm_id, bucket, iot_device_id, readings, {names} FROM {rollup}"
        " WHERE bucket >= %(begin)s AND bucket < %(end)s AND farm_id IS NOT NULL"
        " UNION ALL"
        " SELECT reading.farm_id, mixed.bucket, reading.iot_device_id, count(*), {readings}"
        " FROM {rollup} mixed JOIN {table} reading ON reading.iot_device_id = mixed.iot_device_id"
        " AND reading.timestamp >= mixed.bucket AND reading.timestamp < mixed.bucket + {length}::interval"
        " WHERE mixed.bucket >= %(begin)s AND mixed.bucket < %(end)s AND mixed.farm_id IS NULL GROUP BY 1, 2, 3"
        ") SELECT part.farm_id, part.bucket, device.device_type, count(*), sum(part.readings), {figures}"
        " FROM part JOIN iot_device device ON device.id = part.iot_device_id"
        " JOIN farm_location farm ON farm.id = part.farm_id GROUP BY 1, 2, 3"
    ).format(
        names=sql.SQL(", ").join(map(sql.Identifier, names)),
        rollup=sql.Identifier(spec.rollup_table(period)),
        table=sql.Identifier(spec.table),
        length=sql.Literal(f"1 {ROLLUP_PERIODS[period]}"),
        readings=sql.SQL(", ").join(
            sql.SQL(merge).format(sql.Identifier("reading", name))
            for name in spec.rollup_columns
            for merge in _OF_READINGS.values()
        ),
        figures=sql.SQL(", ").join(
            sql.SQL(merge).format(sql.Identifier("part", f"{name}_{part}"))
            for name in spec.rollup_columns
            for part, merge in _MERGES.items()
        ),
    )


def _values(spec, figures):
    values = {}
    for index, name in enumerate(spec.rollup_columns):
        count, total, least, greatest = figures[4 * index : 4 * index + 4]
        if count:
            mean = total / int(count)
            values[name] = {"count": int(count), "sum": total, "mean": mean, "min": least, "max": greatest}
    return values
