"""The bridge's rate into a store that has tens of millions of readings, compared with that into an empty one.

The readings end with the last whole week, and what is published goes on from there, so that it falls into the week that
is as full as a week gets. The pairs of rounds, before and after, publish the same number of messages.
"""

import statistics
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta

from stack.shell import say

from .farm import SMOKE, BenchFarm
from .history import HISTORY_FARM, ROWS, SPAN, fill, history_end
from .load import Load, start_bridge

FARM = HISTORY_FARM
MESSAGES = 4_000 if SMOKE else 200_000
ROUNDS = 1 if SMOKE else 5
_BETWEEN_ROUNDS = timedelta(minutes=10)


def measure(farm: BenchFarm) -> dict:
    """The medians of the rounds, see `docs/benchmarks.md`."""
    start_bridge(farm)
    with ProcessPoolExecutor(max_workers=1) as publishing:
        load, end = Load(farm, publishing), history_end()
        # Before all readings, so that the same messages are new again afterwards.
        empty = _rate(load, end - SPAN - timedelta(days=7))
        say(f"{empty:,.0f}/s into the empty store")
        history = fill(farm, ROWS)
        full = _rate(load, history.end + timedelta(minutes=1))
        say(f"{full:,.0f}/s into one of {history.readings:,} readings")
        return {
            "bench": "growth",
            "rows": history.readings,
            "rate_empty": round(empty),
            "rate": round(full),
            "ratio": round(full / empty, 3),
        }


def _rate(load: Load, begin: datetime) -> float:
    return statistics.median(load.burst(begin + number * _BETWEEN_ROUNDS, MESSAGES) for number in range(ROUNDS))
