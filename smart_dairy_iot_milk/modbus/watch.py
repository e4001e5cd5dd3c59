"""Keeps the buses in step with the registry, follows the milkings in what they read, and says how the meters are."""

import asyncio
import copy
import logging
import random
from collections import defaultdict
from datetime import datetime, timedelta, timezone

import psycopg2

from .activity import FarmActivity
from .bus import Bus
from .calls import Calls
from .health import HealthBook
from .payload import data_payload, online_payload
from .tracker import SessionTracker

_logger = logging.getLogger(__name__)

#: The registry is read again this often even where no change was announced.
RELOAD_SECONDS = 30
#: While another process polls, it is asked this often whether it still does.
_STAND_BY_SECONDS = 1.0
#: How the meters are is said at once where a state changes, else this often.
_STATES_SECONDS = 5.0
#: A meter that milks nobody says that it is there this often; well within the time after which it counts as offline.
ONLINE_EVERY = timedelta(minutes=1)

_NEVER = datetime.min.replace(tzinfo=timezone.utc)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0
_WAIT_SECONDS = 1.0
_CANCEL_AGAIN_SECONDS = 0.1


class Watch:
    """What it knows of the milkings outlives a restart of the worker: it has not been stored yet, or is under way.

    :param registry: what to poll, `SqlRegistry` or its like
    :param delivery: `Delivery`
    :param clock: callable, aware UTC now
    """

    def __init__(self, registry, delivery, clock):
        self._registry = registry
        self._delivery = delivery
        self._clock = clock
        # Of its own: in the event loop's threads names are looked up, which may take long. One, so that calls of the
        # registry follow one another, those of a former run too.
        self._calls = Calls("smart_dairy_iot registry of meters")
        self._health = HealthBook(clock)
        self._activity = FarmActivity()
        self._trackers = {}
        self._looked_up = set()
        self._meter_ids = set()
        self._said_online = {}
        self._buses = {}
        self._outage = False
        self._polled = 0
        self._states_said_at = 0.0

    def take_over(self, other):
        """Know of the milkings what another one knows, which hangs, and be able to open its lines."""
        # Should that one come to itself, what it still observes is its own.
        self._trackers = copy.deepcopy(other._trackers)
        for bus, _task in list(other._buses.values()):
            bus.give_line_free()

    async def run(self):
        """Watch until cancelled; the registry is given up then, and with it the right to poll."""
        self._looked_up.clear()
        self._buses = {}
        pause = _FIRST_PAUSE
        try:
            while True:
                try:
                    meters = await self._ask(self._registry.load)
                    await (self._stand_aside() if meters is None else self._follow(meters))
                    # Not before: only what is followed is polled on without the database.
                    self._report(meters)
                    await self._wait(RELOAD_SECONDS if meters is not None else _STAND_BY_SECONDS)
                    pause = _FIRST_PAUSE
                except psycopg2.Error as error:
                    self._report_outage(error)
                    # The lock went with the connection: until it is had again, another process may have polled.
                    self._looked_up.clear()
                    # Jitter, so that several processes do not knock in step.
                    await asyncio.sleep(pause * random.uniform(0.5, 1.5))
                    pause = min(pause * 2, _LONGEST_PAUSE)
        finally:
            try:
                await cancel(task for _bus, task in self._buses.values())
            finally:
                # Not waited for: a call that is under way may take as long as a network that swallows everything.
                self._calls.submit(self._registry.close)

    def _ask(self, method, *arguments):
        """An awaitable of what a method of the registry gives, which blocks."""
        return asyncio.wrap_future(self._calls.submit(method, *arguments))

    # -- what to poll --------------------------------------------------------------------------------------

    async def _follow(self, meters):
        self._meter_ids = {meter.id for meter in meters}
        self._health.forget_others(self._meter_ids)
        for meter in meters:
            if meter.problem:
                self._note_problem(meter)
        polled = [meter for meter in meters if not meter.problem]
        await self._follow_points(polled)
        await self._follow_lines(polled)

    async def _stand_aside(self):
        """Leave the meters to the process that polls them. What is known of the milkings may still prove to be the
        latest: after a lost connection that process is this one, until the server has noticed. How the meters are the
        other one knows better."""
        self._looked_up.clear()
        await self._follow_lines([])
        self._health.forget_others(())

    def _note_problem(self, meter):
        health = self._health.of(meter)
        health.cannot_be_polled(meter.problem)
        if health.changed:
            _logger.warning("Milk meter %s cannot be polled: %s", meter.device_id, meter.problem)

    async def _follow_points(self, meters):
        """Give each new point a tracker, and forget those that are gone.

        A tracker takes up the milking that was running when last somebody looked, be it this process, as far as it
        remembers, or another. A session left open by a meter that is no longer polled is closed by its time-out.
        """
        points = {_key(meter, point): (meter, point) for meter in meters for point in meter.points}
        self._trackers = {key: tracker for key, tracker in self._trackers.items() if key in points}
        self._looked_up &= points.keys()
        for key, (meter, point) in points.items():
            if key not in self._looked_up:
                past = await self._ask(self._registry.past, meter, point, self._clock())
                known = self._trackers.get(key)
                if known is None or not known.is_ahead_of(past):
                    flow = _flow(meter.profile)
                    self._trackers[key] = SessionTracker(meter.device_id, point.channel, past, flow)
                self._looked_up.add(key)

    async def _follow_lines(self, meters):
        by_endpoint = defaultdict(list)
        for meter in meters:
            by_endpoint[meter.endpoint].append(meter)
        gone = self._buses.keys() - by_endpoint.keys()
        # Before others are opened: a line whose settings have changed is the same line.
        await cancel(self._buses.pop(endpoint)[1] for endpoint in gone)
        for endpoint, neighbours in by_endpoint.items():
            if endpoint not in self._buses:
                bus = Bus(endpoint, self._take, self._health, self._activity)
                self._buses[endpoint] = bus, asyncio.create_task(_run_for_ever(bus))
            self._buses[endpoint][0].follow(neighbours)

    async def _wait(self, seconds):
        """Wait until something changes in the registry; how the meters are is said meanwhile, however often it does."""
        loop = asyncio.get_running_loop()
        until, has_changed = loop.time() + seconds, False
        while not has_changed and (left := until - loop.time()) > 0:
            has_changed = await self._ask(self._registry.wait, min(left, _WAIT_SECONDS))
            if self._health.changed or loop.time() - self._states_said_at >= _STATES_SECONDS:
                self._states_said_at = loop.time()
                await self._ask(self._registry.write_states, self._health.states(), self._meter_ids, self._clock())

    def _report(self, meters):
        if self._outage:
            self._outage = False
            _logger.info("The registry of milk meters can be read again")
        polled = None if meters is None else sum(not meter.problem for meter in meters)
        if polled != self._polled:
            self._polled = polled
            text = "another process polls them" if polled is None else f"{polled} to poll"
            _logger.info("Modbus milk meters: %s", text)

    def _report_outage(self, error):
        if not self._outage:
            self._outage = True
            _logger.warning("The registry of milk meters cannot be read, those known are polled on: %s", error)

    # -- what they say -------------------------------------------------------------------------------------

    def _take(self, meter, point, values):
        """Report one reading of a milking point."""
        tracker = self._trackers.get(_key(meter, point))
        if tracker is None:
            return  # taken off the registry while it was being read
        now = self._clock()
        for reading in tracker.observe(values, now, meter.factor):
            keep = reading.first or not reading.milking
            self._delivery.put(meter.data_topic, data_payload(meter, point, reading), keep, reading.session_id)
            self._said_online[meter.id] = now
        if now - self._said_online.get(meter.id, _NEVER) >= ONLINE_EVERY:
            self._delivery.put(meter.status_topic, online_payload(meter, now))
            self._said_online[meter.id] = now
        if tracker.is_milking and self._activity.note_milking(meter.farm_id):
            for bus, _task in self._buses.values():
                bus.hurry()


def _key(meter, point):
    return meter.id, point.channel


def _flow(profile):
    return (profile.flow_from, profile.idle_seconds) if profile.milking_from == "flow" else None


async def _run_for_ever(bus):
    """Run a bus until cancelled. What goes wrong with it as a whole is its own: it is begun again, and no other is."""
    loop, pause = asyncio.get_running_loop(), _FIRST_PAUSE
    while True:
        began = loop.time()
        try:
            await bus.run()
        except Exception as error:
            if loop.time() - began > _LONGEST_PAUSE:
                pause = _FIRST_PAUSE
            _logger.exception("Polling at %s has failed and is begun again in %.1f s", bus.endpoint, pause)
            bus.note_failure(error)
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


async def cancel(tasks):
    """Cancel tasks and wait for their end.

    Asked more than once, because up to Python 3.11 `asyncio.wait_for`, in which pymodbus waits for an answer, forgets a
    cancellation that comes in the same moment as the answer. For the same reason whoever waits here may be cancelled
    again and again, which takes effect when all have ended: else one that forgot would go on for ever.
    """
    pending, cancelled = set(tasks), None
    while pending:
        for task in pending:
            task.cancel()
        try:
            await asyncio.wait(pending, timeout=_CANCEL_AGAIN_SECONDS)
        except asyncio.CancelledError as error:
            cancelled = error
        pending = {task for task in pending if not task.done()}
    if cancelled:
        raise cancelled
