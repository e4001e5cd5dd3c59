"""Writes what was refused: the message with its reason, and how many there were of them.

A device that floods the platform fills no disk: of one source and reason, so many messages, and so many bytes, are
stored in an hour, the first ones; all of them are counted. Where a message comes from is the registered device or,
where none is known, the topic. A replayed dead letter that is refused again stays the one record it was, and is not
counted a second time.

Nothing tells a refused message that the broker delivers again, because its acknowledgement was lost, from another one
with the same fault: after a crash, or a cut connection, the last batch's are counted again. A bridge that is stopped
acknowledges what it has counted.
"""

from collections import Counter
from datetime import datetime
from typing import NamedTuple

from .arrays import column_arrays

# Characters of a topic by which messages are counted together. An index takes no row of more than 2.7 kB, and a topic
# can have 64.
_LONGEST_SOURCE = 200

#: Most bytes of one source and reason in an hour. The message with which they are reached is stored as a whole.
MOST_BYTES = 2**20

_COUNT_COLUMNS = {
    "source": "text",
    "reason": "text",
    "hour": "timestamp",
    "iot_device_id": "integer",
    "farm_id": "integer",
    "received": "bigint",
}
# The update locks the row until the end of the transaction, so that two writers do not fill the same room. In key
# order: two that take the same rows in the same order cannot deadlock.
_COUNT = """
    INSERT INTO iot_dead_letter_count AS count
           (source, reason, hour, iot_device_id, farm_id, received, stored, left_out, stored_bytes)
    SELECT source, reason, hour, iot_device_id, farm_id, received, 0, received, 0
      FROM unnest(%s::text[], %s::text[], %s::timestamp[], %s::integer[], %s::integer[], %s::bigint[])
           AS input (source, reason, hour, iot_device_id, farm_id, received)
     ORDER BY source, reason, hour
        ON CONFLICT (source, reason, hour) DO UPDATE SET
           received = count.received + excluded.received, left_out = count.left_out + excluded.received
 RETURNING source, reason, hour, stored, stored_bytes
"""
_STORED_COLUMNS = {"source": "text", "reason": "text", "hour": "timestamp", "stored": "bigint", "bytes": "bigint"}
_ADD_STORED = """
    UPDATE iot_dead_letter_count AS count
       SET stored = count.stored + input.stored, left_out = count.left_out - input.stored,
           stored_bytes = count.stored_bytes + input.bytes
      FROM unnest(%s::text[], %s::text[], %s::timestamp[], %s::bigint[], %s::bigint[])
           AS input (source, reason, hour, stored, bytes)
     WHERE (count.source, count.reason, count.hour) = (input.source, input.reason, input.hour)
"""
_LETTER_COLUMNS = {
    "received_at": "timestamp",
    "topic": "text",
    "reason": "text",
    "detail": "text",
    "iot_device_id": "integer",
    "farm_id": "integer",
}
_INSERT = """
    INSERT INTO iot_dead_letter (received_at, topic, reason, detail, iot_device_id, farm_id, payload, state)
    SELECT received_at, topic, reason, detail, iot_device_id, farm_id, payload, 'new'
      FROM unnest(%s::timestamp[], %s::text[], %s::text[], %s::text[], %s::integer[], %s::integer[], %s::bytea[])
           AS input (received_at, topic, reason, detail, iot_device_id, farm_id, payload)
"""
# A device that was registered since is known now. What is settled is settled: a message that was put a second time, or
# whose letter a person has discarded meanwhile, changes nothing.
_REFUSE_AGAIN = """
    UPDATE iot_dead_letter
       SET state = 'new', reason = %s, detail = %s,
           iot_device_id = coalesce(%s, iot_device_id), farm_id = coalesce(%s, farm_id)
     WHERE id = %s AND state = 'replaying'
"""
_REPLAYED = "UPDATE iot_dead_letter SET state = 'replayed' WHERE id = ANY(%s) AND state = 'replaying'"


class _Key(NamedTuple):
    """What is counted together. `hour` is the hour of receipt, naive UTC."""

    source: str
    reason: str
    hour: datetime


class DeadLetters:
    """:param per_hour: how many of one source and reason are stored in an hour"""

    def __init__(self, per_hour):
        self._per_hour = per_hour

    def write(self, cursor, refused):
        """Count and store what was refused, in the cursor's transaction.

        :param refused: list of `Refused`, in the order of arrival
        """
        fresh = [item for item in refused if item.message.dead_letter_id is None]
        for item in refused:
            if item.message.dead_letter_id is not None:
                cursor.execute(
                    _REFUSE_AGAIN, [item.reason, _text(item.detail), *_owner(item), item.message.dead_letter_id]
                )
        if fresh:
            self._insert(cursor, self._within_limit(fresh, self._count(cursor, fresh)))

    def settle(self, cursor, accepted):
        """Mark the dead letters among the accepted messages as replayed."""
        ids = [item.message.dead_letter_id for item in accepted if item.message.dead_letter_id is not None]
        if ids:
            cursor.execute(_REPLAYED, [ids])

    def _count(self, cursor, items):
        """Add the messages to the counts; {key: (how many, how many bytes) of them are stored already}."""
        received = Counter(_key(item) for item in items)
        owners = {_key(item): _owner(item) for item in items}
        rows = [(*key, *owners[key], count) for key, count in received.items()]
        cursor.execute(_COUNT, column_arrays(rows, _COUNT_COLUMNS))
        return {_Key(*row[:3]): row[3:] for row in cursor.fetchall()}

    def _within_limit(self, items, stored):
        """The first messages of each key that there is room for."""
        messages, sizes = (Counter({key: counts[part] for key, counts in stored.items()}) for part in (0, 1))
        kept = []
        for item in items:
            key = _key(item)
            if messages[key] < self._per_hour and sizes[key] < MOST_BYTES:
                messages[key] += 1
                sizes[key] += len(item.message.payload)
                kept.append(item)
        return kept

    def _insert(self, cursor, items):
        if not items:
            return
        rows = [
            (item.message.received_at, _text(item.message.topic), item.reason, _text(item.detail), *_owner(item))
            for item in items
        ]
        payloads = [bytes(item.message.payload) for item in items]
        cursor.execute(_INSERT, [*column_arrays(rows, _LETTER_COLUMNS), payloads])
        stored, sizes = Counter(), Counter()
        for item in items:
            stored[_key(item)] += 1
            sizes[_key(item)] += len(item.message.payload)
        rows = [(*key, count, sizes[key]) for key, count in stored.items()]
        cursor.execute(_ADD_STORED, column_arrays(rows, _STORED_COLUMNS))


def _key(item):
    source = item.device.device_id if item.device else _text(item.message.topic)[:_LONGEST_SOURCE]
    return _Key(source, item.reason, item.message.received_at.replace(minute=0, second=0, microsecond=0))


def _owner(item):
    """(device, farm), both None where no device is known."""
    return (item.device.id, item.device.farm_id) if item.device else (None, None)


def _text(text):
    """PostgreSQL's text holds no NUL; the topic of a real broker never has one."""
    return text.replace("\0", "\\0")
