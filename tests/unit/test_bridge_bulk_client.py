"""The bridge's way with paho: what goes over the wire is what paho would send, and nothing that comes is lost."""

import select
import socket
import ssl
import subprocess
import threading

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.properties import VariableByteIntegers

from smart_dairy_iot.bridge.bulk_client import BulkClient

PATIENCE_SECONDS = 10


@pytest.fixture
def sent(monkeypatch):
    """The bytes that paho was given to send."""
    packets = []

    def queue(_client, _command, packet, _mid, _qos, _info=None):
        packets.append(packet)
        return mqtt.MQTT_ERR_SUCCESS

    monkeypatch.setattr(mqtt.Client, "_packet_queue", queue)
    return packets


def test_a_batch_is_acknowledged_by_the_bytes_that_paho_sends_for_each(sent):
    client = BulkClient("bridge", deliver=None)
    for packet_id in (1, 255, 256, 65535):
        client.ack(packet_id, 1)
    one_by_one = b"".join(bytes(packet) for packet in sent)
    sent.clear()
    client.acknowledge([1, 255, 256, 65535])
    assert [bytes(packet) for packet in sent] == [one_by_one]


# What MQTT 5 (3.5.2.1) lets a broker refuse a message of QoS 2 with.
REFUSALS = {
    0x80: "Unspecified error",
    0x83: "Implementation specific error",
    0x87: "Not authorized",
    0x90: "Topic name invalid",
    0x91: "Packet identifier in use",
    0x97: "Quota exceeded",
    0x99: "Payload format invalid",
}
PUBREC, PUBREL, PUBCOMP = b"\x50", b"\x62", b"\x70"


@pytest.fixture
def handshake(ends):
    """A connected client, what it has heard of its messages, and a function that sends it what a broker answers."""
    near, far = ends
    client = BulkClient("bridge", deliver=None)
    told = []
    client.on_publish = lambda _client, _data, packet_id, code, _properties: told.append((packet_id, str(code)))
    near.setblocking(False)
    client._sock = near

    def answer(kind, packet_id, *rest):
        body = packet_id.to_bytes(2, "big") + bytes(rest)
        far.sendall(kind + bytes([len(body)]) + body)
        while near.pending() or select.select([near], [], [], 0)[0]:
            assert client.loop_read() == mqtt.MQTT_ERR_SUCCESS

    yield client, told, answer
    client._sock = None


@pytest.mark.parametrize("code", REFUSALS)
@pytest.mark.parametrize("rest", [(), (0,), (3, 0x1F, 0, 0)], ids=["alone", "no_properties", "reason_string"])
def test_a_message_of_qos_2_that_the_broker_refuses_ends_with_its_reason_and_is_not_released(
    handshake, sent, code, rest
):
    client, told, answer = handshake
    client.max_inflight_messages_set(1)
    refused, next_one = client.publish("elsewhere", b"{}", 2), client.publish("dairy", b"{}", 2)
    answer(PUBREC, refused.mid, code, *rest)
    assert told == [(refused.mid, REFUSALS[code])]
    assert refused.is_published()
    assert not next_one.is_published()
    assert [bytes(packet[:1]) for packet in sent] == [b"\x34", b"\x34"], "the next one has its place, and no PUBREL"
    answer(PUBREC, refused.mid, code, *rest)
    assert len(told) == 1, "it is told once"


@pytest.mark.parametrize("rest", [(), (0x00,), (0x10,), (0x10, 0)], ids=["alone", "taken", "nobody_listens", "long"])
def test_a_message_of_qos_2_that_the_broker_takes_is_released_and_then_told(handshake, sent, rest):
    client, told, answer = handshake
    publication = client.publish("dairy", b"{}", 2)
    answer(PUBREC, publication.mid, *rest)
    assert bytes(sent[-1][:1]) == PUBREL
    assert not publication.is_published()
    answer(PUBCOMP, publication.mid)
    assert told == [(publication.mid, "Success")]
    assert publication.is_published()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """(certificate, key) of localhost."""
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    command += ["-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def ends(certificate):
    """A TLS connection: the client's end as `BulkClient.use_tls` makes it, and the server's."""
    ours, theirs = socket.socketpair()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*certificate)
    made = []
    thread = threading.Thread(target=lambda: made.append(server.wrap_socket(theirs, server_side=True)))
    thread.start()
    client = BulkClient("bridge", deliver=None)
    client.use_tls(certificate[0])
    near = client._ssl_context.wrap_socket(ours, server_hostname="localhost")
    thread.join(PATIENCE_SECONDS)
    (far,) = made
    yield near, far
    near.close()
    far.close()


def test_what_comes_in_several_records_is_read_in_any_pieces(ends):
    near, far = ends
    for record in (b"ab", b"cde", b"f" * 40000):
        far.sendall(record)
    near.setblocking(False)
    read = near.recv(1)
    assert near.pending()
    while near.pending():
        read += near.recv(7)
    assert read == b"abcde" + b"f" * 40000
    with pytest.raises(ssl.SSLWantReadError):
        near.recv(1)


def test_what_came_before_the_end_of_the_connection_is_read_first(ends):
    near, far = ends
    far.sendall(b"last words")
    far.close()
    near.setblocking(False)
    assert near.recv(4) == b"last"
    assert near.recv(100) == b" words"
    assert near.recv(1) == b""


def publish_packet(topic, payload, packet_id=0, flags=0, properties=b"\x00"):
    """The bytes of a PUBLISH."""
    body = len(topic).to_bytes(2, "big") + topic
    body += packet_id.to_bytes(2, "big") if flags & 6 else b""
    body += properties + payload
    return bytes([0x30 | flags]) + VariableByteIntegers.encode(len(body)) + body


MESSAGES = [
    publish_packet(b"dairy/N/collars/C1/data", b"{}", 7, flags=2),
    publish_packet(b"dairy/N/collars/C1/data", b"again", 8, flags=2 + 8),
    publish_packet(b"a", b"", 65535, flags=2),
    publish_packet("dairy/Höfe".encode(), b"x" * 127, 1, flags=2),
    publish_packet(b"long", b"y" * 20000, 300, flags=2),
    publish_packet(b"q0", b"z"),
    publish_packet(b"retained", b"{}", 2, flags=3),
    publish_packet(b"properties", b"{}", 3, flags=2, properties=b"\x05\x02\x00\x00\x00\x3c"),
    publish_packet(b"no utf-8 \xff", b"{}", 4, flags=2),
    # An answer to a ping between them: that is paho's.
    b"\xd0\x00",
    publish_packet(b"last", b"{}", 5, flags=2),
]


def received_from(near, far, read, pieces):
    """What a client delivers that is sent these bytes, piece by piece, and reads by `read`."""
    delivered = []
    client = BulkClient("bridge", lambda *message: delivered.append(message))
    near.setblocking(False)
    client._sock = near
    for piece in pieces:
        far.sendall(piece)
        # What was sent over a socket pair is there at once.
        while near.pending() or select.select([near], [], [], 0)[0]:
            assert read(client) == mqtt.MQTT_ERR_SUCCESS
    client._sock = None
    return delivered


@pytest.mark.parametrize("piece_length", [1, 3, 50, 16384, 10**6])
def test_what_is_read_directly_is_what_paho_reads(ends, piece_length):
    near, far = ends
    stream = b"".join(MESSAGES)
    pieces = [stream[begin : begin + piece_length] for begin in range(0, len(stream), piece_length)]
    by_paho = received_from(near, far, mqtt.Client.loop_read, [stream])
    assert [message[2] for message in by_paho] == [7, 8, 65535, 1, 300, 0, 2, 3, 4, 5]
    direct = received_from(near, far, BulkClient.loop_read, pieces)
    assert [message for message in direct if message[2] != 4] == [message for message in by_paho if message[2] != 4]
    assert len(direct) == len(by_paho)


def test_most_messages_are_read_directly(ends, monkeypatch):
    near, far = ends
    passed_on = []
    monkeypatch.setattr(BulkClient, "_on_paho_message", lambda *arguments: passed_on.append(arguments))
    delivered = received_from(near, far, BulkClient.loop_read, [MESSAGES[0] * 1000])
    assert len(delivered) + len(passed_on) == 1000
    # The first of each read, and the last, of which the rest comes with the next.
    assert len(passed_on) <= 10


def test_the_end_of_the_connection_is_noticed(ends):
    near, far = ends
    far.close()
    near.setblocking(False)
    client = BulkClient("bridge", deliver=None)
    client._sock = near
    assert client.loop_read() == mqtt.MQTT_ERR_CONN_LOST
