"""Hands messages on without loss.

A message stays here, in memory, until the far side says that it is committed. It goes the way of all messages, through
the bridge's pipeline, for as long as there is one; what that does not take, since the bridge has lost its lead, is
stored without it. While the database is away readings gather; past a limit the longest milkings are thinned out, so
that each keeps its course, and none ever loses its first reading or its last, which holds its yield.
"""

import asyncio
import contextlib
import logging
from collections import Counter, deque
from dataclasses import dataclass

from .calls import Calls

_logger = logging.getLogger(__name__)

#: Readings kept while they cannot be stored, some 20 MB: of 64 milkings at a time every second for five minutes, every
#: other second for ten, and so on.
LIMIT = 20_000
_BATCH = 500
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0
# While somebody waits for all to be stored.
_HURRIED_PAUSE = 1.0


@dataclass(frozen=True)
class _Parcel:
    topic: str
    payload: dict
    keep: bool
    milking: str


class Delivery:
    """A queue in the order of arrival.

    :param context: has `submit(topic, payload dict)` -> concurrent Future, done once the message is committed, and
        cancelled where nobody is there to store it, and `store(list of (topic, payload dict))`, which stores them
        itself, blocks, and raises where it cannot
    """

    def __init__(self, context, limit=LIMIT):
        self._context = context
        self._limit = limit
        # Of its own: in the event loop's threads names are looked up, which may take long.
        self._calls = Calls("smart_dairy_iot readings")
        self._waiting = deque()
        self._under_way = []
        self._arrived = asyncio.Event()
        self._hurried = asyncio.Event()
        self._outage = False
        self.dropped = 0

    def __len__(self):
        return len(self._waiting) + len(self._under_way)

    @property
    def held(self):
        """Readings that are not stored yet: Counter of the meters' device ids."""
        return Counter(parcel.payload["device_id"] for parcel in [*self._under_way, *self._waiting] if parcel.milking)

    def take_over(self, other):
        """Hold all that another one holds, which may go on storing it: what comes twice is a duplicate."""
        self._waiting.extend([*other._under_way, *other._waiting])

    def use(self, context):
        """Hand messages to another pipeline from now on."""
        self._context = context

    def put(self, topic, payload, keep=False, milking=""):
        """Take a message over.

        :param keep: it is not to be dropped, however many wait
        :param milking: session id of the milking that it is one of many readings of, if it is
        """
        self._waiting.append(_Parcel(topic, payload, keep, milking))
        if len(self._waiting) > self._limit:
            self._thin_out()
        self._arrived.set()

    async def run(self):
        """Deliver until cancelled."""
        # An event belongs to the loop it was waited for in, and a restarted worker brings a new loop.
        self._arrived, self._hurried = asyncio.Event(), asyncio.Event()
        pause = _FIRST_PAUSE
        while True:
            if not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            error = await self._deliver_batch()
            self._report(error)
            if error is None:
                pause = _FIRST_PAUSE
            else:
                await self._rest(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    def hurry(self):
        """Somebody waits until nothing is left: what cannot be stored is tried again at once, and then often."""
        self._hurried.set()

    async def _rest(self, seconds):
        if self._hurried.is_set():
            await asyncio.sleep(min(seconds, _HURRIED_PAUSE))
        else:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._hurried.wait(), seconds)

    async def _deliver_batch(self):
        """:return: None, or why messages were not committed; those wait again, before all others"""
        self._under_way = failed = [self._waiting.popleft() for _ in range(min(len(self._waiting), _BATCH))]
        error = None
        try:
            failed = await self._submit(self._under_way)
            if failed:
                error = await self._store(failed)
                failed = failed if error else []
        finally:
            # Also where this is cancelled: what is committed meanwhile is a duplicate when it comes again.
            self._waiting.extendleft(reversed(failed))
            self._under_way = []
        return error

    async def _submit(self, parcels):
        """:return: list of those that the pipeline has not committed"""
        errors = await asyncio.gather(*[self._commit(parcel) for parcel in parcels])
        return [parcel for parcel, error in zip(parcels, errors, strict=True) if error is not None]

    async def _store(self, parcels):
        """Store without the pipeline; returns None, or why that cannot be done."""
        entries = [(parcel.topic, parcel.payload) for parcel in parcels]
        try:
            await asyncio.wrap_future(self._calls.submit(self._context.store, entries))
        except Exception as error:  # noqa: BLE001 - whatever it is, the messages are kept, and it is reported
            return error
        return None

    def _commit(self, parcel):
        """An awaitable of None, or of what went wrong.

        asyncio's own wrapper is not used: cancelling that cancels the future the pipeline is still going to settle.
        """
        loop = asyncio.get_running_loop()
        settled = loop.create_future()

        def settle(future):
            error = asyncio.CancelledError() if future.cancelled() else future.exception()
            # The loop is closed where the worker stopped while the message was under way.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(lambda: settled.done() or settled.set_result(error))

        try:
            self._context.submit(parcel.topic, parcel.payload).add_done_callback(settle)
        except (TypeError, ValueError):
            # JSON cannot hold it, now or later, and it is not to hold up the others.
            _logger.exception("A message on %s cannot be sent and is dropped: %r", parcel.topic, parcel.payload)
            settled.set_result(None)
        except Exception as error:  # noqa: BLE001 - whatever it is, the message is tried again, and it is reported
            settled.set_result(error)
        return settled

    def _thin_out(self):
        """Drop the oldest message that is of no milking, else every other reading of the milking that has most."""
        droppable = [parcel for parcel in self._waiting if not parcel.keep]
        readings = Counter(parcel.milking for parcel in droppable)
        if not droppable:
            return
        if "" in readings:
            dropped = [next(parcel for parcel in droppable if not parcel.milking)]
        else:
            # Of several with as many, the one that comes first is the oldest.
            longest = max(readings, key=readings.get)
            dropped = [parcel for parcel in droppable if parcel.milking == longest][::2]
        gone = set(map(id, dropped))
        self._waiting = deque(parcel for parcel in self._waiting if id(parcel) not in gone)
        self.dropped += len(dropped)

    def _report(self, error):
        if error is not None and not self._outage:
            # That the database is away needs no traceback.
            trace = None if isinstance(error, RuntimeError) else error
            _logger.warning("Milk-meter readings cannot be stored and are kept: %r", error, exc_info=trace)
        elif error is None and self._outage:
            _logger.info("Milk-meter readings are stored again; %d had to be dropped", self.dropped)
            self.dropped = 0
        self._outage = error is not None
