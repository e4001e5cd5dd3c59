"""The worker that polls the milk meters, one task per endpoint, and reports what they say as messages.

It lives in the bridge's process and hands its messages to the bridge's pipeline, so that a reading over Modbus is
validated, stored, counted and reacted to as one over MQTT. While the database is away it goes on polling the meters it
knows and keeps their readings, though the bridge has no lead meanwhile: a milking that begins and ends in an outage
would otherwise be lost, since the next cow's stands in its registers then. When it starts in the middle of a milking it
takes up the session that is running.
"""

import asyncio
import threading
from contextlib import suppress
from datetime import datetime, timezone

from .delivery import Delivery
from .registry import SqlRegistry
from .watch import Watch, cancel

_STOP_CHECK_SECONDS = 0.2
# Time for the last readings to be stored when the worker stops.
_DRAIN_SECONDS = 2.0

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

    :param context: has `dsn` (dict for psycopg2.connect) and `submit(topic, payload)` -> Future of the commit
    :param registry: what to poll, `SqlRegistry` or its like
    :param clock: callable, aware UTC now
    """

    name = "Modbus poller"
    #: See `bridge.supervisor.LastingThreads`.
    outlives_lead = True

    def __init__(self, context, registry=None, clock=utc_now):
        self._registry = registry or SqlRegistry(context.dsn)
        self._delivery = Delivery(context.submit)
        self._watch = Watch(self._registry, self._delivery, clock)
        self._at_work = threading.Lock()

    def run(self, stop):
        """Poll until `stop` is set.

        :param stop: threading.Event
        """
        # A run that its bridge no longer waited for may still be ending.
        with self._at_work:
            try:
                asyncio.run(self._run(stop))
            finally:
                self._registry.close()

    def use(self, context):
        """Hand readings to another pipeline from now on."""
        self._delivery.submit = context.submit

    async def _run(self, stop):
        delivering = asyncio.create_task(self._delivery.run())
        watching = asyncio.create_task(self._watch.run())
        try:
            while not stop.is_set():
                await asyncio.sleep(_STOP_CHECK_SECONDS)
                for task in (delivering, watching):
                    if task.done():
                        task.result()
        finally:
            await cancel([watching])
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._delivery.drained(), _DRAIN_SECONDS)
            await cancel([delivering])
