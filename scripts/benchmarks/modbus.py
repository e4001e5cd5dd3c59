"""How long what a meter's registers show takes to stand in the milking's session in Odoo.

Sixty-four simulated meters, a process of their own, milk all at once: half have a TCP port each, the others stand
behind two gateways and on two serial lines. Each fills in steps at times of its own, so that nothing keeps step with
the polling. Bridge, reactors and web server run as in production, and the database is asked for all sessions every few
milliseconds: a figure is at most that much too high.
"""

import bisect
import contextlib
import multiprocessing
import random
import time
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection

from simulation.modbus_line import ModbusLine
from simulation.modbus_meter import MeterRegisters, ModbusServer
from simulation.rpc import OdooClient
from stack.shell import StackError, say
from stack.system import ensure_programs

from .farm import SMOKE, BenchFarm, plan
from .load import start_bridge, utc_now, wait_until_still
from .production import ReactorProcess, serving, wait_inbox_empty
from .results import percentiles

FARM = plan("modbus", 20)
#: (kind of line, meters on each): 64 meters in all.
LINES = (
    (("tcp", 1),) * 4 + (("tcp", 2), ("serial", 2))
    if SMOKE
    else (("tcp", 1),) * 32 + (("tcp", 8),) * 2 + (("serial", 8),) * 2
)
SECONDS = 20 if SMOKE else 600
#: Of a milking, and between two; with a serial line's speed in baud.
_MILKING_SECONDS, _PAUSE_SECONDS = (8, 2) if SMOKE else (240, 15)
_BAUDRATE = 19200
#: No meter has more cows.
_MILKINGS = SECONDS // (_MILKING_SECONDS + _PAUSE_SECONDS) + 2
#: ISO 3166 has no country 999: ISO 11784 leaves it for tests.
_TAG_COUNTRY = 999
_STEP_SECONDS = 1.3, 2.6
_STEP_LITERS = 0.1
# A session has its yield with three decimals.
_ROUNDED = 0.002
_POLL_SECONDS = 0.005
_PATIENCE_SECONDS = 120

_SESSIONS = """
    SELECT meter_id, id, current_yield::float FROM milk_session WHERE meter_id = ANY(%s) AND start_time > %s ORDER BY id
"""
_READ = "SELECT count(*) FROM iot_milk_meter_state WHERE meter_id = ANY(%s) AND state IN ('polled', 'slow')"


@dataclass(frozen=True)
class Change:
    """Registers were set: the meter, which of its milkings, its yield then, and when, by `time.monotonic`."""

    meter: int
    milking: int
    liters: float
    moment: float


def measure(farm: BenchFarm) -> dict:
    """Milliseconds from the setting of registers to the session, see `docs/benchmarks.md`.

    :raises StackError: where something a meter showed never stood in a session
    """
    ensure_programs(["socat"])
    start_bridge(farm)
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_milk, args=(theirs, ours), daemon=True)
    process.start()
    theirs.close()
    try:
        with ReactorProcess(farm.instance), serving(farm) as odoo:
            meters = _register(odoo, ours.recv())
            try:
                taken = _measured(farm, ours, meters)
            finally:
                # Farms are shared: what is read of these meters must not count as the next benchmark's.
                odoo.call("iot.milk_meter", "write", meters, {"polling_enabled": False})
            wait_inbox_empty(farm)
            wait_until_still(farm)
    finally:
        # Closed, so that the meters' process takes its lines down by itself.
        ours.close()
        process.join(_PATIENCE_SECONDS)
        process.terminate()
    milliseconds = {name: round(1000 * value, 1) for name, value in percentiles(taken, 50, 95).items()}
    return {"bench": "modbus", "meters": len(meters), "session_ms": milliseconds}


def _register(odoo: OdooClient, endpoints: list[tuple[str, str, int]]) -> list[int]:
    """Register and provision the meters; their ids in the order of (kind, endpoint, unit)."""
    (farm_id,) = odoo.call("farm.location", "search", [], limit=1)
    cows = [_tag(number, milking) for number in range(len(endpoints)) for milking in range(_MILKINGS)]
    odoo.call(
        "farm.animal",
        "create",
        [{"name": f"Bench {tag}", "farm_id": farm_id, "rfid_tag": f"{_TAG_COUNTRY}{tag:012d}"} for tag in cows],
    )
    meters = odoo.call(
        "iot.milk_meter",
        "create",
        [
            {
                "name": f"Bench {number}",
                "device_id": f"BENCH-MODBUS-{number}",
                "farm_id": farm_id,
                "manufacturer": "delaval",
                "communication_type": "modbus_rtu" if kind == "serial" else "modbus_tcp",
                "modbus_port": endpoint,
                "modbus_address": unit,
                "modbus_baudrate": str(_BAUDRATE),
            }
            for number, (kind, endpoint, unit) in enumerate(endpoints, 1)
        ],
    )
    for meter in meters:
        odoo.call("iot.milk_meter", "action_provision", [meter])
    return meters


def _measured(farm: BenchFarm, milking: Connection, meters: list[int]) -> list[float]:
    """Seconds that each change took."""
    _wait_polled(farm, meters)
    since = utc_now() - timedelta(seconds=1)
    milking.send("begin")
    seen = {}
    while not milking.poll():
        _look(farm, meters, since, seen)
        time.sleep(_POLL_SECONDS)
    changes = milking.recv()
    say(f"{len(changes):,} changes of registers")
    last = {(change.meter, change.milking): change.liters for change in changes}
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        _look(farm, meters, since, seen)
        sessions = _in_order(seen, meters)
        if all(_shown(sessions.get(milking), liters) is not None for milking, liters in last.items()):
            break
        if time.monotonic() > end:
            raise StackError(f"Some milkings never stood in a session as they were.\n{farm.bridge.log_tail()}")
        time.sleep(_POLL_SECONDS)
    return [_shown(sessions[change.meter, change.milking], change.liters) - change.moment for change in changes]


def _wait_polled(farm: BenchFarm, meters: list[int]) -> None:
    end = time.monotonic() + _PATIENCE_SECONDS
    while (read := farm.rows(_READ, meters)[0][0]) < len(meters):
        if time.monotonic() > end:
            raise StackError(f"{len(meters) - read} meters are not read.\n{farm.bridge.log_tail()}")
        time.sleep(0.2)


def _look(farm: BenchFarm, meters: list[int], since, seen: dict) -> None:
    """Note what is new: {(meter's id, session's id): ([yield, ...], [when it was seen first, ...])}."""
    rows = farm.rows(_SESSIONS, meters, since)
    now = time.monotonic()
    for meter, session, liters in rows:
        yields, moments = seen.setdefault((meter, session), ([], []))
        if not yields or liters > yields[-1]:
            yields.append(liters)
            moments.append(now)


def _in_order(seen: dict, meters: list[int]) -> dict:
    """The same by (number of the meter, number of its milking)."""
    numbers, found = {meter: number for number, meter in enumerate(meters)}, {}
    for meter, session in sorted(seen):
        number = numbers[meter]
        found[number, sum(other == number for other, _milking in found)] = seen[meter, session]
    return found


def _shown(session: tuple | None, liters: float) -> float | None:
    """When so much stood in a session first."""
    if session is None:
        return None
    yields, moments = session
    place = bisect.bisect_left(yields, liters - _ROUNDED)
    return moments[place] if place < len(moments) else None


def _tag(number: int, milking: int) -> int:
    """The national id on the tag of the cow that is milked at a meter in its turn."""
    return 90_000_000_000 + 1000 * number + milking


# -- the meters' process -----------------------------------------------------------------------------------


def _milk(bench: Connection, other_end: Connection) -> None:
    """Serve the meters, say where they are, and milk once told to; says then what was shown when.

    :param other_end: the bench's end, of which this process has a copy as long as it does not close it
    """
    other_end.close()
    # The bench has closed its end: it needs the meters no longer.
    with contextlib.suppress(EOFError, BrokenPipeError), contextlib.ExitStack() as stack:
        meters, endpoints = [], []
        for kind, count in LINES:
            registers = {unit: MeterRegisters() for unit in range(1, count + 1)}
            line = ModbusLine(registers, _BAUDRATE) if kind == "serial" else ModbusServer("127.0.0.1", 0, registers)
            stack.enter_context(line)
            meters += registers.values()
            endpoints += [(kind, line.endpoint, unit) for unit in registers]
        bench.send(endpoints)
        bench.recv()
        bench.send(_milkings(meters))
        bench.recv()


def _milkings(meters: list[MeterRegisters]) -> list[Change]:
    """Milk at all meters, one cow after the other, for as long as is measured."""
    changes, rng, began = [], random.Random(1), time.monotonic()
    places = [_Place(number, registers, rng, began) for number, registers in enumerate(meters)]
    while time.monotonic() - began < SECONDS:
        place = min(places, key=lambda place: place.due)
        time.sleep(max(0.0, place.due - time.monotonic()))
        change = place.step()
        if change:
            changes.append(change)
    for place in places:
        place.end()
    return changes


class _Place:
    """The cows at one meter."""

    def __init__(self, number, registers, rng, began):
        self._number = number
        self._registers = registers
        self._rng = rng
        self._milking = -1
        self._began = None
        self._steps = 0
        self.due = began + rng.uniform(0, _STEP_SECONDS[1])

    def step(self) -> Change | None:
        """Show what has been milked; None where a milking ends."""
        now = time.monotonic()
        if self._began is not None and now - self._began > _MILKING_SECONDS:
            self.end()
            self.due = now + _PAUSE_SECONDS
            return None
        if self._began is None:
            self._began, self._steps = now, 0
            self._milking += 1
        self._steps += 1
        liters = round(self._steps * _STEP_LITERS, 1)
        self._registers.set(
            milking=True,
            yield_liters=liters,
            flow_rate=3.0,
            conductivity=4.9,
            temperature=37.5,
            session_seconds=int(now - self._began),
            rfid=1 << 63 | _TAG_COUNTRY << 38 | _tag(self._number, self._milking),
            vacuum=42,
            pulsation=60,
        )
        self.due = now + self._rng.uniform(*_STEP_SECONDS)
        return Change(self._number, self._milking, liters, time.monotonic())

    def end(self) -> None:
        self._registers.set(milking=False, flow_rate=0.0)
        self._began = None
