"""How long a message takes from a device to the commit, and to the eyes of whoever looks at the dashboard.

Bridge, reactors and web server run, each as a process of its own. Commits are seen by asking the database how many
there are, every few milliseconds: a figure is at most that much too high. What the browser shows is seen by a script in
the page of a real Chromium, beside which the same load goes on.
"""

import asyncio
import bisect
import json
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta, timezone

from simulation.rpc import OdooClient
from stack.chromium import Chromium
from stack.shell import StackError, say
from stack.system import ensure_programs

from .account import Account
from .farm import SMOKE, BenchFarm, plan
from .load import Load, start_bridge, utc_now, wait_accepted, watch
from .production import ReactorProcess, serving, wait_inbox_empty
from .results import median_of, percentiles
from .steady import Connections, open_connections
from .traffic import BenchDevice, make_devices

FARM = plan("latency", 1_000)
RATE = 100 if SMOKE else 1_000
SECONDS = 3 if SMOKE else 30
ROUNDS = 1 if SMOKE else 3
PROBES = 3 if SMOKE else 30
_POLL_SECONDS = 0.002
_PROBE = BenchDevice(0, "PROBE", "milk_meter", make_devices(1)[0].farm_code)
_PATIENCE_SECONDS = 60

# The yield of the probe's tile when it was painted first, in milliseconds since 1970. A milking's yield only grows.
_WATCH_TILE = """
    window.painted = {};
    new MutationObserver(() => {
        for (const tile of document.querySelectorAll(".o_running_session")) {
            const liters = tile.querySelector(".o_running_yield").textContent;
            if (tile.textContent.includes("PROBE") && !(liters in painted)) {
                painted[liters] = null;
                requestAnimationFrame(() => (painted[liters] = Date.now()));
            }
        }
    }).observe(document.body, { childList: true, subtree: true, characterData: true });
"""


def measure(farm: BenchFarm) -> dict:
    """The medians of the rounds, see `docs/benchmarks.md`.

    :raises StackError: where some messages were not stored, or not once
    """
    ensure_programs(["chromium"])
    start_bridge(farm)
    with ProcessPoolExecutor(max_workers=1) as publishing:
        bench = LatencyBench(farm, publishing)
        with ReactorProcess(farm.instance), serving(farm) as client:
            committed = []
            for _number in range(ROUNDS):
                committed.append(bench.commit_round())
                say(f"committed: {committed[-1]}")
            bench.register_probe(client)
            shown = []
            with Chromium() as browser:
                bench.open_dashboard(browser, client)
                for _number in range(ROUNDS):
                    shown.append(bench.browser_round(browser))
                    say(f"shown: {shown[-1]}")
    return {"bench": "latency"} | median_of(committed) | median_of(shown)


class LatencyBench:
    """:param publishing: executor of the process that publishes"""

    def __init__(self, farm: BenchFarm, publishing: ProcessPoolExecutor):
        self._farm = farm
        self._load = Load(farm, publishing)
        self._probes = 0

    def commit_round(self) -> dict:
        """Messages a second, and milliseconds from a message's sending to its commit."""
        wait_inbox_empty(self._farm)
        already, account = self._farm.accepted(), Account(self._farm)
        count = RATE * SECONDS
        # Over one connection they are committed in the order in which they were sent.
        load = self._load.start(utc_now(), RATE, count, connections=1, moments=True)
        counts, moments = [], []
        for accepted in watch(load, self._farm.accepted, _POLL_SECONDS):
            counts.append(accepted - already)
            moments.append(time.monotonic())
        sent = load.result()
        moments.append(wait_accepted(self._farm, already + count))
        counts.append(count)
        account.check(count)
        taken = [
            1000 * (moments[bisect.bisect_right(counts, number)] - sent_at)
            for number, sent_at in enumerate(sent.moments)
        ]
        return {"rate": round(count / (moments[-1] - sent.began)), "commit_ms": _rounded(taken, 50, 95, 99)}

    def register_probe(self, odoo: OdooClient) -> None:
        """Register the milk meter whose readings are looked for on the screen."""
        (farm_id,) = odoo.call("farm.location", "search", [("code", "=", _PROBE.farm_code)])
        values = {
            "name": _PROBE.device_id,
            "device_id": _PROBE.device_id,
            "farm_id": farm_id,
            "manufacturer": "other",
            "communication_type": "mqtt",
        }
        odoo.call("iot.milk_meter", "create", [values])
        self._farm.rows("UPDATE iot_device SET state = 'active' WHERE device_id = %s", _PROBE.device_id)

    def open_dashboard(self, browser: Chromium, odoo: OdooClient) -> None:
        """Look at the farm's production dashboard, on which the probe is being milked already."""
        wait_inbox_empty(self._farm)
        asyncio.run(self._send_probes(1))
        wait_inbox_empty(self._farm)
        browser.log_in(self._farm.instance.url, "admin", "admin")
        (action,) = odoo.call(
            "ir.model.data", "search_read", [("name", "=", "action_milk_production_dashboard")], ["res_id"]
        )
        (farm_id,) = odoo.call("farm.location", "search", [("code", "=", _PROBE.farm_code)])
        browser.evaluate(f"localStorage.setItem('smart_dairy_iot_milk.dashboard_farm', {farm_id})")
        browser.open(f"{self._farm.instance.url}/web/static/img/favicon.ico")  # leaves the page, not only its hash
        browser.wait_for("!document.querySelector('.o_web_client')")
        browser.open(f"{self._farm.instance.url}/web#action={action['res_id']}")
        browser.wait_for("document.querySelector('.o_running_sessions')?.textContent.includes('PROBE')", seconds=120)
        browser.evaluate(_WATCH_TILE)

    def browser_round(self, browser: Chromium) -> dict:
        """Milliseconds from the sending of the probe's readings to their being painted, while the load goes on."""
        wait_inbox_empty(self._farm)
        count, already, account = RATE * (PROBES + 2), self._farm.accepted(), Account(self._farm)
        load = self._load.start(utc_now(), RATE, count)
        sent_at = asyncio.run(self._send_probes(PROBES))
        load.result()
        wait_accepted(self._farm, already + count + PROBES)
        account.check(count + PROBES)
        painted = self._painted(browser, max(sent_at))
        taken = [
            1000 * (min(moment for liters, moment in painted.items() if liters >= probe) - moment_sent)
            for probe, moment_sent in sent_at.items()
        ]
        return {"browser_ms": _rounded(taken, 50, 95)}

    def _painted(self, browser: Chromium, last: float) -> dict[float, float]:
        """{yield: when it was painted}, seconds since 1970, once the last is."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < end:
            texts = json.loads(browser.evaluate("JSON.stringify(painted)"))
            painted = {float(liters): moment / 1000 for liters, moment in texts.items() if moment}
            if painted and max(painted) >= last:
                return painted
            time.sleep(0.1)
        raise StackError(f"The reading of {last} L was never shown.")

    async def _send_probes(self, count: int) -> dict[float, float]:
        """Send readings of the probe, one a second; returns {yield: when it was sent}, seconds since 1970."""
        sent_at = {}
        async with open_connections(self._farm.publisher, 1) as connections:
            for _number in range(count):
                await asyncio.sleep(1)
                self._probes += 1
                liters = self._probes / 10
                sent_at[liters] = time.time()
                await _publish_probe(connections, liters)
        return sent_at


async def _publish_probe(connections: Connections, liters: float) -> None:
    now = datetime.now(timezone.utc)
    payload = {
        "device_id": _PROBE.device_id,
        "timestamp": now.isoformat(timespec="milliseconds"),
        "session_id": "PROBE",
        "milking": True,
        "yield_liters": liters,
        "flow_rate": 3.2,
        # Long ago, so that its tile is the first.
        "duration_seconds": int(timedelta(minutes=30).total_seconds()),
    }
    await connections.publish([(_PROBE.topic("data"), json.dumps(payload).encode())], rate=1)


def _rounded(milliseconds: list[float], *wanted: int) -> dict[str, float]:
    return {name: round(value, 1) for name, value in percentiles(milliseconds, *wanted).items()}
