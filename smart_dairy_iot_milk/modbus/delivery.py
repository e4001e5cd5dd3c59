"""Hands messages on without loss.

A message stays here, in memory, until the far side says that it is committed. While the database is away readings
gather; past a limit the longest milkings are thinned out, so that each keeps its course, and none ever loses its first
reading or its last, which holds its yield.
"""

import asyncio
import contextlib
import logging
from collections import Counter, deque
from dataclasses import dataclass

_logger = logging.getLogger(__name__)

#: Readings kept while they cannot be stored, some 20 MB: of 64 milkings at a time every second for five minutes, every
#: other second for ten, and so on.
LIMIT = 20_000
_BATCH = 500
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0


@dataclass(frozen=True)
class _Parcel:
    topic: str
    payload: dict
    keep: bool
    milking: str


class Delivery:
    """A queue in the order of arrival.

    :param submit: callable(topic, payload dict) -> concurrent Future, done once the message is committed
    """

    def __init__(self, submit, limit=LIMIT):
        self.submit = submit
        self._limit = limit
        self._waiting = deque()
        self._under_way = []
        self._arrived = asyncio.Event()
        self._outage = False
        self.dropped = 0

    def __len__(self):
        return len(self._waiting) + len(self._under_way)

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
        self._arrived = asyncio.Event()
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
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    async def drained(self):
        """Returns when nothing waits."""
        while len(self):
            await asyncio.sleep(0.02)

    async def _deliver_batch(self):
        """:return: None, or the error of the first message that was not committed; it and the later ones wait again"""
        self._under_way = [self._waiting.popleft() for _ in range(min(len(self._waiting), _BATCH))]
        try:
            errors = await asyncio.gather(*[self._commit(parcel) for parcel in self._under_way])
        except asyncio.CancelledError:
            self._waiting.extendleft(reversed(self._under_way))
            raise
        else:
            failed = [parcel for parcel, error in zip(self._under_way, errors, strict=True) if error is not None]
            self._waiting.extendleft(reversed(failed))
        finally:
            self._under_way = []
        return next((error for error in errors if error is not None), None)

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

        self.submit(parcel.topic, parcel.payload).add_done_callback(settle)
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
            _logger.warning("Milk-meter readings cannot be stored and are kept: %r", error)
        elif error is None and self._outage:
            _logger.info("Milk-meter readings are stored again; %d had to be dropped", self.dropped)
            self.dropped = 0
        self._outage = error is not None
