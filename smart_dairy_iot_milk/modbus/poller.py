"""The worker that polls the milk meters, one task per endpoint, and reports what they say as messages.

It lives in the bridge's process and hands its messages to the bridge's pipeline, so that a reading over Modbus is
validated, stored, counted and reacted to as one over MQTT. While the database is away it goes on polling the meters it
knows and keeps their readings, though the bridge has no lead meanwhile: a milking that begins and ends in an outage
would otherwise be lost, since the next cow's stands in its registers then. Where another bridge leads after the outage
it stops polling and stores what it holds nevertheless. When it starts in the middle of a milking it takes up the
session that is running.
"""

import asyncio
import logging
import threading
from datetime import datetime, timezone

from .delivery import Delivery
from .registry import SqlRegistry
from .watch import Watch, cancel

_logger = logging.getLogger(__name__)

_STOP_CHECK_SECONDS, _LEFT_CHECK_SECONDS = 0.2, 0.02
#: What is not stored so long after the worker was stopped may be lost. The bridge waits for it for two seconds longer
#: when its process ends (`bridge.runner`), which is as long as Docker waits, unless told otherwise; systemd waits 90 s.
STORED_WITHIN = 8.0

#: Database name -> its poller.
_pollers = {}


def utc_now():
    return datetime.now(timezone.utc)


def poller_for(context):
    """This process's poller of a database; the bridge gives it each new context by its `use`.

    It is one object through all of the bridge's restarts: what it holds in memory when the database goes away is what
    the database is given when it is back.
    """
    poller = _pollers.get(context.db_name)
    if poller is None:
        poller = _pollers[context.db_name] = ModbusPoller(context)
    return poller


class ModbusPoller:
    """A worker of the bridge.

    :param context: `WorkerContext` of the bridge, of which it uses `dsn`, `submit` and `store`
    :param registry: what to poll, `SqlRegistry` or its like
    :param clock: callable, aware UTC now
    """

    name = "Modbus poller"
    #: See `bridge.supervisor.LastingThreads`.
    outlives_lead = True

    def __init__(self, context, registry=None, clock=utc_now):
        self._context = context
        self._registry = registry or SqlRegistry(context.dsn)
        self._clock = clock
        self._delivery = Delivery(context)
        self._watch = Watch(self._registry, self._delivery, clock)
        self._at_work = threading.Lock()
        self._latest = None
        #: How often its event loop has turned; None while it does not work. See `bridge.supervisor.LastingThreads`.
        self.turns = None

    def run(self, stop):
        """Poll until `stop` is set, and return when all that was read is stored.

        Where another run has begun meanwhile, it returns at once: what is held is then that one's to store.

        :param stop: threading.Event
        """
        self._latest = stop
        with self._at_work:
            self.turns = 0
            try:
                asyncio.run(self._run(stop))
            finally:
                self.turns = None

    def use(self, context):
        """Hand readings to another pipeline from now on."""
        self._context = context
        self._delivery.use(context)

    def successor(self):
        """Another poller in place of this one, which hangs: it has all that this one holds, and knows what it knows.

        Should this one come to itself again it finds that it was told to stop, and stores the same once more, in vain.
        """
        successor = ModbusPoller(self._context, self._registry.another(), self._clock)
        successor._delivery.take_over(self._delivery)
        successor._watch.take_over(self._watch)
        if _pollers.get(self._context.db_name) is self:
            _pollers[self._context.db_name] = successor
        return successor

    async def _run(self, stop):
        delivering = asyncio.create_task(self._delivery.run())
        try:
            await self._poll(stop, delivering)
            await self._store_the_rest(stop, delivering)
        finally:
            await cancel([delivering])

    async def _poll(self, stop, delivering):
        watching = asyncio.create_task(self._watch.run())
        try:
            while not stop.is_set():
                self.turns += 1
                await asyncio.sleep(_STOP_CHECK_SECONDS)
                for task in (delivering, watching):
                    if task.done():
                        task.result()
        finally:
            await cancel([watching])

    async def _store_the_rest(self, stop, delivering):
        """Go on until nothing is held; where the process ends sooner, what is lost has been told."""
        loop = asyncio.get_running_loop()
        told_at = loop.time() + STORED_WITHIN
        self._delivery.hurry()
        while len(self._delivery) and self._latest is stop:
            if delivering.done():
                delivering.result()
            if loop.time() >= told_at:
                self._report_held()
                told_at = float("inf")
            self.turns += 1
            await asyncio.sleep(_LEFT_CHECK_SECONDS)

    def _report_held(self):
        held = self._delivery.held
        if held:
            _logger.error(
                "%d milk-meter readings could not be stored within %.0f s of the poller's end; those not stored when"
                " this process ends are lost: %s",
                held.total(),
                STORED_WITHIN,
                ", ".join(f"{count} of {device_id}" for device_id, count in sorted(held.items())),
            )
