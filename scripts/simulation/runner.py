"""Runs the demo farm: registers it, connects its devices, and sends what the models say when its time has come."""

import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from .clock import SimulationClock, utc_now
from .devices import Broker, MqttDevice, Refused
from .farm import DemoFarm
from .faults import Fault
from .herd import Herd
from .layout import DEVICES, FARM_CODE
from .modbus_meter import ModbusMeter
from .parlour import Schedule
from .registration import CredentialFile, Registration
from .rpc import OdooClient

MODBUS_TICK_SECONDS = 0.5
PROGRESS_SECONDS = 10


@dataclass(frozen=True)
class Options:
    """What the user asked for; times of day are the farm's (UTC).

    `milkings` is None for "now": a milking begins when the clock goes live; else two timedeltas after midnight.
    `duration` is in seconds of real time, None for ever. `modbus_port` is the first meter's, the second takes the next.
    """

    url: str
    database: str
    login: str
    password: str
    broker: Broker
    credential_file: str
    seed: int = 1
    history: timedelta = timedelta(days=1)
    speed: float = 1440.0
    milkings: tuple[timedelta, timedelta] | None = None
    duration: float | None = None
    faults: tuple[Fault, ...] = ()
    modbus_port: int = 15020


class Simulation:
    """One run of the demo farm against a running product.

    :param options: `Options`
    :param say: callable taking a line for the user
    """

    def __init__(self, options, say=print):
        self._options = options
        self._say = say
        self._stop = threading.Event()
        self._registration = None
        self._meters = {}
        self._connections = {}

    def stop(self):
        """End the run soon; safe from a signal handler."""
        self._stop.set()

    def run(self):
        """Register, connect, catch up with the past, and stay live until stopped or the duration is over."""
        try:
            herd, credentials = self._register()
            clock = SimulationClock(self._history_start(), self._options.speed)
            farm = DemoFarm(
                self._options.seed, herd, self._schedule(clock), clock.start, clock.live_from, self._options.faults
            )
            self._connect(credentials, clock)
            self._publish(farm, clock)
        finally:
            self._close()

    def _register(self):
        options = self._options
        modbus = [device.device_id for device in DEVICES.values() if device.is_modbus]
        ports = {meter_id: options.modbus_port + place for place, meter_id in enumerate(modbus)}
        # Before anybody is told to poll them.
        for meter_id, port in ports.items():
            self._meters[meter_id] = ModbusMeter("127.0.0.1", port)
            self._meters[meter_id].start()
        client = OdooClient(options.url, options.database, options.login, options.password)
        self._registration = Registration(client, CredentialFile(options.credential_file), ports)
        herd = self._registration.ensure_herd(Herd.generate(options.seed, utc_now().date()))
        self._say(f"{len(herd.cows)} cows are in the register")
        credentials = self._registration.ensure_devices()
        self._say(f"{len(DEVICES)} devices are registered and provisioned")
        return herd, credentials

    def _history_start(self):
        """Where simulated time begins: at what the product has last, if that is not too long ago."""
        earliest = utc_now() - self._options.history
        last = self._registration.last_message()
        start = earliest if last is None else min(max(earliest, last + timedelta(seconds=1)), utc_now())
        return start.replace(microsecond=0)

    def _schedule(self, clock):
        if self._options.milkings:
            return Schedule(*self._options.milkings)
        # To the next whole second, so that the milking begins when the clock is live, not just before.
        return Schedule.around((clock.live_from + timedelta(seconds=1)).replace(microsecond=0))

    def _connect(self, credentials, clock):
        for device_id, issued in credentials.items():
            try:
                self._connect_one(device_id, issued, clock)
            except Refused:
                # The broker knows another password, or none: a broker set up anew, or a rotation in the web client.
                self._connect_one(device_id, self._registration.rotate(device_id), clock)
        self._say(f"{len(self._connections)} devices are connected by TLS")

    def _connect_one(self, device_id, issued, clock):
        connection = MqttDevice(DEVICES[device_id], FARM_CODE, issued, self._options.broker, clock.now)
        connection.connect()
        self._connections[device_id] = connection

    def _publish(self, farm, clock):
        threading.Thread(target=self._serve_modbus, args=(farm, clock), name="modbus", daemon=True).start()
        progress = Progress(clock, self._say)
        if self._options.duration is not None:
            timer = threading.Timer(self._options.duration, self._stop.set)
            timer.daemon = True
            timer.start()
        for message in farm.messages():
            if not clock.wait_until(message.at, self._stop):
                break
            self._connections[message.device_id].publish(message, self._stop)
            progress.report(message.at)

    def _serve_modbus(self, farm, clock):
        """Keep the Modbus meters' registers at what their stalls show now; idle until the clock is live."""
        while not self._stop.wait(MODBUS_TICK_SECONDS):
            if clock.is_live:
                at = clock.now()
                for meter_id, meter in self._meters.items():
                    # What was asked is kept for tests; a demo may run for weeks.
                    meter.requests.clear()
                    milking = farm.parlour.on_meter(meter_id, at)
                    if milking is not None:
                        meter.set(**milking.registers(at))

    def _close(self):
        self._stop.set()
        for meter in self._meters.values():
            meter.stop()
        for connection in self._connections.values():
            connection.close()
        published = sum(connection.published for connection in self._connections.values())
        denied = sum(connection.denied for connection in self._connections.values())
        dropped = sum(connection.dropped for connection in self._connections.values())
        self._say(f"stopped: {published} messages published, {denied} denied by the broker, {dropped} dropped")


class Progress:
    """Says now and then how far the past is caught up with, and once that the farm is live."""

    def __init__(self, clock, say):
        self._clock = clock
        self._say = say
        self._next = time.monotonic()
        self._live = False

    def report(self, at):
        """Called with the simulated time of each message sent."""
        if self._live:
            return
        if at >= self._clock.live_from:
            self._live = True
            self._say(f"the farm is live, {utc_now():%H:%M:%S} UTC")
        elif time.monotonic() >= self._next:
            self._next = time.monotonic() + PROGRESS_SECONDS
            share = (at - self._clock.start) / (self._clock.live_from - self._clock.start)
            self._say(f"history: {at:%Y-%m-%d %H:%M}, {share:.0%}")


def parse_milkings(text):
    """`now`, or two times of day as `05:00,16:30` → the `milkings` of `Options`; ValueError for anything else."""
    if text == "now":
        return None
    first, second = (datetime.strptime(part, "%H:%M") for part in text.split(","))
    offsets = tuple(timedelta(hours=moment.hour, minutes=moment.minute) for moment in (first, second))
    Schedule(*offsets)
    return offsets
