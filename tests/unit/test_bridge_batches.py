"""What the database refuses is kept in the form that it takes, and never keeps the writer from the next message."""

import itertools
from datetime import datetime

import psycopg2
import pytest
from psycopg2.errors import CheckViolation, ConfigurationLimitExceeded, FeatureNotSupported, ForeignKeyViolation

from bridge_testing import Connection
from smart_dairy_iot.bridge.batches import BatchWriter
from smart_dairy_iot.bridge.messages import Message, Refused

NOW = datetime(2026, 3, 1, 6)


class Decoder:
    """Finds something wrong with each message."""

    def doubtful(self, _messages):
        return set()

    def decode(self, message):
        return Refused(message, "schema", "„temperature“ is no number", device="TS-1")


class SmallStore:
    """Takes no more than so many messages at once, as TimescaleDB decompresses no more than so many rows."""

    def __init__(self, most, error):
        self._most, self._error = most, error
        self.batches = []

    def write_batch(self, _cursor, results):
        if len(results) > self._most:
            raise self._error
        self.batches.append([bytes(result.message.payload) for result in results])
        return ["dead_letter"] * len(results)


class Store:
    """Takes what it has no objection to.

    :param objection: callable(`Refused`) that gives the error, or None
    """

    def __init__(self, objection):
        self._objection = objection
        self.written = []

    def write_batch(self, _cursor, results):
        for result in results:
            error = self._objection(result)
            if error:
                raise error
        self.written += results
        return ["dead_letter"] * len(results)


def of_a_device(refused):
    return ForeignKeyViolation("the device is not there\nDETAIL: any more") if refused.device else None


def not_in_ascii(refused):
    return ValueError("no such letters") if not (refused.detail + refused.message.topic).isascii() else None


def with_a_payload(refused):
    return CheckViolation("too much") if refused.message.payload else None


def write(objection):
    """(results, outcomes) that are told, and what was stored, of one message."""
    store = Store(objection)
    message = Message("dairy/F1/temperature/ü/data", b"{}", NOW, epoch=1, mid=7, qos=1)
    told = list(BatchWriter(Decoder(), store).write(Connection(), [[message]]))
    ((results, outcomes),) = told
    assert [result.message for result in results] == [message], "the message that was given is acknowledged"
    assert outcomes == ["dead_letter"]
    return store.written


@pytest.mark.parametrize(
    ("objection", "device", "payload", "detail"),
    [
        pytest.param(of_a_device, None, b"{}", "the device is not there", id="without its device"),
        pytest.param(not_in_ascii, None, b"{}", "no such letters", id="in ASCII"),
        pytest.param(with_a_payload, None, b"", "too much; the payload of 2 bytes is not kept", id="and payload"),
        pytest.param(lambda refused: None, "TS-1", b"{}", "„temperature“ is no number", id="as it is"),
    ],
)
def test_a_dead_letter_is_kept_as_far_as_the_database_takes_it(objection, device, payload, detail):
    (stored,) = write(objection)
    assert (stored.device, bytes(stored.message.payload), stored.detail) == (device, payload, detail)


def test_a_database_that_takes_no_dead_letter_at_all_is_an_outage():
    with pytest.raises(psycopg2.Error):
        write(lambda refused: CheckViolation("nothing at all"))


# TimescaleDB's, of late readings in weeks that are compressed, or frozen.
TIMESCALEDB_REFUSES = [
    ConfigurationLimitExceeded("tuple decompression limit exceeded by operation"),
    FeatureNotSupported("cannot INSERT into frozen chunk"),
]


@pytest.mark.parametrize("error", TIMESCALEDB_REFUSES, ids=lambda error: type(error).__name__)
def test_a_batch_that_is_too_much_for_one_transaction_is_stored_in_several(error):
    store = SmallStore(2, error)
    payloads = [b"%d" % number for number in range(7)]
    groups = [[Message("dairy/F1/temperature/TS-1/data", payload, NOW) for payload in payloads]]
    assert sum(len(results) for results, _outcomes in BatchWriter(Decoder(), store).write(Connection(), groups)) == 7
    assert list(itertools.chain.from_iterable(store.batches)) == payloads
    assert groups == [], "nothing is left to be tried again"


@pytest.mark.parametrize("error", TIMESCALEDB_REFUSES, ids=lambda error: type(error).__name__)
def test_a_message_that_is_too_much_by_itself_is_a_dead_letter_and_the_next_is_stored(error):
    store = Store(lambda result: error if (result.message.payload, result.reason) == (b"late", "schema") else None)
    groups = [[Message("dairy/F1/temperature/TS-1/data", payload, NOW) for payload in (b"1", b"late", b"2")]]
    assert len(list(BatchWriter(Decoder(), store).write(Connection(), groups))) > 1
    assert [(bytes(result.message.payload), result.reason) for result in store.written] == [
        (b"1", "schema"),
        (b"late", "database"),
        (b"2", "schema"),
    ]
    assert store.written[1].detail == str(error)
