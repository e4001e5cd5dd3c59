"""Raises a telemetry table to a higher level, with the readings in it.

One table is one transaction, in which nobody else reads or writes it: the bridge keeps what it has and tries again, the
broker keeps the rest. Every row is counted before and after; where the counts differ nothing has happened. Rollups are
tables of their own and stay as they are. Ended on the way, the tables that are done are done, and the others as before.
"""

from dataclasses import dataclass

from psycopg2 import sql

from ..bridge.database import CONVERSION_LOCK
from .hypertables import enable_compression
from .levels import APACHE, PLAIN, is_above, level_of
from .partitions import make_partitions
from .spec import BASE_COLUMNS
from .tables import as_type, column_types, create_table, drop_indexes, grant, grants, physical_table


class ConversionError(RuntimeError):
    """The copy does not hold what the original does."""


@dataclass(frozen=True)
class Conversion:
    """What was done: the table, its levels before and after, and how many readings it has."""

    table: str
    before: str
    after: str
    rows: int


def has_more_to_copy(cr, specs, level, rows):
    """Whether to raise these tables to a level means to copy more than so many readings."""
    for spec in specs:
        before = level_of(cr, spec.table)
        if before != APACHE and is_above(level, before):
            cr.execute(
                sql.SQL("SELECT count(*) FROM (SELECT FROM {} LIMIT %s) AS reading").format(sql.Identifier(spec.table)),
                [rows + 1],
            )
            rows -= cr.fetchone()[0]
            if rows < 0:
                return True
    return False


def convert(cr, spec, level):
    """Raise a table to a level; the `Conversion`, or None where it is that high already.

    :param cr: a cursor at READ COMMITTED whose transaction has not read the table: what others have written until the
        table is locked has to be seen. The caller commits.
    :param level: one that the server offers, see `levels.detect`
    :raises ConversionError: where the rows are not all there afterwards; the caller rolls back
    """
    # Two who convert the same table, say from the settings page and by command, do so one after the other.
    cr.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [CONVERSION_LOCK, spec.table])
    before = level_of(cr, spec.table)
    if not is_above(level, before):
        return None
    if before == APACHE:
        enable_compression(cr, spec.table)
        return Conversion(spec.table, before, level, _count(cr, spec.table))
    return Conversion(spec.table, before, level, _copy_into_new(cr, spec, before, level))


def _copy_into_new(cr, spec, before, level):
    """Make the table anew in the place of the old one, which is dropped; the number of its rows."""
    old = f"{spec.table}_before"
    source = physical_table(spec.table, before)
    # A view is locked with the table below it, and in the order in which readers take the two.
    cr.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(spec.table)))
    granted = grants(cr, spec.table)
    if before == PLAIN:
        cr.execute(sql.SQL("DROP VIEW {}").format(sql.Identifier(spec.table)))
    drop_indexes(cr, spec.table)
    cr.execute(sql.SQL("ALTER TABLE {} RENAME TO {}").format(sql.Identifier(source), sql.Identifier(old)))
    rows = _count(cr, old)
    columns = column_types(cr, old)
    # An addon that is gone may have left a column: its readings are somebody's all the same.
    known = {"id", *(name for name, _pg_type in BASE_COLUMNS), *(column.name for column in spec.columns)}
    create_table(cr, spec, level, [(name, pg_type) for name, pg_type in columns.items() if name not in known])
    if level == PLAIN:
        cr.execute(sql.SQL("SELECT DISTINCT date_trunc('week', timestamp) FROM {}").format(sql.Identifier(old)))
        make_partitions(cr, spec.table, {week for (week,) in cr.fetchall()})
    _copy_rows(cr, old, columns, physical_table(spec.table, level))
    copied = _count(cr, spec.table)
    if copied != rows:
        raise ConversionError(f"{spec.table}: {copied} of {rows} readings were copied")
    cr.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(old)))
    grant(cr, spec.table, granted)
    return rows


def _copy_rows(cr, source, columns, target):
    """Copy all rows with their ids, in the order of time, and have the next ids follow them.

    :param columns: {column: PostgreSQL type} of the source
    """
    wanted = column_types(cr, target)
    cr.execute(
        sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} ORDER BY timestamp").format(
            sql.Identifier(target),
            sql.SQL(", ").join(map(sql.Identifier, columns)),
            sql.SQL(", ").join(as_type(name, found, wanted[name]) for name, found in columns.items()),
            sql.Identifier(source),
        )
    )
    cr.execute(
        sql.SQL(
            "SELECT setval(pg_get_serial_sequence(quote_ident(%s), 'id'), max(id)) FROM {} HAVING count(*) > 0"
        ).format(sql.Identifier(target)),
        [target],
    )
    cr.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(target)))


def _count(cr, table):
    cr.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)))
    return cr.fetchone()[0]
