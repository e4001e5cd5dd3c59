"""How long the product's screens and its API take over tens of millions of readings of a group of farms.

Each is asked many times, for another farm or device each time, of a running server, as the web client asks it.
`dashboard_ms` are the figures of the slowest of those that are looked at every day; reports are measured besides. No
message flows meanwhile.
"""

import time
from collections.abc import Callable

from stack.shell import say

from .business import fill_business
from .farm import SMOKE, BenchFarm
from .history import HISTORY_FARM, ROWS, fill
from .production import serving
from .results import percentiles
from .screens import Screens

FARM = HISTORY_FARM
TIMES = 5 if SMOKE else 100
#: What takes seconds is asked less often, but no less than this.
LEAST_TIMES = 5 if SMOKE else 20
MOST_SECONDS = 60


def measure(farm: BenchFarm) -> dict:
    """One run, see `docs/benchmarks.md`.

    :raises StackError: where a screen has nothing to show
    """
    history = fill(farm, ROWS)
    fill_business(farm, history)
    with serving(farm) as client:
        screens = Screens(farm, client, history)
        dashboards = {screen.__name__: _figures(screen) for screen in screens.dashboards}
        latest = _figures(screens.latest)
        reports = {screen.__name__: _figures(screen) for screen in screens.reports}
    return {
        "bench": "query",
        "rows": history.readings,
        "dashboard_ms": max(dashboards.values(), key=lambda figure: figure["p95"]),
        "latest_ms": latest,
        "screens_ms": {name: figure["p95"] for name, figure in (dashboards | reports).items()},
    }


def _figures(screen: Callable[[], None]) -> dict[str, float]:
    """Milliseconds, after a time that is not counted."""
    screen()
    milliseconds, end = [], time.monotonic() + MOST_SECONDS
    while len(milliseconds) < TIMES and (len(milliseconds) < LEAST_TIMES or time.monotonic() < end):
        began = time.monotonic()
        screen()
        milliseconds.append(1000 * (time.monotonic() - began))
    figures = {name: round(value, 1) for name, value in percentiles(milliseconds, 50, 95).items()}
    say(f"{screen.__name__}: {figures}")
    return figures
