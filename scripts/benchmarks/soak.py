"""Half an hour at a steady rate: the bridge's memory stays as it is, and every message is in the store at the end."""

import os
import time
from concurrent.futures import ProcessPoolExecutor

from stack.shell import say

from .farm import SMOKE, BenchFarm, plan
from .load import Load, resident_kb, start_bridge, utc_now, wait_accepted, watch

FARM = plan("soak", 10_000)
RATE = 500 if SMOKE else 5_000
SECONDS = 6 if SMOKE else int(os.environ.get("SOAK_MINUTES", "30")) * 60
#: Memory is compared with what it was after so long, when caches are full.
WARM_UP_SECONDS = 2 if SMOKE else 60
LOOK_SECONDS = 1 if SMOKE else 10


def measure(farm: BenchFarm) -> dict:
    """One run, see `docs/benchmarks.md`."""
    start_bridge(farm)
    with ProcessPoolExecutor(max_workers=1) as publishing:
        kept, already, count = farm.kept(), farm.accepted(), RATE * SECONDS
        load = Load(farm, publishing).start(utc_now(), RATE, count)
        began, memory = time.monotonic(), []
        for resident in watch(load, lambda: resident_kb(farm.bridge), LOOK_SECONDS):
            memory.append((time.monotonic() - began, resident / 1024))
            say(f"{memory[-1][0]:,.0f} s: {memory[-1][1]:.1f} MB, {farm.accepted() - already:,} messages")
        sent = load.result()
        committed = wait_accepted(farm, already + count)
        found = {name: value - kept[name] for name, value in farm.kept().items()}
        warm = next(resident for seconds, resident in memory if seconds >= WARM_UP_SECONDS)
        later = [resident for seconds, resident in memory if seconds >= WARM_UP_SECONDS]
        return {
            "bench": "soak",
            "seconds": SECONDS,
            "published": count,
            "stored": found["stored"],
            "duplicates": farm.accepted() - already - found["stored"],
            "dead_letters": found["dead_letters"],
            "rate": round(count / (committed - sent.began)),
            "lag_seconds": round(committed - sent.ended, 2),
            "rss_mb": {"warm": round(warm, 1), "end": round(later[-1], 1), "most": round(max(later), 1)},
            "growth": round(max(later) / warm - 1, 3),
        }
