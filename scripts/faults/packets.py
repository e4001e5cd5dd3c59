"""As much of MQTT 5's wire format as it takes to read along: publications, acknowledgements, subscriptions granted.

Sections 2.1, 3.3, 3.4 and 3.9 of the OASIS standard "MQTT Version 5.0".
"""

from collections.abc import Iterable, Iterator

PUBLISH, PUBACK, SUBACK = 0x30, 0x40, 0x90


class PacketStream:
    """Cuts what comes over a connection, in whatever pieces, into packets."""

    def __init__(self):
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """(first byte, what follows the length) of each packet that is complete now."""
        self._buffer += data
        position = 0
        while (end := _packet_end(self._buffer, position)) is not None:
            length_bytes = end[0]
            yield self._buffer[position], self._buffer[length_bytes : end[1]]
            position = end[1]
        self._buffer = self._buffer[position:]


def publication(head: int, body: bytes) -> tuple[int | None, bytes]:
    """(packet id, payload) of a PUBLISH; no id where it is of QoS 0."""
    position = 2 + int.from_bytes(body[:2], "big")
    packet_id = None
    if head & 0x06:
        packet_id = int.from_bytes(body[position : position + 2], "big")
        position += 2
    length, position = _number(body, position)
    return packet_id, body[position + length :]


def packet_ids(acknowledgements: Iterable[bytes]) -> list[int]:
    """The packet ids of PUBACKs."""
    return [int.from_bytes(body[:2], "big") for body in acknowledgements]


def _packet_end(buffer: bytes, position: int) -> tuple[int, int] | None:
    """(where the body begins, where it ends) of the packet at a position, None where it is not all there."""
    if position >= len(buffer):
        return None
    found = _number(buffer, position + 1)
    if found is None:
        return None
    length, begin = found
    return (begin, begin + length) if begin + length <= len(buffer) else None


def _number(buffer: bytes, position: int) -> tuple[int, int] | None:
    """(value, position behind it) of a variable byte integer, None where it is not all there."""
    value = shift = 0
    while position < len(buffer):
        digit = buffer[position]
        value |= (digit & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if not digit & 0x80:
            return value, position
    return None
