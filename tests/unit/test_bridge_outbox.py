"""The outbox never waits for the broker, publishes nothing twice meanwhile, and is not held up by one bad entry."""

import threading

import pytest
from paho.mqtt.client import MQTTMessageInfo
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from smart_dairy_iot.bridge.client import BrokerClient
from smart_dairy_iot.bridge.config import Config
from smart_dairy_iot.bridge.outbox import Outbox
from smart_dairy_iot.bridge.subscriptions import SessionFilters


class Publication:
    """Of paho's MQTTMessageInfo what is asked of it."""

    confirmed = lost = False
    refusal = None

    def is_published(self):
        if self.lost:
            raise RuntimeError("not connected")
        return self.confirmed


class Client:
    """A broker's client that confirms when it is told to."""

    def __init__(self):
        self.connected = threading.Event()
        self.connected.set()
        self.published = []
        self.leads = True

    def may_speak(self):
        return self.leads

    def refusal_of(self, publication):
        return publication.refusal

    def publish(self, topic, _payload, _qos, _retain):
        if not topic:
            raise ValueError("Invalid topic.")
        publication = Publication()
        self.published.append((topic, publication))
        return publication

    @property
    def topics(self):
        return [topic for topic, _publication in self.published]


class Database:
    """The table: {id: topic} of what is queued."""

    def __init__(self, **queued):
        self.queued = {int(key[1:]): topic for key, topic in queued.items()}
        self.failed = {}

    def cursor(self):
        return self

    __enter__ = cursor

    def __exit__(self, *exc_info):
        return False

    def execute(self, statement, parameters):
        if statement.lstrip().startswith("SELECT"):
            ids, limit = parameters
            self._rows = [(key, topic, "{}", 1, False) for key, topic in self.queued.items() if key not in ids][:limit]
        elif "'sent'" in statement:
            for key in parameters[0]:
                del self.queued[key]
        elif "'failed'" in statement:
            error, key = parameters
            self.failed[key] = error
            del self.queued[key]

    def fetchall(self):
        return self._rows


@pytest.fixture
def client():
    return Client()


def test_what_the_broker_has_not_confirmed_is_neither_waited_for_nor_published_again(client):
    database, outbox = Database(_1="a", _2="b"), Outbox(client)
    for _tick in range(3):
        outbox.publish(database)
    assert client.topics == ["a", "b"]
    assert outbox.busy
    client.published[0][1].confirmed = True
    outbox.publish(database)
    assert list(database.queued) == [2]
    client.published[1][1].confirmed = True
    outbox.publish(database)
    assert (database.queued, outbox.busy, client.topics) == ({}, False, ["a", "b"])


def test_an_entry_whose_connection_was_lost_is_published_again(client):
    database, outbox = Database(_1="a"), Outbox(client)
    outbox.publish(database)
    client.published[0][1].lost = True
    outbox.publish(database)
    assert client.topics == ["a", "a"]


def test_an_entry_that_cannot_be_published_does_not_hold_up_the_others(client):
    database, outbox = Database(_1="", _2="b"), Outbox(client)
    outbox.publish(database)
    assert client.topics == ["b"]
    assert database.failed == {1: "Invalid topic."}, "it is kept, for a person to see"


def test_what_the_broker_confirms_only_to_say_that_it_refuses_it_is_failed_and_not_sent(client):
    database, outbox = Database(_1="a", _2="b"), Outbox(client)
    outbox.publish(database)
    for _topic, publication in client.published:
        publication.confirmed = True
    client.published[0][1].refusal = "Not authorized"
    outbox.publish(database)
    assert database.failed == {1: "the broker refuses it: Not authorized"}
    assert (database.queued, outbox.busy, client.topics) == ({}, False, ["a", "b"]), "it is not tried again by itself"


@pytest.mark.parametrize("packet", ["PUBACK", "PUBREC"])
def test_an_entry_whose_packet_id_a_killed_predecessor_left_in_use_goes_out_again_by_another(client, packet):
    """MQTT 5, 3.4.2.1 and 3.5.2.1: 0x91. It says nothing of the entry."""
    database, outbox = Database(_1="a", _2="b"), Outbox(client)
    outbox.publish(database)
    for _topic, publication in client.published:
        publication.confirmed = True
    client.published[0][1].refusal = ReasonCode(getattr(PacketTypes, packet), identifier=0x91)
    outbox.publish(database)
    assert (client.topics, list(database.queued), database.failed) == (["a", "b", "a"], [1], {})
    client.published[2][1].confirmed = True
    outbox.publish(database)
    assert (database.queued, database.failed, outbox.busy) == ({}, {}, False)


def test_a_leader_that_may_have_been_overtaken_publishes_nothing(client):
    client.leads = False
    database = Database(_1="a")
    Outbox(client).publish(database)
    assert client.topics == []
    assert list(database.queued) == [1]


def test_nothing_is_published_while_the_broker_is_away(client):
    client.connected.clear()
    Outbox(client).publish(Database(_1="a"))
    assert client.topics == []


def test_a_refusal_is_of_the_message_that_the_broker_refused_and_not_of_a_later_one_with_its_packet_id():
    client = BrokerClient(Config(mqtt_use_tls=False), SessionFilters([]), deliver=None, may_speak=lambda: True)
    names = ("Success", "Not authorized", "Packet identifier in use")
    taken, refused, in_use = (ReasonCode(PacketTypes.PUBACK, name) for name in names)
    publication = MQTTMessageInfo(7)
    for codes, refusal in (([taken], None), ([refused], "Not authorized"), ([in_use], 0x91), ([refused, taken], None)):
        for code in codes:
            client._client.on_publish(client._client, None, 7, code, None)
        assert client.refusal_of(publication) == refusal
    assert client.refusal_of(publication) is None, "it is told once"
