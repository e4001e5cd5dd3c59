"""The bridge's rate into a store that has tens of millions of readings, compared with that into an empty one.

The readings end with the last whole week, and what is published goes on from there, so that it falls into the week that
is as full as a week gets. The pairs of rounds, before and after, publish the same number of messages.
"""

import os
import statistics
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta

from stack.shell import say

from .farm import open_farm
from .history import fill, rows_that_fit
from .load import Load, start_bridge, utc_now

_SMOKE = bool(os.environ.get("SMOKE"))
DEVICES = 200 if _SMOKE else 10_000
MESSAGES = 4_000 if _SMOKE else 200_000
ROUNDS = 1 if _SMOKE else 5
ROWS = 10_000 if _SMOKE else int(os.environ.get("ROWS", 50_000_000))
# The rounds' messages, of a second each in all, find room between the readings' end and that of the week.
_ROOM = timedelta(hours=2)
_WEEK = timedelta(days=7)
#: TimescaleDB's weeks begin on a Thursday, as 1970 did.
_FIRST_WEEK = datetime(1970, 1, 1)


def measure(odoo, environment) -> dict:
    """The medians of the rounds, see `docs/benchmarks.md`."""
    with open_farm(odoo, environment, DEVICES) as farm, ProcessPoolExecutor(max_workers=1) as publishing:
        rows = rows_that_fit(farm, ROWS)
        start_bridge(farm)
        load = Load(farm, publishing)
        now = utc_now()
        end = now - (now - _FIRST_WEEK) % _WEEK - _ROOM
        # Of the week before all readings, so that the same messages are new again afterwards.
        empty = _rate(load, end - timedelta(days=50))
        say(f"{empty:,.0f}/s into the empty store")
        found = fill(farm, rows, end)
        full = _rate(load, end + timedelta(minutes=1))
        say(f"{full:,.0f}/s into one of {found:,} readings")
        return {
            "bench": "growth",
            "rows": found,
            "rate_empty": round(empty),
            "rate": round(full),
            "ratio": round(full / empty, 3),
        }


def _rate(load: Load, begin: datetime) -> float:
    return statistics.median(load.burst(begin + number * timedelta(minutes=10), MESSAGES) for number in range(ROUNDS))
