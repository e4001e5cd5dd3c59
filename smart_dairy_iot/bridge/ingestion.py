"""Stores without the bridge's pipeline: the same checks, dead letters and tables as over the broker.

It is used by the processes that serve the web, for what devices without MQTT send over HTTP, and by a process that has
read devices itself and has lost the lead since. Each has connections of its own: Odoo's cursors are REPEATABLE READ,
and the store's statements are not made for that. A connection is opened for each call and closed at its end, so that
nothing is shared between threads or inherited by a forked process.

The topics, schemas and devices that hold are read anew in every call; what is expensive, the compiled schemas, is kept
until they change.
"""

import contextlib
import logging
import threading
from dataclasses import dataclass

import orjson
import psycopg2
from psycopg2.errors import IdleInTransactionSessionTimeout

from .batches import BatchWriter
from .contract import payload_validator, read_topics, topic_table
from .database import DEVICE_LOCK, WRITER_LOCK_TIMEOUT, connect
from .decoder import Decoder
from .devices import DeviceCache
from .messages import DEAD_LETTER, DUPLICATE, HTTP, OWN, STORED, Message, Refused
from .timestamps import utc_now

_logger = logging.getLogger(__name__)

#: Most calls that write at once in one process; another one waits for its turn, this many seconds at most.
MOST_AT_ONCE, LONGEST_WAIT = 8, 5.0
_CONNECT_TIMEOUT = 5
#: Milliseconds. A batch takes some ten; whoever waits for the answer does not wait for a stuck database.
_STATEMENT_TIMEOUT = 10_000
#: Milliseconds. A process that stands still in the middle of a transaction has rows that the bridge may be waiting for.
_IDLE_TIMEOUT = 2_000

# Of a device that sends as fast as it can, one transaction at a time takes the rows that its messages over the broker
# need, too: the bridge waits for that one, never for a queue of them.
_TAKE_TURN = "SELECT pg_advisory_xact_lock(%s, hashtext(%s))"

_COUNT = """
    INSERT INTO iot_ingestion_counter AS counter (outcome, messages)
    SELECT outcome, messages FROM unnest(%s::text[], %s::bigint[]) AS input (outcome, messages) ORDER BY outcome
        ON CONFLICT (outcome) DO UPDATE SET messages = counter.messages + excluded.messages
"""
# Of the last one psycopg2 knows no more than that the server has thrown the connection out.
_PASSING = (psycopg2.OperationalError, psycopg2.InterfaceError, IdleInTransactionSessionTimeout)
_SELECT_COUNTS = "SELECT outcome, messages FROM iot_ingestion_counter"


class IngestionUnavailable(RuntimeError):
    """The database cannot take messages at the moment; nothing is lost if they are sent again."""


@dataclass(frozen=True)
class Outcome:
    """What became of one message: `stored`, `duplicate` or `dead_letter`, the last with its reason and detail."""

    outcome: str
    reason: "str | None" = None
    detail: "str | None" = None


class Ingestion:
    """One for each database and process; any thread may use it.

    :param dsn: dict of keyword arguments of `psycopg2.connect`
    :param store: `Store`
    :param retention: callable(device type) -> timedelta, see `Decoder`
    :param connect: callable like `database.connect`
    """

    def __init__(self, dsn, store, retention, clock=utc_now, connect=connect):
        self._dsn = {**dsn, "connect_timeout": _CONNECT_TIMEOUT}
        self._store = store
        self._counting_store = _CountingStore(store)
        self._retention = retention
        self._clock = clock
        self._connect = connect
        self._places = threading.BoundedSemaphore(MOST_AT_ONCE)
        # Rows, topics and validator belong together: they are replaced as one.
        self._contract = ([], None, None)

    def store(self, topic, payloads):
        """Store messages of one topic as if they had just come over the broker.

        All are committed at once. Only where the database refuses one of them are they committed in parts, and that
        one becomes a dead letter.

        :param payloads: list of bytes, one JSON text each
        :return: list of `Outcome`, in the same order
        :raises IngestionUnavailable: where the database is away, or too many write at once
        """
        received_at = self._clock()
        messages = [Message(topic, payload, received_at, transport=HTTP) for payload in payloads]
        return self._write(messages, self._counting_store)

    def store_own(self, entries):
        """Store what this process has read from devices itself, as `Pipeline.submit` would: it needs no lead for that.

        What another bridge has stored meanwhile is a duplicate. Nothing of it is counted: it did not come over HTTP.

        :param entries: list of (topic, payload dict that JSON can hold)
        :return: list of `Outcome`, in the same order
        :raises IngestionUnavailable: as `store`
        """
        received_at = self._clock()
        messages = [Message(topic, orjson.dumps(payload), received_at, transport=OWN) for topic, payload in entries]
        return self._write(messages, self._store)

    def note_heartbeat(self, iot_device_id):
        """Note that a device is alive; returns when that was, naive UTC.

        :param iot_device_id: the row's id
        :raises IngestionUnavailable: as `store`
        """
        received_at = self._clock()
        with self._connection() as connection, connection.cursor() as cursor:
            self._store.write_heartbeat(cursor, iot_device_id, received_at)
            connection.commit()
        return received_at

    def _write(self, messages, store):
        outcomes = {}
        with self._connection() as connection:
            writer = BatchWriter(self._decoder(connection), store)
            for results, names in writer.write(connection, [messages]):
                for result, name in zip(results, names, strict=True):
                    outcomes[result.message] = _outcome(result, name)
        return [outcomes[message] for message in messages]

    def _decoder(self, connection):
        with connection.cursor() as cursor:
            rows = read_topics(cursor)
        known, topics, validator = self._contract
        if rows != known:
            topics, validator = topic_table(rows), payload_validator(rows)
            self._contract = (rows, topics, validator)
        # It knows no device, so each is looked up: one that was shut out a moment ago is not let in from memory.
        return Decoder(topics, validator, DeviceCache(), self._retention)

    @contextlib.contextmanager
    def _connection(self):
        if not self._places.acquire(timeout=LONGEST_WAIT):
            raise IngestionUnavailable("too many messages at once")
        try:
            opened = self._connect(self._dsn, WRITER_LOCK_TIMEOUT, _STATEMENT_TIMEOUT, _IDLE_TIMEOUT)
            with contextlib.closing(opened) as connection:
                yield connection
        except _PASSING as error:
            # What the database says names servers and users: it is for the log, not for whoever sent the messages.
            _logger.info(
                "Messages cannot be stored without the pipeline: %s", str(error).strip() or type(error).__name__
            )
            raise IngestionUnavailable("the database is away or too busy") from error
        finally:
            self._places.release()


class _CountingStore:
    """Counts each batch in the transaction that stores it, so that the figures are those of all processes together."""

    def __init__(self, store):
        self._store = store

    def write_batch(self, cursor, results):
        device, topic = results[0].device, results[0].message.topic
        cursor.execute(_TAKE_TURN, [DEVICE_LOCK, device.device_id if device else topic])
        outcomes = self._store.write_batch(cursor, results)
        counts = [(name, outcomes.count(name)) for name in (DEAD_LETTER, DUPLICATE, STORED) if name in outcomes]
        # The last statement before the commit: everybody counts in the same rows.
        cursor.execute(_COUNT, [[name for name, _count in counts], [count for _name, count in counts]])
        return outcomes


def read_counters(cursor):
    """How many messages have come over HTTP, by outcome; received is the sum of the others."""
    cursor.execute(_SELECT_COUNTS)
    counts = dict(cursor.fetchall())
    counters = {
        "stored": counts.get(STORED, 0),
        "duplicates": counts.get(DUPLICATE, 0),
        "dead_letters": counts.get(DEAD_LETTER, 0),
    }
    return {"received": sum(counters.values()), **counters}


def _outcome(result, name):
    if isinstance(result, Refused):
        return Outcome(name, result.reason, result.detail)
    return Outcome(name)
