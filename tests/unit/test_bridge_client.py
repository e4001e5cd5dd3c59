"""Acknowledgements go out over the connection that delivered the message, or not at all."""

import socket
import threading
import time
from datetime import datetime
from types import SimpleNamespace

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from smart_dairy_iot.bridge.bulk_client import BulkClient
from smart_dairy_iot.bridge.client import BrokerClient
from smart_dairy_iot.bridge.config import Config
from smart_dairy_iot.bridge.messages import Message
from smart_dairy_iot.bridge.subscriptions import SessionFilters


class Code:
    is_failure = False


class Flags:
    session_present = True


@pytest.fixture
def acknowledged(monkeypatch):
    sent = []
    monkeypatch.setattr(BulkClient, "acknowledge", lambda _client, packet_ids: sent.extend(packet_ids))
    monkeypatch.setattr("paho.mqtt.client.Client.subscribe", lambda _client, _topics: (0, 1))
    return sent


@pytest.fixture
def delivered():
    """The messages that the client has handed over."""
    return []


def make_client(deliver=lambda message: None, may_speak=lambda: True, stale=(), **settings):
    config = Config(mqtt_use_tls=False, **settings)
    return BrokerClient(config, SessionFilters(["dairy/+/collars/+/data"], stale), deliver, may_speak)


@pytest.fixture
def client(delivered):
    return make_client(delivered.append)


def connect(client, properties=None):
    client._client.on_connect(client._client, None, Flags, Code, properties)


def lose_connection(client, reason=Code):
    client._client.on_disconnect(client._client, None, None, reason, None)


def receive(client, mid, payload=b"{}", qos=1):
    client._on_message("dairy/NORTH/collars/C1/data", payload, mid, qos, False)


def test_a_message_of_this_connection_is_acknowledged(client, acknowledged, delivered):
    connect(client)
    receive(client, 7)
    client.acknowledge(delivered)
    assert acknowledged == [7]


def test_a_message_of_an_earlier_connection_is_not_since_its_packet_id_may_be_anothers_now(
    client, acknowledged, delivered
):
    connect(client)
    receive(client, 7, b"1")
    lose_connection(client)
    connect(client)
    receive(client, 7, b"2")
    client.acknowledge(delivered[:1])
    assert acknowledged == []
    client.acknowledge(delivered[1:])
    assert acknowledged == [7]


def test_nothing_is_acknowledged_once_its_connection_is_lost(client, acknowledged, delivered):
    connect(client)
    receive(client, 7)
    lose_connection(client)
    client.acknowledge(delivered)
    assert acknowledged == []


def test_what_is_delivered_again_is_not_handed_over_again_and_acknowledged_by_its_new_id(
    client, acknowledged, delivered
):
    connect(client)
    receive(client, 7)
    lose_connection(client)
    connect(client)
    receive(client, 3)
    assert len(delivered) == 1
    client.acknowledge(delivered)
    assert acknowledged == [3]


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


def test_messages_without_a_delivery_have_nothing_to_acknowledge(client, acknowledged, delivered):
    connect(client)
    receive(client, 0, qos=0)
    receive(client, 0, qos=0)
    assert len(delivered) == 2
    client.acknowledge([*delivered, Message("t", b"", datetime(2026, 1, 1))])
    assert acknowledged == []


def test_a_process_that_may_no_longer_lead_does_not_connect(monkeypatch):
    attempts = []
    monkeypatch.setattr(BulkClient, "_create_socket", lambda _client: attempts.append(1))
    asked = threading.Event()

    def may_speak():
        asked.set()
        return False

    client = make_client(may_speak=may_speak)
    client.start()
    assert asked.wait(60)
    assert client.alive, "it tries again later"
    client._client.loop_stop()
    assert attempts == []


def test_what_the_broker_does_not_take_is_refused_before_it_costs_the_connection(client, acknowledged):
    class Properties:
        MaximumPacketSize = 100

    connect(client, properties=Properties)
    with pytest.raises(ValueError, match="100 bytes"):
        client.publish("t", b"x" * 100, 1, False)


def test_bridges_of_a_group_leave_no_last_word():
    assert not make_client(bridge_share_group="dairy")._client._will


def test_a_connection_that_is_lost_is_told_from_one_that_never_was(client, acknowledged):
    assert not client.ever_connected
    assert client.seconds_without_broker >= 0
    connect(client)
    assert (client.ever_connected, client.seconds_without_broker) == (True, 0)
    lose_connection(client)
    assert client.ever_connected
    assert 0 <= client.seconds_without_broker < 5


def test_a_connection_that_swallowed_everything_had_been_lost_before_that_was_found_out(client, acknowledged):
    connect(client)
    silent = ReasonCode(PacketTypes.DISCONNECT, "Keep alive timeout")
    lose_connection(client, silent)
    assert 6 <= client.seconds_without_broker < 10


def test_a_connection_found_broken_by_an_acknowledgement_does_not_stop_the_writer(client, delivered):
    """paho's own thread has died, so that what is sent is sent there and then."""
    ours, theirs = socket.socketpair()
    theirs.close()
    client._client._sock = ours
    client._client._state = mqtt._ConnectionState.MQTT_CS_CONNECTED
    client._window.turn_over()
    receive(client, 7)
    writer = threading.Thread(target=client.acknowledge, args=[delivered], daemon=True)
    writer.start()
    writer.join(timeout=60)
    assert not writer.is_alive()
    assert not client.connected.is_set()


class Refused:
    is_failure = True


@pytest.fixture
def asked(monkeypatch):
    """How many filters were asked for, each time; packet ids are 1, 2, ..."""
    counts = []

    def subscribe(_client, topics):
        counts.append(len(topics))
        return 0, len(counts)

    monkeypatch.setattr("paho.mqtt.client.Client.subscribe", subscribe)
    return counts


def answer(client, packet_id, *codes):
    client._client.on_subscribe(client._client, None, packet_id, list(codes), None)


def test_a_subscription_that_was_refused_is_asked_for_again(client, asked):
    connect(client)
    answer(client, 1, Refused)
    assert not client.receiving.is_set()
    client.subscribe_again()
    answer(client, 2, Code)
    assert client.receiving.is_set()
    client.subscribe_again()
    assert asked == [1, 1]


def test_other_subscriptions_are_not_there_before_the_broker_has_taken_them(client, asked):
    connect(client)
    answer(client, 1, Code)
    client.subscribe(SessionFilters(["a/#", "b/#"]))
    assert not client.receiving.is_set()
    answer(client, 1, Code)
    assert not client.receiving.is_set(), "the answer to what was asked for before"
    answer(client, 2, Code, Code)
    assert client.receiving.is_set()


@pytest.fixture
def given_up(monkeypatch):
    """The filters that were unsubscribed from, each time; packet ids are 101, 102, ..."""
    filters = []

    def unsubscribe(_client, topics):
        filters.append(topics)
        return 0, 100 + len(filters)

    monkeypatch.setattr("paho.mqtt.client.Client.unsubscribe", unsubscribe)
    return filters


def confirm(client, packet_id, *codes):
    client._client.on_unsubscribe(client._client, None, packet_id, list(codes), None)


def test_what_the_session_is_not_to_have_is_given_up_once_the_broker_has_taken_the_others_over_each_connection(
    asked, given_up
):
    client = make_client(stale=["old/#", "older/#"])
    for connection in (1, 2):
        connect(client)
        assert len(given_up) == connection - 1
        answer(client, connection, Code)
        assert given_up == [["old/#", "older/#"]] * connection
        lose_connection(client)


def test_as_long_as_the_broker_refuses_a_subscription_the_former_ones_stay(asked, given_up):
    client = make_client(stale=["old/#"])
    connect(client)
    answer(client, 1, Refused)
    assert given_up == []
    client.subscribe_again()
    answer(client, 2, Code)
    assert given_up == [["old/#"]]


def test_where_no_topics_are_left_the_former_subscriptions_are_given_up_at_once(asked, given_up):
    client = make_client()
    client.subscribe(SessionFilters([], ["old/#"]))
    connect(client)
    assert (asked, given_up) == ([], [["old/#"]])


def test_the_session_is_rid_of_a_subscription_once_the_broker_has_had_the_time_to_save_that(
    asked, given_up, monkeypatch
):
    now = [1000.0]
    monkeypatch.setattr("smart_dairy_iot.bridge.client.time", SimpleNamespace(monotonic=lambda: now[0]))
    client = make_client(stale=["old/#"])
    connect(client)
    answer(client, 1, Code)
    now[0] += 100
    assert client.rid_of(60) == [], "the broker has not said so yet"
    confirm(client, 101, Code)
    now[0] += 59
    assert client.rid_of(60) == []
    now[0] += 1
    assert client.rid_of(60) == ["old/#"]
    client.forget(["old/#"])
    assert client.rid_of(60) == []


def test_a_broker_that_was_away_may_be_back_with_the_subscription(asked, given_up):
    client = make_client(stale=["old/#"])
    connect(client)
    answer(client, 1, Code)
    confirm(client, 101, Code)
    assert client.rid_of(0) == ["old/#"]
    lose_connection(client)
    assert client.rid_of(0) == []


def test_a_subscription_that_the_broker_does_not_end_stays_remembered_and_is_told(asked, given_up, caplog):
    client = make_client(stale=["old/#", "older/#"])
    connect(client)
    answer(client, 1, Code)
    confirm(client, 101, Code, Refused)
    assert client.rid_of(0) == []
    assert "old/#, older/#" in caplog.text


def test_an_answer_to_what_was_asked_before_says_nothing_of_what_is_asked_now(asked, given_up):
    client = make_client(stale=["old/#"])
    connect(client)
    answer(client, 1, Code)
    # Wanted once more, and another one no longer.
    client.subscribe(SessionFilters(["old/#"], ["dairy/+/collars/+/data"]))
    confirm(client, 101, Code)
    assert client.rid_of(0) == []
    answer(client, 2, Code)
    confirm(client, 102, Code)
    assert client.rid_of(0) == ["dairy/+/collars/+/data"]


def test_a_process_that_lost_the_lead_while_it_connected_goes_again(monkeypatch):
    left = []
    monkeypatch.setattr(BulkClient, "disconnect", lambda _client: left.append(1))
    client = make_client(may_speak=lambda: False)
    connect(client)
    assert left
    assert not client.connected.is_set()
