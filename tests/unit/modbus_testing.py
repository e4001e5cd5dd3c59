"""What the tests of the Modbus poller share: a register map, a registry in memory, a pipeline that records."""

import threading
import time
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

from smart_dairy_iot.bridge.ingestion import IngestionUnavailable
from smart_dairy_iot_milk.modbus.endpoint import Endpoint
from smart_dairy_iot_milk.modbus.meters import Meter, Point
from smart_dairy_iot_milk.modbus.poller import ModbusPoller
from smart_dairy_iot_milk.modbus.profile import Line, Profile
from smart_dairy_iot_milk.modbus.tracker import NOTHING

DELAVAL = Profile(
    "DeLaval MM27BC",
    (
        Line("yield_liters", 0, "float32"),
        Line("flow_rate", 2, "float32"),
        Line("conductivity", 4, "float32"),
        Line("temperature_celsius", 6, "float32"),
        Line("duration_seconds", 8, "uint16"),
        Line("rfid_tag", 10, "uint64"),
        Line("milking", 14, "bit", bit=0),
        Line("vacuum_pressure", 15, "uint16"),
        Line("pulsation_rate", 16, "uint16"),
    ),
)
TAG = 0x8000F9DCBE991A14
OTHER_TAG = 0x8000F9DCBE991A15
#: Fast enough for a test, slow enough that two periods are two.
PERIOD = 0.05
NOW = datetime(2026, 3, 1, 4, 30, tzinfo=timezone.utc)


class Clock:
    """A wall clock that a test sets; each look at it is a second later."""

    def __init__(self, now=NOW, step=timedelta(seconds=1)):
        self.now = now
        self._step = step

    def __call__(self):
        self.now += self._step
        return self.now


class MemoryRegistry:
    """The meters to poll, as the database would give them."""

    def __init__(self, *meters, past=NOTHING):
        self.meters = list(meters)
        self.known = past
        self.states = {}
        self.is_polled_elsewhere = False
        self.given_up = threading.Event()
        self.clocked_at = NOW
        self._error = None
        self._changed = threading.Event()

    def change(self, *meters):
        self.meters = list(meters)
        self._changed.set()

    def lose(self, error):
        """Lose the connection: the next call finds out."""
        self._error = error
        self._changed.set()

    def another(self):
        return self

    def load(self):
        return None if self.is_polled_elsewhere else list(self.meters)

    def past(self, meter, point, now):
        return self.known

    def write_states(self, states, meter_ids, now):
        self.states = {state.meter_id: state for state in states}
        self.kept = set(meter_ids)
        self.clocked_at = now

    def wait(self, timeout):
        changed = self._changed.wait(timeout)
        self._changed.clear()
        error, self._error = self._error, None
        if error is not None:
            raise error
        return changed

    def close(self):
        self.given_up.set()


class Pipeline:
    """Takes messages as the bridge's does, with or without the lead; while `down` it commits none.

    It is what the poller uses of its `context`.
    """

    dsn = {}

    def __init__(self):
        self.down = False
        self.messages = []

    def submit(self, topic, payload):
        future = Future()
        if self.down:
            future.cancel()
        else:
            self.messages.append((topic, payload))
            future.set_result("stored")
        return future

    def store(self, entries):
        if self.down:
            raise IngestionUnavailable("the database is away or too busy")
        self.messages += entries

    def data(self, device_id=None):
        """Payloads of the data messages, those of one meter where it is named."""
        return [
            payload
            for topic, payload in list(self.messages)
            if topic.endswith("/data") and device_id in (None, payload["device_id"])
        ]


def meter(server, device_id="MM-1", unit=1, channel=1, **values):
    """A registered meter behind a simulated server, or at an `Endpoint`."""
    is_server = not isinstance(server, Endpoint)
    number = int(device_id.rpartition("-")[2])
    return Meter(
        **{
            "id": number,
            "iot_device_id": 100 + number,
            "device_id": device_id,
            "farm_id": 1,
            "data_topic": f"dairy/farm1/milk_meters/{device_id}/data",
            "status_topic": f"dairy/farm1/milk_meters/{device_id}/status",
            "endpoint": Endpoint("tcp", server.host, server.port) if is_server else server,
            "unit": unit,
            "profile": DELAVAL,
            "points": (Point(channel),),
            "interval": PERIOD,
            "idle_interval": PERIOD,
            **values,
        }
    )


@contextmanager
def polling(registry, pipeline=None, clock=None, poller=None):
    """A poller at work in a thread, as in the bridge; gives its pipeline."""
    pipeline = pipeline or Pipeline()
    poller = poller or ModbusPoller(pipeline, registry, clock or Clock())
    stop, failures = threading.Event(), []

    def run():
        try:
            poller.run(stop)
        except Exception as error:  # noqa: BLE001 - raised again in the test's own thread
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield pipeline
    finally:
        stop.set()
        thread.join(60)
    if failures:
        raise failures[0]
    assert not thread.is_alive(), "the poller does not stop"


def eventually(condition, seconds=60):
    """Wait until the condition holds, and return what it gave."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        result = condition()
        if result:
            return result
        time.sleep(0.01)
    raise AssertionError(f"not within {seconds} s: {condition}")
