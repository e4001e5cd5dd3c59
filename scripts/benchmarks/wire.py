"""MQTT 3.1.1 as far as the benchmarks speak it: CONNECT, and PUBLISH at QoS 1, each answered with four bytes."""

ANSWER_BYTES = 4
DISCONNECT = b"\xe0\x00"
_CONNECT, _PUBLISH_QOS_1 = b"\x10", b"\x32"
_MOST_PACKET_IDS = 65535


def connect_packet(client_id: str, username: str, password: str) -> bytes:
    """A clean session, without a keep-alive: whoever connects need not ping."""
    body = b"\x00\x04MQTT\x04\xc2\x00\x00" + b"".join(map(_text, (client_id, username, password)))
    return _CONNECT + _length(len(body)) + body


def publish_packet(number: int, topic: str, payload: bytes) -> bytes:
    """:param number: of the message among those of its connection, from 0"""
    body = _text(topic) + (number % _MOST_PACKET_IDS + 1).to_bytes(2, "big") + payload
    return _PUBLISH_QOS_1 + _length(len(body)) + body


def refusal(connack: bytes) -> int:
    """Why the broker refuses a connection, by its answer to CONNECT; 0 where it does not."""
    return connack[3]


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
