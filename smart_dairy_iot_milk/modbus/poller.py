"""The worker that polls the milk meters, one task per endpoint, and reports what they say as messages.

It lives in the bridge's process and hands its messages to the bridge's pipeline, so that a reading over Modbus is
validated, stored, counted and reacted to as one over MQTT. While the database is away it goes on polling the meters it
knows and keeps their readings. When it starts in the middle of a milking it takes up the session that is running.
"""

import asyncio
import logging
import random
import threading
from collections import defaultdict
from contextlib import suppress
from datetime import datetime, timedelta, timezone

import psycopg2

from .bus import Bus
from .delivery import Delivery
from .payload import data_payload, online_payload
from .registry import SqlRegistry
from .tracker import SessionTracker

_logger = logging.getLogger(__name__)

#: The registry is read again this often even where no change was announced.
RELOAD_SECONDS = 30
#: A meter that milks nobody says that it is there this often; well within the time after which it counts as offline.
ONLINE_EVERY = timedelta(minutes=1)

_NEVER = datetime.min.replace(tzinfo=timezone.utc)

_FIRST_REGISTRY_PAUSE, _LONGEST_REGISTRY_PAUSE = 0.5, 10.0
_REGISTRY_WAIT_SECONDS = 1.0
_STOP_CHECK_SECONDS = 0.2
_CANCEL_AGAIN_SECONDS = 0.1
# Time for the last readings to be stored when the worker stops.
_DRAIN_SECONDS = 2.0

#: Database name -> its poller.
_pollers = {}


def utc_now():
    return datetime.now(timezone.utc)


def poller_for(context):
    """This process's poller of a database, to work with this context from now on.

    It is one object through all of the bridge's restarts: what it holds in memory when the database goes away is what
    the database is given when it is back.
    """
    poller = _pollers.get(context.db_name)
    if poller is None:
        poller = _pollers[context.db_name] = ModbusPoller(context)
    poller.use(context)
    return poller


class ModbusPoller:
    """A worker of the bridge.

    :param context: has `dsn` (dict for psycopg2.connect) and `submit(topic, payload)` -> Future of the commit
    :param registry: what to poll, `SqlRegistry` or its like
    :param clock: callable, aware UTC now
    :param period: seconds between two readings of a meter
    """

    name = "Modbus poller"

    def __init__(self, context, registry=None, clock=utc_now, period=1.0):
        self._registry = registry or SqlRegistry(context.dsn)
        self._clock = clock
        self._period = period
        # These outlive a restart of the worker: what they hold has not been stored yet, or is under way.
        self._delivery = Delivery(context.submit)
        self._trackers = {}
        self._looked_up = set()
        self._at_work = threading.Lock()
        self._said_online = {}
        self._registry_outage = False
        self._polled = 0

    def run(self, stop):
        """Poll until `stop` is set.

        :param stop: threading.Event
        """
        # A run that its bridge no longer waited for may still be ending.
        with self._at_work:
            self._looked_up.clear()
            try:
                asyncio.run(self._run(stop))
            finally:
                self._registry.close()

    def use(self, context):
        """Hand readings to another pipeline from now on."""
        self._delivery.submit = context.submit

    async def _run(self, stop):
        buses = {}
        delivering = asyncio.create_task(self._delivery.run())
        watching = asyncio.create_task(self._watch(buses))
        tasks = {delivering, watching}
        try:
            while not stop.is_set():
                await asyncio.sleep(_STOP_CHECK_SECONDS)
                _raise_failure(tasks | {task for _bus, task in buses.values()})
        finally:
            await _cancel([watching, *(task for _bus, task in buses.values())])
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._delivery.drained(), _DRAIN_SECONDS)
            await _cancel([delivering])

    # -- what to poll --------------------------------------------------------------------------------------

    async def _watch(self, buses):
        """Keep the buses in step with the registry."""
        pause = _FIRST_REGISTRY_PAUSE
        while True:
            try:
                meters = await asyncio.to_thread(self._registry.load)
                self._report_registry(meters)
                await self._follow(meters or [])
                await self._apply(buses, meters or [])
                await self._wait_for_change()
                pause = _FIRST_REGISTRY_PAUSE
            except psycopg2.Error as error:
                self._report_registry_outage(error)
                # Jitter, so that several processes do not knock in step.
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))
                pause = min(pause * 2, _LONGEST_REGISTRY_PAUSE)

    async def _follow(self, meters):
        """Give each new meter a tracker, and forget those that are gone.

        A tracker takes up the milking that was running when last somebody looked, be it this process, as far as it
        remembers, or another. A session left open by a meter that is no longer polled is closed by its time-out.
        """
        keys = {_key(meter) for meter in meters}
        self._trackers = {key: tracker for key, tracker in self._trackers.items() if key in keys}
        self._looked_up &= keys
        for meter in meters:
            if _key(meter) not in self._looked_up:
                stored = await asyncio.to_thread(self._registry.last_reading, meter, self._clock())
                known = self._trackers.get(_key(meter))
                if known is None or not known.is_ahead_of(stored):
                    self._trackers[_key(meter)] = SessionTracker(meter.device_id, meter.channel, stored)
                self._looked_up.add(_key(meter))

    async def _apply(self, buses, meters):
        by_endpoint = defaultdict(list)
        for meter in meters:
            by_endpoint[meter.endpoint].append(meter)
        for endpoint in buses.keys() - by_endpoint.keys():
            _bus, task = buses.pop(endpoint)
            await _cancel([task])
        for endpoint, neighbours in by_endpoint.items():
            if endpoint in buses:
                buses[endpoint][0].meters = neighbours
            else:
                bus = Bus(endpoint, self._take, self._period)
                bus.meters = neighbours
                buses[endpoint] = (bus, asyncio.create_task(bus.run()))

    async def _wait_for_change(self):
        loop = asyncio.get_running_loop()
        until = loop.time() + RELOAD_SECONDS
        while loop.time() < until:
            if await asyncio.to_thread(self._registry.wait, _REGISTRY_WAIT_SECONDS):
                return

    def _report_registry(self, meters):
        if self._registry_outage:
            self._registry_outage = False
            _logger.info("The registry of milk meters can be read again")
        polled = None if meters is None else len(meters)
        if polled != self._polled:
            self._polled = polled
            text = "another process polls them" if polled is None else f"{polled} to poll"
            _logger.info("Modbus milk meters: %s", text)

    def _report_registry_outage(self, error):
        if not self._registry_outage:
            self._registry_outage = True
            _logger.warning("The registry of milk meters cannot be read, those known are polled on: %s", error)

    # -- what they say -------------------------------------------------------------------------------------

    def _take(self, meter, values):
        """Report one reading of a meter."""
        tracker = self._trackers.get(_key(meter))
        if tracker is None:
            return  # taken off the registry while it was being read
        now = self._clock()
        for reading in tracker.observe(_calibrated(values, meter.factor), now):
            self._delivery.put(meter.data_topic, data_payload(meter, reading), keep=not reading.milking)
            self._said_online[meter.id] = now
        if now - self._said_online.get(meter.id, _NEVER) >= ONLINE_EVERY:
            self._delivery.put(meter.status_topic, online_payload(meter, now))
            self._said_online[meter.id] = now


def _key(meter):
    return meter.id, meter.channel


def _calibrated(values, factor):
    scaled = {name: round(values[name] * factor, 4) for name in ("yield_liters", "flow_rate") if name in values}
    return values | scaled


async def _cancel(tasks):
    """Cancel tasks and wait for their end.

    Asked more than once, because up to Python 3.11 `asyncio.wait_for`, in which pymodbus waits for an answer, forgets a
    cancellation that comes in the same moment as the answer.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _done, pending = await asyncio.wait(pending, timeout=_CANCEL_AGAIN_SECONDS)


def _raise_failure(tasks):
    """Raise what ended a task that should run for ever: the worker then fails as a whole, and is started again."""
    for task in tasks:
        if task.done():
            task.result()
