"""Publishes prepared messages at QoS 1 over a few TLS connections, as fast as the broker takes them or at a rate.

A client library would be slower than the bridge that is measured: here the packets are encoded beforehand, and of the
broker's answers only the number counts. MQTT 3.1.1, whose PUBACK always has four bytes.
"""

import asyncio
import ssl
import time
import zlib
from collections.abc import Iterable

from .wire import ANSWER_BYTES, DISCONNECT, connect_packet, publish_packet, refusal

#: Unacknowledged messages per connection.
_WINDOW = 4000
_CHUNK = 50


class Publisher:
    """:param address: host and port of the broker
    :param ca_file: that its certificate is checked by
    :param username: of a user that may publish, with ``password``
    """

    def __init__(self, address: tuple[str, int], ca_file: str, username: str, password: str, connections: int = 4):
        self.address = address
        self.ca_file = ca_file
        self.username = username
        self.password = password
        self._connections = connections

    def publish(self, messages: Iterable[tuple[str, bytes]], rate: float | None = None) -> tuple[float, float]:
        """Publish them all and wait until the broker has acknowledged all.

        :param messages: pairs of topic and payload; those of one device go over one connection, in order
        :param rate: messages a second, None for as many as the broker takes
        :return: when the first was sent and the last acknowledged, by `time.monotonic`
        """
        lanes = [[] for _number in range(self._connections)]
        for topic, payload in messages:
            lanes[lane_of(topic, len(lanes))].append((topic, payload))
        prepared = [_chunks(lane) for lane in lanes]
        return asyncio.run(self._publish(prepared, rate and rate / self._connections))

    async def _publish(self, lanes: list, rate: float | None) -> tuple[float, float]:
        context = ssl.create_default_context(cafile=self.ca_file)
        connections = [await self._connect(context, number) for number in range(len(lanes))]
        began = time.monotonic()
        await asyncio.gather(
            *(_send(*connection, lane, rate) for connection, lane in zip(connections, lanes, strict=True))
        )
        ended = time.monotonic()
        for _reader, writer in connections:
            writer.write(DISCONNECT)
            writer.close()
        return began, ended

    async def _connect(self, context, number: int):
        reader, writer = await asyncio.open_connection(*self.address, ssl=context)
        writer.write(connect_packet(f"bench-{number}-{time.monotonic_ns()}", self.username, self.password))
        reason = refusal(await reader.readexactly(ANSWER_BYTES))
        if reason:
            raise ConnectionError(f"The broker refuses the publisher: {reason}")
        return reader, writer


def lane_of(topic: str, lanes: int) -> int:
    """By the device alone: the same in each run, and under another prefix."""
    return zlib.crc32(topic.rsplit("/", 2)[-2].encode()) % lanes


async def _send(reader, writer, chunks: list, rate: float | None) -> None:
    """Send the chunks of one connection, with no more than the window unacknowledged."""
    total, sent, acknowledged = sum(count for count, _data in chunks), 0, 0
    began = time.monotonic()
    waiting = iter(chunks)
    received = 0
    while acknowledged < total:
        while sent < total and sent - acknowledged < _WINDOW:
            if rate and sent > (time.monotonic() - began) * rate:
                break
            count, data = next(waiting)
            writer.write(data)
            sent += count
        await writer.drain()
        try:
            answer = await asyncio.wait_for(reader.read(65536), 0.002 if rate and sent < total else 60)
        except asyncio.TimeoutError:
            if not rate or sent == total:
                raise
            continue
        if not answer:
            raise ConnectionError("The broker ended the publisher's connection.")
        received += len(answer)
        acknowledged = received // ANSWER_BYTES


def _chunks(messages: list[tuple[str, bytes]]) -> list[tuple[int, bytes]]:
    """Packets, several to a write."""
    packets = [publish_packet(number, topic, payload) for number, (topic, payload) in enumerate(messages)]
    return [
        (len(packets[begin : begin + _CHUNK]), b"".join(packets[begin : begin + _CHUNK]))
        for begin in range(0, len(packets), _CHUNK)
    ]
