"""Publishes at a steady rate, for as long as one likes, over as many TLS connections as one likes.

Unlike `publisher`, which is for bursts, it makes each message when its time has come, so that an hour's messages need
no memory; and it can say when it sent each.
"""

import asyncio
import contextlib
import ssl
import time
from array import array
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from .publisher import Publisher
from .wire import ANSWER_BYTES, DISCONNECT, connect_packet, publish_packet, refusal

#: Unacknowledged messages on all connections together: a broker that lags slows the publisher down.
_WINDOW = 16_000
#: Most messages that are made before they are written, where the publisher is behind its time.
_MOST_AT_ONCE = 200
#: TLS handshakes under way at once; a listener's backlog is about that long.
_HANDSHAKES = 50
_ACKNOWLEDGED_SECONDS = 120


@dataclass(frozen=True)
class Sent:
    """What was published: when the first was sent and the last acknowledged, by `time.monotonic`, and when each was
    sent, in the order of the messages, if that was asked for."""

    began: float
    ended: float
    moments: array


def publish_steadily(
    publisher: Publisher, messages: Iterable[tuple[str, bytes]], rate: float, connections: int, moments: bool = False
) -> Sent:
    """Publish messages at QoS 1, the next one always over the next connection, and wait until all are acknowledged.

    :param publisher: whose broker and user are taken
    :param messages: pairs of topic and payload; in turns of ``connections`` devices, each device has its own
    :param rate: messages a second
    :param moments: whether to note when each was sent
    """

    async def run() -> Sent:
        async with open_connections(publisher, connections) as lanes:
            return await lanes.publish(messages, rate, moments)

    return asyncio.run(run())


class Connections:
    """Open connections to the broker."""

    def __init__(self):
        self.open: list[_Connection] = []
        self.received_bytes = 0
        self.error: Exception | None = None

    async def publish(self, messages: Iterable[tuple[str, bytes]], rate: float, moments: bool = False) -> Sent:
        """See `publish_steadily`."""
        count = written = 0
        waiting, sent_at = defaultdict(list), array("d")
        already = self._acknowledged
        began = now = time.monotonic()
        for number, (topic, payload) in enumerate(messages):
            due, count = began + number / rate, number + 1
            while due > now or number - written >= _MOST_AT_ONCE or number - self._acknowledged + already >= _WINDOW:
                self._write(waiting)
                if moments:
                    sent_at.extend([now] * (number - written))
                written = number
                await asyncio.sleep(max(0.001, due - now))
                now = time.monotonic()
            turn, lane = divmod(number, len(self.open))
            waiting[lane].append(publish_packet(turn, topic, payload))
        self._write(waiting)
        if moments:
            sent_at.extend([now] * (count - written))
        await self._wait_acknowledged(already + count)
        return Sent(began, time.monotonic(), sent_at)

    def _write(self, waiting: dict[int, list[bytes]]) -> None:
        if self.error:
            raise self.error
        for lane, packets in waiting.items():
            self.open[lane].transport.write(b"".join(packets))
        waiting.clear()

    @property
    def _acknowledged(self) -> int:
        return self.received_bytes // ANSWER_BYTES

    async def _wait_acknowledged(self, count: int) -> None:
        end = time.monotonic() + _ACKNOWLEDGED_SECONDS
        while self._acknowledged < count:
            if self.error:
                raise self.error
            if time.monotonic() > end:
                raise TimeoutError(f"The broker acknowledged {self._acknowledged:,} of {count:,} messages.")
            await asyncio.sleep(0.002)


class _Connection(asyncio.Protocol):
    def __init__(self, owner: Connections, packet: bytes):
        self._owner = owner
        self._packet = packet
        self.transport = None
        self.accepted = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        transport.write(self._packet)

    def data_received(self, data):
        if self.accepted.done():
            self._owner.received_bytes += len(data)
        elif refusal(data):
            self.accepted.set_exception(ConnectionError(f"The broker refuses a connection: {refusal(data)}"))
        else:
            self.accepted.set_result(None)

    def connection_lost(self, exc):
        error = ConnectionError(f"A connection to the broker has ended: {exc}")
        if not self.accepted.done():
            self.accepted.set_exception(error)
        self._owner.error = self._owner.error or error


@contextlib.asynccontextmanager
async def open_connections(publisher: Publisher, count: int):
    """So many `Connections`, each with a client id of its own; they end with the block."""
    context = ssl.create_default_context(cafile=publisher.ca_file)
    connections, limit, run = Connections(), asyncio.Semaphore(_HANDSHAKES), time.monotonic_ns()

    async def connect(number: int) -> _Connection:
        packet = connect_packet(f"bench-{run}-{number}", publisher.username, publisher.password)
        async with limit:
            _transport, connection = await asyncio.get_running_loop().create_connection(
                lambda: _Connection(connections, packet), *publisher.address, ssl=context
            )
            await connection.accepted
        return connection

    connections.open = await asyncio.gather(*map(connect, range(count)))
    try:
        yield connections
    finally:
        for connection in connections.open:
            connection.transport.write(DISCONNECT)
            connection.transport.close()
