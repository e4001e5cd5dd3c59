"""How many bytes a reading takes on disk, with its indexes, on each level of the store.

A week's partition of plain PostgreSQL is an ordinary table with the same columns and indexes, so that level can be
measured on any server; the others are measured where the server is such a one, and printed as not available elsewhere.
"""

import os

from psycopg2 import sql

from stack.shell import say

from .farm import BenchFarm, open_farm
from .history import fill, rows_that_fit
from .load import utc_now
from .traffic import TABLES

_SMOKE = bool(os.environ.get("SMOKE"))
DEVICES = 200 if _SMOKE else 1_000
ROWS = 10_000 if _SMOKE else int(os.environ.get("ROWS", 5_000_000))
_PERIODS = ("hourly", "daily")
_LEVELS = {None: "plain", "apache": "apache", "timescale": "community"}


def measure(odoo, environment) -> list[dict]:
    """One result for each level; where it cannot be had here, its figures are None. See `docs/benchmarks.md`."""
    with open_farm(odoo, environment, DEVICES) as farm:
        readings = fill(farm, rows_that_fit(farm, ROWS), utc_now())
        ((edition,),) = farm.rows("SELECT current_setting('timescaledb.license', true)")
        level = _LEVELS[edition]
        results = {name: _result(name, None, None) for name in _LEVELS.values()}
        rollups = sum(_size(farm, f"{table}_{period}") for table in TABLES.values() for period in _PERIODS)
        say(f"besides, the rollups take {rollups / readings:.1f} bytes per reading, on every level")
        results["plain"] = _result("plain", _plain_size(farm) / readings, None)
        if level != "plain":
            raw = sum(_hypertable_size(farm, table) for table in TABLES.values())
            # Without compression a hypertable is the same on both editions.
            results["apache"] = _result("apache", raw / readings, None)
        if level == "community":
            before, after = _compress(farm)
            results["community"] = _result("community", (raw - before + after) / readings, before / after)
        for name, result in results.items():
            if result["bytes_per_reading"] is None:
                say(f"the level {name} is not available on this server")
        return list(results.values())


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


def _compress(farm: BenchFarm) -> tuple[int, int]:
    """Compress every chunk now instead of after a week; bytes before and after, by TimescaleDB's own statistics."""
    before = after = 0
    for table in TABLES.values():
        farm.rows("SELECT compress_chunk(chunk, true) FROM show_chunks(quote_ident(%s)::regclass) chunk", table)
        ((was, became),) = farm.rows(
            "SELECT sum(before_compression_total_bytes), sum(after_compression_total_bytes)"
            " FROM hypertable_compression_stats(quote_ident(%s)::regclass)",
            table,
        )
        before, after = before + int(was), after + int(became)
    return before, after
