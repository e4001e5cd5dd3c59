"""Half an hour at a steady rate: the bridge's memory stays as it is, and every message is in the store at the end."""

import os
import time
from concurrent.futures import ProcessPoolExecutor

from stack.shell import say

from .account import Account
from .farm import SMOKE, BenchFarm, plan
from .load import Load, memory_mb, start_bridge, utc_now, wait_accepted, watch

FARM = plan("soak", 10_000)
RATE = 500 if SMOKE else 5_000
SECONDS = 6 if SMOKE else int(os.environ.get("SOAK_MINUTES", "30")) * 60
#: Memory is compared with what it was after so long, when caches are full.
WARM_UP_SECONDS = 2 if SMOKE else 60
LOOK_SECONDS = 1 if SMOKE else 10


def measure(farm: BenchFarm) -> dict:
    """One run, see `docs/benchmarks.md`.

    :raises StackError: where some messages were not stored, or not once
    """
    start_bridge(farm)
    with ProcessPoolExecutor(max_workers=1) as publishing:
        account, stored, already, count = Account(farm), farm.stored(), farm.accepted(), RATE * SECONDS
        load = Load(farm, publishing).start(utc_now(), RATE, count)
        began, memory = time.monotonic(), []
        for resident in watch(load, lambda: memory_mb(farm.bridge), LOOK_SECONDS):
            memory.append((time.monotonic() - began, resident))
            say(f"{memory[-1][0]:,.0f} s: {memory[-1][1]:.1f} MB, {farm.accepted() - already:,} messages")
        sent = load.result()
        committed = wait_accepted(farm, already + count)
        found = account.check(count, farm.stored() - stored)
        warm = next(resident for seconds, resident in memory if seconds >= WARM_UP_SECONDS)
        later = [resident for seconds, resident in memory if seconds >= WARM_UP_SECONDS]
        return {
            "bench": "soak",
            "seconds": SECONDS,
            **found,
            "rate": round(count / (committed - sent.began)),
            "lag_seconds": round(committed - sent.ended, 2),
            "rss_mb": {"warm": round(warm, 1), "end": round(later[-1], 1), "most": round(max(later), 1)},
            "growth": round(max(later) / warm - 1, 3),
        }
