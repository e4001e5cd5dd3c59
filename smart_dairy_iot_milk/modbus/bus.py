"""Polls the milking points behind one endpoint, one at a time, each when its turn has come.

Whose turn is due longest is read next; a turn that was missed because the line was busy is not made up for. A meter
that cannot be read, whatever the reason, is tried ever more rarely, and never two such before all others have had their
turn: it costs them one time-out. One that answers, but so slowly that it leaves its neighbours little time, is asked
less often. Both come back by themselves. An outage is logged when it begins and when it ends.
"""

import asyncio
import contextlib
import logging
import statistics
from dataclasses import dataclass

from .client import Connection, MeterError
from .meters import Meter, Point

_logger = logging.getLogger(__name__)

#: A meter is tried again after 1, 2, 4 ... of its intervals, and after so many seconds at the longest:
LONGEST_BACKOFF = 10.0
_LONGEST_EXPONENT = 10
#: A slow meter is asked so many times more rarely.
SLOWDOWN = 4
# Slow is what takes this share of the time that the others leave; fast again what takes this one.
_SLOW_FROM, _FAST_BELOW = 0.5, 0.35
# And so many times what the others take: on a line that is too busy all are slow, and none is to blame.
_SLOWER_THAN_OTHERS = 2
# Turns of meters with adjacent ids are spread evenly by it, the golden ratio: they are not to speak all at once.
_SPREAD = 0.618_033_988_75


@dataclass
class _Turn:
    """When a milking point is read next, by the event loop's clock."""

    meter: Meter
    point: Point
    due: float


class Bus:
    """One endpoint.

    :param endpoint: `Endpoint`
    :param on_reading: callable(`Meter`, `Point`, dict quantity -> value), called for each successful reading
    :param health: `HealthBook`
    :param activity: `FarmActivity`
    """

    def __init__(self, endpoint, on_reading, health, activity):
        self.endpoint = endpoint
        self._connection = Connection(endpoint)
        self._on_reading = on_reading
        self._health = health
        self._activity = activity
        self._turns = {}
        self._owed = 0
        self._changed = asyncio.Event()

    def follow(self, meters):
        """Poll these from now on, `Meter`s of this endpoint."""
        now = asyncio.get_running_loop().time()
        before, self._turns = self._turns, {}
        for meter in meters:
            for number, point in enumerate(meter.points):
                key = meter.id, point.channel
                first = now + (meter.id + number) * _SPREAD % 1 * self._interval(meter)
                due = before[key].due if key in before else first
                self._turns[key] = _Turn(meter, point, due)
        self._owed = min(self._owed, len(self._turns))
        self.hurry()

    def hurry(self):
        """Intervals may have become shorter: nobody waits for longer than his."""
        now = asyncio.get_running_loop().time()
        for turn in self._turns.values():
            if not self._health.of(turn.meter).failures:
                turn.due = min(turn.due, now + self._interval(turn.meter))
        self._changed.set()

    async def run(self):
        """Poll until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                self._changed.clear()
                turn = self._next()
                if turn and turn.due <= loop.time():
                    await self._read(turn, loop)
                else:
                    await self._wait(turn and turn.due - loop.time())
        finally:
            self._connection.close()

    def _next(self):
        """The `_Turn` that is next, None where there is none."""
        by_due = sorted(self._turns.values(), key=lambda turn: turn.due)
        failed = [turn for turn in by_due if self._health.of(turn.meter).failures]
        healthy = [turn for turn in by_due if not self._health.of(turn.meter).failures]
        if not healthy:
            self._owed = 0
        if failed and self._owed <= 0 and (not healthy or failed[0].due <= asyncio.get_running_loop().time()):
            return failed[0]
        waiting = healthy if self._owed > 0 else by_due
        return waiting[0] if waiting else None

    async def _wait(self, seconds):
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)

    async def _read(self, turn, loop):
        meter, point = turn.meter, turn.point
        try:
            reading = await self._connection.read(meter.unit, meter.profile, point.offset)
            if self._turns.get((meter.id, point.channel)) is not turn:
                # Taken off the registry, or changed there, while it was being read.
                return
            self._on_reading(meter, point, reading.values)
        except MeterError as error:
            self._failed(meter, error, loop.time())
        except Exception as error:  # noqa: BLE001 - whatever is wrong is this meter's, says so on it, and is tried again
            self._connection.close()
            self._failed(meter, _own_failure(error), loop.time(), trace=error)
        else:
            self._answered(meter, reading.seconds, loop.time())
            self._schedule(turn, loop.time())

    def _answered(self, meter, seconds, now):
        self._owed -= 1
        health = self._health.of(meter)
        health.time_answer(seconds)
        if health.answered(self._is_slow(meter), meter.remark):
            _logger.info("Milk meter %s can be read again", meter.device_id)
            # What kept it away kept its neighbours away, too, as it seems.
            for turn in self._turns.values():
                turn.due = min(turn.due, now + self._interval(turn.meter))

    def give_line_free(self):
        """See `Connection.give_line_free`."""
        self._connection.give_line_free()

    def note_failure(self, error):
        """Say on all meters that polling them failed as a whole."""
        failure = _own_failure(error)
        for meter in {turn.meter.id: turn.meter for turn in self._turns.values()}.values():
            self._health.of(meter).failed(failure.kind, str(failure))

    def _failed(self, meter, error, now, trace=None):
        health = self._health.of(meter)
        backoff = min(meter.interval * 2 ** min(health.failures, _LONGEST_EXPONENT), LONGEST_BACKOFF)
        if health.failed(error.kind, str(error)):
            _logger.warning("Milk meter %s cannot be read: %s", meter.device_id, error, exc_info=trace)
        for turn in self._turns.values():
            if turn.meter.id == meter.id:
                turn.due = now + backoff
        self._owed = sum(not self._health.of(turn.meter).failures for turn in self._turns.values())

    def _schedule(self, turn, now):
        health = self._health.of(turn.meter)
        interval = health.interval = self._interval(turn.meter)
        turn.due += interval
        if turn.due <= now:
            missed = int((now - turn.due) // interval) + 1
            turn.due += missed * interval
            health.overruns += missed

    def _interval(self, meter):
        interval = meter.interval if self._activity.is_active(meter.farm_id) else meter.idle_interval
        return interval * SLOWDOWN if self._health.of(meter).is_slow else interval

    def _is_slow(self, meter):
        """Whether a meter's answers take so much of the line's time that its neighbours have too little."""
        loads = {}
        for turn in self._turns.values():
            loads[turn.meter.id] = loads.get(turn.meter.id, 0.0) + self._health.of(turn.meter).mean_seconds
        own = loads.pop(meter.id)
        if not loads or own <= _SLOWER_THAN_OTHERS * statistics.median(loads.values()):
            return False
        left = meter.interval - sum(loads.values())
        return own > left * (_FAST_BELOW if self._health.of(meter).is_slow else _SLOW_FROM)


def _own_failure(error):
    """What went wrong in the platform itself, as a reason why a meter could not be read."""
    return MeterError(f"an error of the platform, with its traceback in the log: {error!r}", "failed")
