"""Writes one batch in one transaction: readings, rollups, inbox, device states and dead letters.

The caller commits, and acknowledges only then. Whatever the batch holds, writing it twice leaves the same rows and says
`duplicate` the second time.
"""

import hashlib
from collections import defaultdict

import orjson

from ..telemetry.statements import insert_columns, insert_statement
from .arrays import array_literal, column_arrays
from .config import Config
from .dead_letters import DeadLetters
from .messages import DEAD_LETTER, DUPLICATE, STORED, Accepted, Refused

INBOX_CHANNEL = "iot_inbox"

_INBOX_COLUMNS = {
    "kind": "text",
    "iot_device_id": "integer",
    "timestamp": "timestamp",
    "channel": "smallint",
    "digest": "text",
    "payload": "jsonb",
    "received_at": "timestamp",
    "transport": "text",
}
_INSERT_INBOX = """
    INSERT INTO iot_inbox (kind, iot_device_id, timestamp, channel, digest, payload, received_at, transport,
                           state, attempts, next_try_at)
    SELECT kind, iot_device_id, timestamp, channel, digest, payload, received_at, transport, 'new', 0, received_at
      FROM unnest(%s::text[], %s::integer[], %s::timestamp[], %s::smallint[], %s::text[], %s::jsonb[],
                  %s::timestamp[], %s::text[])
           AS input (kind, iot_device_id, timestamp, channel, digest, payload, received_at, transport)
        ON CONFLICT (kind, iot_device_id, timestamp, channel, digest) DO NOTHING
 RETURNING kind, iot_device_id, timestamp, channel, digest
"""

_STATE_COLUMNS = {
    "iot_device_id": "integer",
    "last_seen": "timestamp",
    "last_message_timestamp": "timestamp",
    "messages_received": "bigint",
    "error_count": "bigint",
    "battery_level": "real",
    "signal_strength": "real",
    "reported_status": "text",
    "firmware_version": "text",
    "error_code": "text",
    "error_message": "text",
    "config_version": "integer",
}
_UPSERT_STATE = """
    INSERT INTO iot_device_state AS state
           (iot_device_id, last_seen, last_message_timestamp, messages_received, messages_sent, error_count,
            battery_level, signal_strength, reported_status, firmware_version, error_code, error_message,
            config_version, silent)
    SELECT iot_device_id, last_seen, last_message_timestamp, messages_received, 0, error_count,
           battery_level, signal_strength, reported_status, firmware_version, error_code, error_message,
           config_version, false
      FROM unnest(%s::integer[], %s::timestamp[], %s::timestamp[], %s::bigint[], %s::bigint[], %s::real[],
                  %s::real[], %s::text[], %s::text[], %s::text[], %s::text[], %s::integer[])
           AS input (iot_device_id, last_seen, last_message_timestamp, messages_received, error_count,
                     battery_level, signal_strength, reported_status, firmware_version, error_code, error_message,
                     config_version)
        ON CONFLICT (iot_device_id) DO UPDATE SET
           -- Where a clock was ahead, `Liveness` sets it back.
           last_seen = greatest(state.last_seen, excluded.last_seen),
           last_message_timestamp = greatest(state.last_message_timestamp, excluded.last_message_timestamp),
           messages_received = state.messages_received + excluded.messages_received,
           error_count = state.error_count + excluded.error_count,
           battery_level = coalesce(excluded.battery_level, state.battery_level),
           signal_strength = coalesce(excluded.signal_strength, state.signal_strength),
           reported_status = CASE WHEN excluded.reported_status IS NOT NULL THEN excluded.reported_status
                                  -- A device that speaks again is not offline, whatever its last will said.
                                  WHEN excluded.last_seen IS NOT NULL THEN nullif(state.reported_status, 'offline')
                                  ELSE state.reported_status END,
           firmware_version = coalesce(excluded.firmware_version, state.firmware_version),
           config_version = coalesce(excluded.config_version, state.config_version),
           error_code = CASE WHEN excluded.reported_status IS NULL THEN state.error_code
                             ELSE excluded.error_code END,
           error_message = CASE WHEN excluded.reported_status IS NULL THEN state.error_message
                                ELSE excluded.error_message END
"""

#: Inbox kinds of the messages that are no readings.
_MESSAGE_KINDS = {"status": "device_status", "alerts": "device_alert", "ack": "command_ack"}


class Store:
    """Writes batches of `Accepted` and `Refused` messages.

    :param specs: the `TelemetrySpec`s; a device type has at most one
    :param dead_letters_per_hour: how many of one source and reason are stored, see `bridge/dead_letters.py`
    """

    def __init__(self, specs, dead_letters_per_hour=Config.dead_letters_per_hour):
        self._dead_letters = DeadLetters(dead_letters_per_hour)
        self._specs = {device_type: spec for spec in specs for device_type in spec.device_types}
        self._statements = {spec.table: insert_statement(spec) for spec in specs}

    def write_batch(self, cursor, results):
        """Write a batch in the cursor's transaction.

        :param results: list of `Accepted` and `Refused`, in the order of arrival
        :return: list of outcomes, in the same order
        """
        accepted = [result for result in results if isinstance(result, Accepted)]
        refused = [result for result in results if isinstance(result, Refused)]
        duplicates = self._write_readings(cursor, [item for item in accepted if item.message_type == "data"])
        duplicates |= self._write_messages(cursor, [item for item in accepted if item.message_type in _MESSAGE_KINDS])
        self._dead_letters.write(cursor, refused)
        self._write_states(cursor, accepted, refused)
        self._dead_letters.settle(cursor, accepted)
        return [_outcome(result, duplicates) for result in results]

    def write_heartbeat(self, cursor, iot_device_id, received_at):
        """Note that a device is alive, though it sent no message.

        :param iot_device_id: the row's id
        """
        state = _blank_state(iot_device_id)
        state["last_seen"] = received_at
        cursor.execute(_UPSERT_STATE, column_arrays([tuple(state.values())], _STATE_COLUMNS))

    def _write_readings(self, cursor, readings):
        """:return: set of the readings that were stored before, or come earlier in the batch"""
        by_table = defaultdict(list)
        for reading in readings:
            by_table[self._specs[reading.device.device_type].table].append(reading)
        duplicates = set()
        for table in sorted(by_table):
            spec = self._specs[by_table[table][0].device.device_type]
            duplicates |= self._write_kind(cursor, spec, by_table[table])
        return duplicates

    def _write_kind(self, cursor, spec, readings):
        columns = zip(_columns(spec, readings), insert_columns(spec), strict=True)
        arrays = [array_literal(values, pg_type) for values, (_name, pg_type) in columns]
        cursor.execute(self._statements[spec.table], [*arrays, len(readings)])
        (count, *_key), *new = cursor.fetchall()
        duplicates = set()
        if count < len(readings):
            duplicates = _all_but_the_first(readings, {tuple(key) for _count, *key in new}, lambda reading: reading.key)
        if spec.inbox_kind:
            fresh = [reading for reading in readings if reading not in duplicates]
            self._write_inbox(cursor, [(spec.inbox_kind, reading) for reading in fresh])
        return duplicates

    def _write_messages(self, cursor, messages):
        """Statuses, alerts and acknowledgements; :return: set of those that are there already"""
        new = self._write_inbox(cursor, [(_MESSAGE_KINDS[item.message_type], item) for item in messages])
        return set() if len(new) == len(messages) else _all_but_the_first(messages, new, _mark)

    def _write_inbox(self, cursor, entries):
        """:param entries: pairs of inbox kind and `Accepted`; :return: set of their marks that were new"""
        if not entries:
            return set()
        rows = [
            (*_mark(item, kind), item.payload, item.message.received_at, item.message.transport)
            for kind, item in entries
        ]
        cursor.execute(_INSERT_INBOX, column_arrays(rows, _INBOX_COLUMNS))
        new = set(cursor.fetchall())
        if new:
            cursor.execute("SELECT pg_notify(%s, '')", [INBOX_CHANNEL])
        return new

    def _write_states(self, cursor, accepted, refused):
        states = {}
        for item in accepted:
            _see(states.setdefault(item.device.id, _blank_state(item.device.id)), item)
        for item in refused:
            if item.device is not None:
                states.setdefault(item.device.id, _blank_state(item.device.id))["error_count"] += 1
        if states:
            rows = [tuple(states[device_id].values()) for device_id in sorted(states)]
            cursor.execute(_UPSERT_STATE, column_arrays(rows, _STATE_COLUMNS))


def _mark(item, kind=None):
    """What makes an entry of the inbox the same as another: kind, key and, of what is no reading, the payload's digest,
    for a device may raise two alerts in one instant, on no channel.

    Of what it says, not of its bytes: sent over HTTP it is the same as over the broker, however it is written.
    """
    if item.message_type not in _MESSAGE_KINDS:
        return kind, *item.key, ""
    digest = hashlib.blake2b(orjson.dumps(item.payload, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()
    return _MESSAGE_KINDS[item.message_type], *item.key, digest


def _all_but_the_first(items, new, mark):
    """The items that are not the first one in the batch with a mark that was new."""
    remaining, others = set(new), set()
    for item in items:
        if mark(item) in remaining:
            remaining.discard(mark(item))
        else:
            others.add(item)
    return others


def _outcome(result, duplicates):
    if isinstance(result, Refused):
        return DEAD_LETTER
    return DUPLICATE if result in duplicates else STORED


def _columns(spec, readings):
    """The values of the readings, column by column, in the order of `insert_columns`."""
    devices = [reading.device for reading in readings]
    payloads = [reading.payload for reading in readings]
    return [
        [device.id for device in devices],
        [reading.timestamp for reading in readings],
        [reading.channel for reading in readings],
        [device.farm_id for device in devices],
        [device.in_maintenance for device in devices],
        [reading.message.received_at for reading in readings],
        *(_values(payloads, column.steps) for column in spec.columns),
    ]


def _values(payloads, steps):
    """What stands at the end of the steps in each payload, None where they lead nowhere."""
    for step in steps[:-1]:
        payloads = [_part(payload, step) for payload in payloads]
    return [payload.get(steps[-1]) for payload in payloads]


def _part(payload, step):
    part = payload.get(step)
    return part if isinstance(part, dict) else {}


def _blank_state(device_id):
    state = dict.fromkeys(_STATE_COLUMNS)
    state.update(iot_device_id=device_id, messages_received=0, error_count=0)
    return state


def _see(state, item):
    """Add one accepted message, later in arrival than those before it, to the state of its device."""
    state["messages_received"] += 1
    previous = state["last_message_timestamp"]
    state["last_message_timestamp"] = item.timestamp if previous is None else max(previous, item.timestamp)
    if item.message.dead_letter_id is not None:
        # It may be days old: how the device is now, others have said since.
        return
    if not item.message.retained:
        state["last_seen"] = item.message.received_at
    for name in ("battery_level", "signal_strength"):
        if name in item.payload:
            state[name] = item.payload[name]
    if item.message_type == "status":
        # A user's own schema may do without it.
        state["reported_status"] = item.payload.get("status", state["reported_status"])
        state["firmware_version"] = item.payload.get("firmware_version", state["firmware_version"])
        state["config_version"] = item.payload.get("config_version", state["config_version"])
        state["error_code"] = item.payload.get("error_code")
        state["error_message"] = item.payload.get("error_message")
