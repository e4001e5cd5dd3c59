"""How long Odoo takes to answer a user who opens a device, while thousands of messages a second flow and while none do.

The bridge is a process of its own, as in production. What is asked for is what the device's form shows.
"""

import random
import time
from concurrent.futures import ProcessPoolExecutor

from simulation.rpc import OdooClient
from stack.shell import say

from .account import Account
from .farm import SMOKE, BenchFarm, plan
from .load import Load, leave_the_cores_to_the_others, start_bridge, utc_now, wait_accepted, watch
from .production import serving
from .results import median_of, percentiles
from .views import View

FARM = plan("ui", 10_000)
RATE = 500 if SMOKE else 10_000
SECONDS = 3 if SMOKE else 30
ROUNDS = 1 if SMOKE else 3
#: Between two reads, as of several users who click.
PAUSE_SECONDS = 0.1
_SEED = 5


def measure(farm: BenchFarm) -> dict:
    """The medians of the rounds, see `docs/benchmarks.md`."""
    start_bridge(farm)
    elsewhere = ProcessPoolExecutor(max_workers=1, initializer=leave_the_cores_to_the_others)
    with elsewhere as publishing, serving(farm) as client:
        form, load, rounds = DeviceForm(client, farm.instance.odoo.series), Load(farm, publishing), []
        for _number in range(ROUNDS):
            rounds.append(_round(farm, form, load))
            say(str(rounds[-1]))
    return {"bench": "ui"} | median_of(rounds)


def _round(farm: BenchFarm, form: "DeviceForm", load: Load) -> dict:
    idle = [form.read() for _number in _ticks(SECONDS)]
    count, already, account = RATE * SECONDS, farm.accepted(), Account(farm)
    flow = load.start(utc_now(), RATE, count)
    busy = list(watch(flow, form.read, PAUSE_SECONDS))
    committed = wait_accepted(farm, already + count)
    account.check(count)
    result = {"idle_ms": _percentiles(idle), "busy_ms": _percentiles(busy)}
    ratio = result["busy_ms"]["p95"] / result["idle_ms"]["p95"]
    rate = count / (committed - flow.result().began)
    return {"rate": round(rate), "reads": len(busy), **result, "ratio": round(ratio, 2)}


class DeviceForm:
    """The form of a device, as the web client opens it."""

    def __init__(self, client: OdooClient, series: str):
        self._client = client
        self._device_ids = client.call("iot.device", "search", [])
        self._random = random.Random(_SEED)
        self._specification = View(client, series, "iot.device", "form").specification

    def read(self) -> float:
        """Read some device; returns the milliseconds that it took."""
        device_id = self._random.choice(self._device_ids)
        began = time.monotonic()
        self._client.call("iot.device", "web_read", [device_id], self._specification)
        return 1000 * (time.monotonic() - began)


def _ticks(seconds: float):
    """Something every pause, for so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(PAUSE_SECONDS)


def _percentiles(milliseconds: list[float]) -> dict[str, float]:
    return {name: round(value, 1) for name, value in percentiles(milliseconds, 50, 95).items()}
