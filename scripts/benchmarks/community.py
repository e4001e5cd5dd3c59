"""Compression by TimescaleDB's community edition, of readings from a server that has none.

The tables are made by the product's own statements on a WASM build of that edition, which holds them in memory: some
hundred thousand readings, not millions.
"""

import contextlib
import sys
import tempfile
import types
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from psycopg2 import sql
from psycopg2.extras import execute_values

from stack.community import CommunityPostgres
from stack.environment import Environment
from stack.paths import ROOT

_PAGE = 1000


@dataclass(frozen=True)
class Compressed:
    """How many readings there were, and the bytes that they took, indexes included, before and after."""

    readings: int
    before: int
    after: int


def compress(environment: Environment, dsn: dict, tables: list[str], devices: int) -> Compressed:
    """Copy all readings of so many devices of each table, and compress them.

    Chunks of fewer than a thousand readings per device compress less: rather take few devices for long.

    :param dsn: psycopg2.connect's keywords for the database with the readings
    :raises StackError: where the build cannot be had
    """
    with (
        tempfile.TemporaryDirectory() as directory,
        CommunityPostgres(environment, Path(directory)) as server,
        contextlib.closing(psycopg2.connect(**dsn)) as source,
        contextlib.closing(psycopg2.connect(**server.dsn())) as target,
        source.cursor() as read,
        target.cursor() as write,
    ):
        parts = []
        for table in tables:
            _copy(read, write, table, devices)
            target.commit()
            parts.append(_compress(write, table))
            target.commit()
        return Compressed(*map(sum, zip(*parts, strict=True)))


def _copy(read, write, table: str, devices: int) -> None:
    telemetry = _telemetry()
    types_of = telemetry.tables.column_types(read, table)
    base = {"id", *dict(telemetry.spec.BASE_COLUMNS)}
    columns = tuple(telemetry.spec.Column(name, kind, name) for name, kind in types_of.items() if name not in base)
    spec = telemetry.spec.TelemetrySpec("", table, (), columns)
    telemetry.tables.create_table(write, spec, telemetry.levels.COMMUNITY)
    names = sql.SQL(", ").join(map(sql.Identifier, types_of))
    read.execute(
        sql.SQL(
            "SELECT {} FROM {} WHERE iot_device_id IN (SELECT DISTINCT iot_device_id FROM {} ORDER BY 1 LIMIT %s)"
            " ORDER BY timestamp"
        ).format(names, *[sql.Identifier(table)] * 2),
        [devices],
    )
    insert = sql.SQL("INSERT INTO {} ({}) VALUES %s").format(sql.Identifier(table), names)
    execute_values(write, insert, read, page_size=_PAGE)


def _compress(write, table: str) -> tuple[int, int, int]:
    write.execute("SELECT compress_chunk(chunk) FROM show_chunks(quote_ident(%s)::regclass) AS chunk", [table])
    # Of a table without readings the sums are NULL.
    write.execute(
        sql.SQL(
            "SELECT (SELECT count(*) FROM {}), coalesce(sum(before_compression_total_bytes)::bigint, 0),"
            " coalesce(sum(after_compression_total_bytes)::bigint, 0)"
            " FROM hypertable_compression_stats(quote_ident(%s)::regclass)"
        ).format(sql.Identifier(table)),
        [table],
    )
    return write.fetchone()


def _telemetry():
    """The addon's package `telemetry`, which needs no Odoo; the addon's own `__init__` would import it."""
    namespace = types.ModuleType("smart_dairy_iot")
    namespace.__path__ = [str(ROOT / "smart_dairy_iot")]
    sys.modules.setdefault("smart_dairy_iot", namespace)
    import smart_dairy_iot.telemetry
    import smart_dairy_iot.telemetry.levels
    import smart_dairy_iot.telemetry.spec
    import smart_dairy_iot.telemetry.tables

    return smart_dairy_iot.telemetry
