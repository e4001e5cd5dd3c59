"""The statement that writes a batch of readings of one kind.

One statement stores what is new, drops what is there already, adds the new readings to the rollups and says which were
new. Values are bound as one array literal per column (`bridge/arrays.py`); identifiers are quoted.
"""

from psycopg2 import sql

from .spec import BASE_COLUMNS, ROLLUP_PERIODS
from .tables import rollup_columns


def insert_columns(spec):
    """[(name, PostgreSQL type)] in the order in which `insert_statement` takes its arrays."""
    return [*BASE_COLUMNS, *((column.name, column.pg_type) for column in spec.columns)]


def insert_statement(spec):
    """Insert a batch, given as its arrays and the number of its readings.

    The first row has the number of readings that were new. Where that is less than there are, rows of nothing, device,
    timestamp and channel follow and say which: usually all are new, and to say so of each would cost more than that.
    """
    columns = insert_columns(spec)
    names = sql.SQL(", ").join(sql.Identifier(name) for name, _type in columns)
    arrays = sql.SQL(", ").join(sql.SQL("%s::{}[]").format(sql.SQL(pg_type)) for _name, pg_type in columns)
    rollups = [
        sql.SQL(", {} AS ({})").format(sql.Identifier(period), _rollup(spec, period))
        for period in (ROLLUP_PERIODS if spec.rollup_columns else ())
    ]
    return sql.SQL(
        "WITH new AS (INSERT INTO {table} ({names}) SELECT * FROM unnest({arrays})"
        " ON CONFLICT (iot_device_id, timestamp, channel) DO NOTHING RETURNING *)"
        "{rollups} SELECT count(*), NULL::integer, NULL::timestamp, NULL::smallint FROM new"
        " UNION ALL SELECT NULL, iot_device_id, timestamp, channel FROM new WHERE (SELECT count(*) FROM new) < %s"
    ).format(table=sql.Identifier(spec.table), names=names, arrays=arrays, rollups=sql.Composed(rollups))


def _rollup(spec, period):
    # In key order: two writers that take the same rows in the same order cannot deadlock.
    return sql.SQL(
        "INSERT INTO {table} AS rollup (iot_device_id, bucket, farm_id, readings, {names})"
        " SELECT iot_device_id, date_trunc({unit}, timestamp),"
        " CASE WHEN min(farm_id) = max(farm_id) THEN min(farm_id) END, count(*), {sums}"
        " FROM new GROUP BY 1, 2 ORDER BY 1, 2"
        " ON CONFLICT (iot_device_id, bucket) DO UPDATE SET"
        " farm_id = CASE WHEN rollup.farm_id = excluded.farm_id THEN rollup.farm_id END,"
        " readings = rollup.readings + excluded.readings, {updates}"
    ).format(
        table=sql.Identifier(spec.rollup_table(period)),
        unit=sql.Literal(ROLLUP_PERIODS[period]),
        names=sql.SQL(", ").join(sql.Identifier(name) for name, _type in rollup_columns(spec)),
        sums=sql.SQL(", ").join(
            sql.SQL(_part(spec, name, part)).format(sql.Identifier(name))
            for name in spec.rollup_columns
            for part in ("count", "sum", "min", "max")
        ),
        updates=sql.SQL(", ").join(
            _merge(name, part) for name in spec.rollup_columns for part in ("count", "sum", "min", "max")
        ),
    )


def _part(spec, name, part):
    is_real = any(column.name == name and column.pg_type == "real" for column in spec.columns)
    # A `real` is 4.2 only as long as it is one: as its text it becomes the same number in more digits.
    return "sum({}::text::double precision)" if (part, is_real) == ("sum", True) else part + "({})"


# How two summaries become one; `least` and `greatest` pass over NULL, the others must be told to: a sum of no values is
# NULL, and so is the count in rows that are older than their column.
_MERGES = {
    "count": "{name} = coalesce(rollup.{name}, 0) + excluded.{name}",
    "sum": "{name} = coalesce(rollup.{name} + excluded.{name}, rollup.{name}, excluded.{name})",
    "min": "{name} = least(rollup.{name}, excluded.{name})",
    "max": "{name} = greatest(rollup.{name}, excluded.{name})",
}


def _merge(name, part):
    return sql.SQL(_MERGES[part]).format(name=sql.Identifier(f"{name}_{part}"))
