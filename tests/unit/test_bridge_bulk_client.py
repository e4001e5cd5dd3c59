"""The bridge's way with paho: what goes over the wire is what paho would send, and nothing that comes is lost."""

import socket
import ssl
import subprocess
import threading

import paho.mqtt.client as mqtt
import pytest

from smart_dairy_iot.bridge.bulk_client import BulkClient

PATIENCE_SECONDS = 10


@pytest.fixture
def sent(monkeypatch):
    """The bytes that paho was given to send."""
    packets = []
    monkeypatch.setattr(
        mqtt.Client, "_packet_queue", lambda _client, _command, packet, _mid, _qos, _info=None: packets.append(packet)
    )
    return packets


def test_a_batch_is_acknowledged_by_the_bytes_that_paho_sends_for_each(sent):
    client = BulkClient("bridge")
    for packet_id in (1, 255, 256, 65535):
        client.ack(packet_id, 1)
    one_by_one = b"".join(bytes(packet) for packet in sent)
    sent.clear()
    client.acknowledge([1, 255, 256, 65535])
    assert [bytes(packet) for packet in sent] == [one_by_one]


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
    client = BulkClient("bridge")
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
