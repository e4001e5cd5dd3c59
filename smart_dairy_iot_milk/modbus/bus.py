"""Polls the meters behind one endpoint, in turn, each once a period.

A meter that does not answer costs the others behind the same gateway one time-out when it is next tried, which is ever
more rarely; it comes back by itself. An outage is logged when it begins and when it ends.
"""

import asyncio
import logging

from .client import Connection, MeterError

_logger = logging.getLogger(__name__)

#: A meter is tried again after 1, 2, 4 ... seconds, at the longest:
LONGEST_BACKOFF = 10.0


class _Health:
    """How a meter has been answering. Times are those of the event loop's clock."""

    def __init__(self):
        self.failures = 0
        self.retry_at = 0.0


class Bus:
    """One endpoint.

    :param endpoint: (host, port)
    :param on_values: callable(meter, dict quantity -> value), called for each successful reading
    :param period: seconds between two readings of a meter
    """

    def __init__(self, endpoint, on_values, period):
        self.meters = []
        self._connection = Connection(endpoint)
        self._on_values = on_values
        self._period = period
        self._health = {}

    async def run(self):
        """Poll until cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        try:
            while True:
                await self._round(loop)
                due = max(due + self._period, loop.time())
                await asyncio.sleep(due - loop.time())
        finally:
            self._connection.close()

    async def _round(self, loop):
        meters = list(self.meters)
        self._health = {meter.id: self._health.get(meter.id) or _Health() for meter in meters}
        for meter in meters:
            if not self._health[meter.id].failures:
                await self._poll(meter, loop)
        await self._retry_the_failed(loop)

    async def _retry_the_failed(self, loop):
        """Try those that are due again, until one fails: not two time-outs in one round."""
        failed = [meter for meter in self.meters if meter.id in self._health and self._health[meter.id].failures]
        for meter in sorted(failed, key=lambda meter: self._health[meter.id].retry_at):
            if self._health[meter.id].retry_at > loop.time() or not await self._poll(meter, loop):
                break

    async def _poll(self, meter, loop):
        """:return: whether the meter answered"""
        health = self._health[meter.id]
        try:
            values = await self._connection.read(meter.unit, meter.profile)
        except MeterError as error:
            if not health.failures:
                _logger.warning("Milk meter %s does not answer: %s", meter.device_id, error)
            health.retry_at = loop.time() + min(self._period * 2**health.failures, LONGEST_BACKOFF)
            health.failures += 1
            return False
        if health.failures:
            _logger.info("Milk meter %s answers again", meter.device_id)
            self._health[meter.id] = _Health()
        self._on_values(meter, values)
        return True
