"""Publishes prepared messages at QoS 1 over a few TLS connections, as fast as the broker takes them or at a rate.

A client library would be slower than the bridge that is measured: here the packets are encoded beforehand, and of the
broker's answers only the number counts. MQTT 3.1.1, whose PUBACK always has four bytes.
"""

import asyncio
import ssl
import time
from collections.abc import Iterable

_PUBLISH_QOS_1 = 0x32
_PUBACK_BYTES = 4
#: Unacknowledged messages per connection.
_WINDOW = 4000
_CHUNK = 50


class Publisher:
    """:param address: host and port of the broker
    :param ca_file: that its certificate is checked by
    :param username: of a user that may publish, with ``password``
    """

    def __init__(self, address: tuple[str, int], ca_file: str, username: str, password: str, connections: int = 4):
        self._address = address
        self._ca_file = ca_file
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
            lanes[hash(topic.rsplit("/", 1)[0]) % len(lanes)].append((topic, payload))
        prepared = [_chunks(lane) for lane in lanes]
        return asyncio.run(self._publish(prepared, rate and rate / self._connections))

    async def _publish(self, lanes: list, rate: float | None) -> tuple[float, float]:
        context = ssl.create_default_context(cafile=self._ca_file)
        connections = [await self._connect(context, number) for number in range(len(lanes))]
        began = time.monotonic()
        await asyncio.gather(
            *(_send(*connection, lane, rate) for connection, lane in zip(connections, lanes, strict=True))
        )
        ended = time.monotonic()
        for _reader, writer in connections:
            writer.write(b"\xe0\x00")  # DISCONNECT
            writer.close()
        return began, ended

    async def _connect(self, context, number: int):
        reader, writer = await asyncio.open_connection(*self._address, ssl=context)
        body = b"\x00\x04MQTT\x04\xc2\x00\x00" + b"".join(
            _text(text) for text in (f"bench-{number}-{time.monotonic_ns()}", self.username, self.password)
        )
        writer.write(b"\x10" + _length(len(body)) + body)
        answer = await reader.readexactly(4)
        if answer[3]:
            raise ConnectionError(f"The broker refuses the publisher: {answer[3]}")
        return reader, writer


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
        acknowledged = received // _PUBACK_BYTES


def _chunks(messages: list[tuple[str, bytes]]) -> list[tuple[int, bytes]]:
    """Packets, several to a write."""
    packets = [_packet(number % 65535 + 1, topic, payload) for number, (topic, payload) in enumerate(messages)]
    return [
        (len(packets[begin : begin + _CHUNK]), b"".join(packets[begin : begin + _CHUNK]))
        for begin in range(0, len(packets), _CHUNK)
    ]


def _packet(packet_id: int, topic: str, payload: bytes) -> bytes:
    body = _text(topic) + packet_id.to_bytes(2, "big") + payload
    return bytes([_PUBLISH_QOS_1]) + _length(len(body)) + body


def _text(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(2, "big") + encoded


def _length(number: int) -> bytes:
    """MQTT's variable byte integer."""
    encoded = bytearray()
    while True:
        number, digit = divmod(number, 128)
        encoded.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(encoded)
