"""How many bytes a reading takes on disk, with its indexes, on each level of the store.

A week's partition of plain PostgreSQL is an ordinary table with the same columns and indexes, and so can be measured
beside a hypertable. Where the server is not of TimescaleDB's community edition, a WASM build of that compresses some of
the readings.
"""

import os

from psycopg2 import sql

from stack.shell import StackError, say

from .community import compress
from .farm import DATABASE, SMOKE, BenchFarm, plan
from .history import fill
from .traffic import TABLES

FARM = plan("storage", 1_000)
ROWS = 10_000 if SMOKE else int(os.environ.get("ROWS", 5_000_000))
#: Of each type, for the WASM build, which has everything in memory.
COMMUNITY_DEVICES = 2 if SMOKE else 20
_PERIODS = ("hourly", "daily")


def measure(farm: BenchFarm) -> list[dict]:
    """One result for each level; where it cannot be had here, its figures are None. See `docs/benchmarks.md`."""
    readings = fill(farm, ROWS).readings
    rollups = sum(_size(farm, f"{table}_{period}") for table in TABLES.values() for period in _PERIODS)
    say(f"besides, the rollups take {rollups / readings:.1f} bytes per reading, on every level")
    raw = sum(_hypertable_size(farm, table) for table in TABLES.values())
    return [
        _result("plain", _plain_size(farm) / readings, None),
        # Without compression a hypertable is the same on both editions.
        _result("apache", raw / readings, None),
        _result("community", *_compressed(farm)),
    ]


def _compressed(farm: BenchFarm) -> tuple[float | None, float | None]:
    """Bytes per reading, and how many times as many they were uncompressed, by TimescaleDB's own statistics."""
    if farm.rows("SELECT current_setting('timescaledb.license')") == [("timescale",)]:
        readings, before, after = _compress(farm)
    else:
        try:
            found = compress(
                farm.bed.environment, farm.bed.postgres.dsn(DATABASE), list(TABLES.values()), COMMUNITY_DEVICES
            )
        except StackError as error:
            say(f"the community edition cannot be had: {error}")
            return None, None
        readings, before, after = found.readings, found.before, found.after
    say(f"{readings:,} readings compressed from {before:,} bytes to {after:,}")
    return after / readings, before / after


def _result(level: str, bytes_per_reading: float | None, compression: float | None) -> dict:
    return {
        "bench": "storage",
        "level": level,
        "bytes_per_reading": bytes_per_reading and round(bytes_per_reading, 1),
        "compression": compression and round(compression, 2),
    }


def _size(farm: BenchFarm, table: str) -> int:
    return farm.rows("SELECT pg_total_relation_size(quote_ident(%s)::regclass)", table)[0][0]


def _hypertable_size(farm: BenchFarm, table: str) -> int:
    return farm.rows("SELECT hypertable_size(quote_ident(%s)::regclass)", table)[0][0]


def _plain_size(farm: BenchFarm) -> int:
    """Bytes of ordinary tables with the same columns, indexes and rows, put in in the same order."""
    size = 0
    for table in map(sql.Identifier, TABLES.values()):
        farm.rows(sql.SQL("CREATE TABLE bench_plain (LIKE {} INCLUDING ALL)").format(table))
        farm.rows(sql.SQL("INSERT INTO bench_plain SELECT * FROM {} ORDER BY id").format(table))
        size += _size(farm, "bench_plain")
        farm.rows("DROP TABLE bench_plain")
    return size


def _compress(farm: BenchFarm) -> tuple[int, int, int]:
    """Compress every chunk now instead of after a week; how many readings there are, and their bytes."""
    readings = before = after = 0
    for table in TABLES.values():
        farm.rows("SELECT compress_chunk(chunk, true) FROM show_chunks(quote_ident(%s)::regclass) chunk", table)
        ((count, was, became),) = farm.rows(
            sql.SQL(
                "SELECT (SELECT count(*) FROM {}), sum(before_compression_total_bytes)::bigint,"
                " sum(after_compression_total_bytes)::bigint"
                " FROM hypertable_compression_stats(quote_ident(%s)::regclass)"
            ).format(sql.Identifier(table)),
            table,
        )
        readings, before, after = readings + count, before + was, after + became
    return readings, before, after
