"""The level `plain`: a table of PostgreSQL's own, partitioned by weeks.

What readers and the writer know as `iot_temperature_reading` is a view; the rows are in the partitions of
`iot_temperature_reading_partitioned`. The ORM takes no partitioned table for a table, and PostgreSQL reads and writes
through a view as simple as this one, `ON CONFLICT` included, as if it were not there.

Partitions are made some weeks ahead by a scheduled action. There is no DEFAULT partition: once that held a row of a
week, the week could no longer get a partition of its own. A reading for whose week there is none, because it is late or
the action has not run, is refused by PostgreSQL; the writer then makes room and writes the batch again (`make_room`).
So a late reading costs its batch a second try, and nothing else.
"""

from datetime import datetime, timedelta

from psycopg2 import sql
from psycopg2.errors import CheckViolation, DuplicateTable, InvalidObjectDefinition

WEEK = timedelta(days=7)

#: Partitions are there for so many weeks to come: that long may the scheduled action be out of order unnoticed.
WEEKS_AHEAD = 4

_SUFFIX = "_partitioned"


def partitioned_table(table):
    """The table below the view."""
    return f"{table}{_SUFFIX}"


def week_of(moment):
    """The Monday, 00:00 UTC, with which the week of a naive UTC datetime begins."""
    day = datetime(moment.year, moment.month, moment.day)
    return day - timedelta(days=day.weekday())


def weeks_between(begin, end):
    """The weeks from that of `begin` to that of `end`."""
    first, last = week_of(begin), week_of(end)
    return [first + number * WEEK for number in range((last - first) // WEEK + 1)]


def ensure_view(cr, table):
    """Have the view show every column that the partitioned table has by now."""
    cr.execute(
        sql.SQL("CREATE OR REPLACE VIEW {} AS SELECT * FROM {}").format(
            sql.Identifier(table), sql.Identifier(partitioned_table(table))
        )
    )


def make_partitions(cr, table, weeks):
    """Make the partitions that are missing of these weeks; the names of the new ones.

    Writers and readers go on meanwhile. Others who make partitions of the table wait until this transaction ends.
    """
    parent = partitioned_table(table)
    # `CREATE TABLE ... PARTITION OF` would lock out everybody; attaching does not, but two may not do it at once.
    cr.execute(sql.SQL("LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE").format(sql.Identifier(parent)))
    known = {begin for _name, begin, _end in partitions(cr, table)}
    missing = sorted(set(weeks) - known)
    for week in missing:
        name = sql.Identifier(_partition_name(table, week))
        # Without the identity: the partition takes over that of the table when it is attached.
        cr.execute(
            sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)").format(
                name, sql.Identifier(parent)
            )
        )
        cr.execute(
            sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM (%s) TO (%s)").format(
                sql.Identifier(parent), name
            ),
            [week, week + WEEK],
        )
    return [_partition_name(table, week) for week in missing]


def partitions(cr, table):
    """[(name, begin, end)] of the partitions of a table, in the order of time."""
    cr.execute(
        """
        SELECT name, bounds[1]::timestamp, bounds[2]::timestamp FROM (
            SELECT child.relname AS name,
                   regexp_match(
                       pg_get_expr(child.relpartbound, child.oid), $$\\('([^']+)'\\) TO \\('([^']+)'\\)$$
                   ) AS bounds
              FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
             WHERE inhparent = quote_ident(%s)::regclass
        ) AS partition ORDER BY 2
        """,
        [partitioned_table(table)],
    )
    return cr.fetchall()


def make_partitions_ahead(cr, table, now):
    """Make the partitions of the coming weeks, and of the one before: devices may be some days late.

    :param now: naive UTC
    """
    return make_partitions(cr, table, weeks_between(now - WEEK, now + WEEKS_AHEAD * WEEK))


def drop_partitions(cr, table, before):
    """Drop the partitions that end by `before`; their names."""
    old = [name for name, _begin, end in partitions(cr, table) if end <= before]
    for name in old:
        cr.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
    return old


def make_room(connection, error, timestamps):
    """Make the partitions that a refused batch lacks, in a transaction of their own.

    :param connection: a psycopg2 connection at READ COMMITTED, with no transaction open
    :param error: why PostgreSQL has refused the batch
    :param timestamps: naive UTC datetimes of the batch's readings
    :return: whether there is room for all of them now, so that it is worth trying again
    """
    parent = error.diag.table_name if isinstance(error, CheckViolation) else None
    # The violation of a constraint names it; that of a missing partition has nothing to name.
    if not parent or not parent.endswith(_SUFFIX) or error.diag.constraint_name:
        return False
    table = parent.removesuffix(_SUFFIX)
    with connection.cursor() as cursor:
        try:
            make_partitions(cursor, table, {week_of(moment) for moment in timestamps})
        except (DuplicateTable, InvalidObjectDefinition):
            # A partition that somebody has detached keeps its name; one that somebody has made may overlap the week.
            connection.rollback()
            return False
        # Not only what was made here: another writer may have missed the same week, and have made it first.
        known = partitions(cursor, table)
    connection.commit()
    return all(any(begin <= moment < end for _name, begin, end in known) for moment in timestamps)


def _partition_name(table, week):
    return f"{table}_{week:%Y%m%d}"
