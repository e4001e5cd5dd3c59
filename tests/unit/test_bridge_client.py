"""Acknowledgements go out over the connection that delivered the message, or not at all."""

import time
from datetime import datetime

import pytest

from smart_dairy_iot.bridge.bulk_client import BulkClient
from smart_dairy_iot.bridge.client import BrokerClient
from smart_dairy_iot.bridge.config import Config
from smart_dairy_iot.bridge.messages import Message


class Code:
    is_failure = False


class Flags:
    session_present = True


@pytest.fixture
def acknowledged(monkeypatch):
    sent = []
    monkeypatch.setattr(BulkClient, "acknowledge", lambda _client, packet_ids: sent.extend(packet_ids))
    monkeypatch.setattr("paho.mqtt.client.Client.subscribe", lambda _client, _topics: None)
    return sent


@pytest.fixture
def client():
    return BrokerClient(Config(mqtt_use_tls=False), ["dairy/+/collars/+/data"], lambda message: None)


def connect(client):
    client._client.on_connect(client._client, None, Flags, Code, None)


def message(epoch, mid, qos=1):
    return Message("t", b"", datetime(2026, 1, 1), epoch=epoch, mid=mid, qos=qos)


def test_a_message_of_this_connection_is_acknowledged(client, acknowledged):
    connect(client)
    client.acknowledge([message(epoch=1, mid=7)])
    assert acknowledged == [7]


def test_a_message_of_an_earlier_connection_is_not_since_its_packet_id_may_be_anothers_now(client, acknowledged):
    connect(client)
    connect(client)
    client.acknowledge([message(epoch=1, mid=7), message(epoch=2, mid=7)])
    assert acknowledged == [7]


def test_nothing_is_acknowledged_once_its_connection_is_lost(client, acknowledged):
    connect(client)
    client._client.on_disconnect(client._client, None, None, Code, None)
    client.acknowledge([message(epoch=1, mid=7)])
    assert acknowledged == []


def test_a_connection_lost_in_the_moment_of_the_farewell_does_not_keep_it_from_stopping(client, monkeypatch):
    class Lost:
        def wait_for_publish(self, timeout):
            raise RuntimeError("Message publish failed: The client is not currently connected.")

    connect(client)
    monkeypatch.setattr(client, "publish", lambda *_arguments, **_options: Lost())
    client.stop({})


def test_a_thread_of_the_client_that_has_died_is_noticed(client, monkeypatch):
    def broken(_client, **_options):
        raise UnicodeError("label empty or too long")

    monkeypatch.setattr("paho.mqtt.client.Client.reconnect", broken)
    monkeypatch.setattr("threading.excepthook", lambda _arguments: None)
    client.start()
    deadline = time.monotonic() + 5
    while client.alive and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not client.alive


def test_messages_without_a_delivery_have_nothing_to_acknowledge(client, acknowledged):
    connect(client)
    client.acknowledge([message(epoch=1, mid=0, qos=0), message(epoch=0, mid=0, qos=0)])
    assert acknowledged == []
