"""The outbox never waits for the broker, publishes nothing twice meanwhile, and is not held up by one bad entry."""

import threading

import pytest

from smart_dairy_iot.bridge.outbox import Outbox


class Publication:
    """Of paho's MQTTMessageInfo what is asked of it."""

    confirmed = lost = False

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
