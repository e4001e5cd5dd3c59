"""What to poll, read from the database over a connection of the poller's own.

The connection also holds an advisory lock, so that a database has one poller however many processes there are, and so
that the cron can tell whether one lives; and it listens for changes of the registry.
"""

import logging
import select
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta, timezone

import psycopg2
import psycopg2.extensions
from psycopg2.errors import UndefinedTable

from .client import parse_endpoint
from .profile import Line, Profile
from .tracker import Reading

_logger = logging.getLogger(__name__)

#: Held by the poller of a database as long as it lives.
POLLER_LOCK = 0x5DA1_0010

#: A milking whose last reading is older than this is not taken up again; its session has been closed by then.
RESUME_WITHIN = timedelta(minutes=5)

_SELECT_METERS = """
    SELECT meter.id, device.id, device.device_id, device.data_topic, device.status_topic,
           meter.modbus_port, coalesce(meter.modbus_address, 0), meter.modbus_profile_id,
           coalesce(point.number, 1), meter.flow_calibration_factor,
           meter.has_rfid_reader, meter.has_conductivity, meter.has_temperature, meter.has_flow_sensor,
           meter.has_milk_quality
      FROM iot_milk_meter meter
      JOIN iot_device device ON device.id = meter.iot_device_id
 LEFT JOIN LATERAL (
           SELECT min(point_number) AS number FROM iot_milk_meter_point WHERE meter_id = meter.id AND is_active
           ) point ON true
     WHERE meter.polling_enabled AND meter.communication_type = 'modbus_tcp'
       AND device.active AND device.state IN ('active', 'maintenance')
     ORDER BY meter.id
"""
_SELECT_LINES = """
    SELECT profile.id, profile.name, profile.register_type,
           line.quantity, coalesce(line.address, 0), line.data_type, line.byte_order, coalesce(line.length, 1),
           coalesce(line.bit, 0), coalesce(line.scale, 1), coalesce(line.value_offset, 0)
      FROM iot_modbus_profile profile
      JOIN iot_modbus_profile_line line ON line.profile_id = profile.id
     WHERE profile.id = ANY(%s)
"""
_SELECT_LAST = """
    SELECT session_id, timestamp, milking, yield_liters, duration_seconds, rfid_tag
      FROM milk_production_realtime
     WHERE iot_device_id = %s AND channel = %s AND timestamp > %s
     ORDER BY timestamp DESC
     LIMIT 1
"""

#: Capability flag of a meter -> quantities it does not have without; their registers then hold nothing to report.
_CAPABILITIES = {
    "has_rfid_reader": ("rfid_tag",),
    "has_conductivity": ("conductivity",),
    "has_temperature": ("temperature_celsius",),
    "has_flow_sensor": ("flow_rate",),
    "has_milk_quality": ("fat_percentage", "protein_percentage", "lactose_percentage", "somatic_cell_count"),
}


@dataclass(frozen=True)
class Meter:
    """A meter to poll.

    :param id: of `iot.milk_meter`
    :param iot_device_id: of `iot.device`, as in telemetry
    :param device_id: the identity on the wire
    :param data_topic, status_topic: where it would publish if it spoke MQTT
    :param endpoint: (host, port)
    :param channel: number of the milking point
    :param factor: what yield and flow are multiplied with, from the meter's calibration
    """

    id: int
    iot_device_id: int
    device_id: str
    data_topic: str
    status_topic: str
    endpoint: tuple
    unit: int
    profile: Profile
    channel: int = 1
    factor: float = 1.0


def load_meters(cursor):
    """The meters that are to be polled now.

    :param cursor: DB-API cursor
    :return: list of `Meter`; of one that cannot be polled the reason is logged
    """
    cursor.execute(_SELECT_METERS)
    rows = cursor.fetchall()
    profiles = _load_profiles(cursor, [row[7] for row in rows])
    meters = []
    for row in rows:
        try:
            meters.append(_meter(row, profiles))
        except ValueError as error:
            _logger.warning("Milk meter %s cannot be polled: %s", row[2], error)
    return meters


def load_last_reading(cursor, meter, now):
    """The last stored reading of a milking that was still running `RESUME_WITHIN` ago.

    :param now: aware UTC
    :return: `Reading`, or None where no milking was running
    """
    since = now.astimezone(timezone.utc).replace(tzinfo=None) - RESUME_WITHIN
    cursor.execute(_SELECT_LAST, [meter.iot_device_id, meter.channel, since])
    row = cursor.fetchone()
    if not row or not row[0] or not row[2]:
        return None
    session_id, timestamp, _milking, *values = row
    named = zip(("yield_liters", "duration_seconds", "rfid_tag"), values, strict=True)
    known = {quantity: value for quantity, value in named if value is not None}
    return Reading(session_id, timestamp.replace(tzinfo=timezone.utc), True, known)


class SqlRegistry:
    """The database as the poller's registry. Methods block, and raise psycopg2.Error while the database is away.

    :param dsn: dict of keyword arguments of `psycopg2.connect`
    """

    def __init__(self, dsn):
        self._dsn = {"connect_timeout": 5, **dsn}
        self._connection = None
        self._leads = False

    def load(self):
        """:return: list of `Meter`; None while another process polls this database's meters"""
        with self._cursor() as cursor:
            if not self._leads:
                cursor.execute("SELECT pg_try_advisory_lock(%s)", [POLLER_LOCK])
                self._leads = cursor.fetchone()[0]
            try:
                return load_meters(cursor) if self._leads else None
            except UndefinedTable:
                # The addon is being uninstalled; whoever runs the poller is about to stop it.
                return []

    def last_reading(self, meter, now):
        """:return: the `Reading` of the milking that was running when we last looked, or None"""
        with self._cursor() as cursor:
            return load_last_reading(cursor, meter, now)

    def wait(self, timeout):
        """Wait up to `timeout` seconds for a change; whether there was one."""
        with self._cursor() as cursor:
            if not self._connection.notifies:
                select.select([self._connection], [], [], timeout)
            cursor.execute("SELECT 1")
        changed = bool(self._connection.notifies)
        self._connection.notifies.clear()
        return changed

    def close(self):
        """Give up the connection, and the lock with it."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _cursor(self):
        if self._connection is None or self._connection.closed:
            self._connection = psycopg2.connect(**self._dsn, application_name="smart_dairy_iot modbus")
            self._connection.autocommit = True
            self._leads = False
            with self._connection.cursor() as cursor:
                cursor.execute("LISTEN iot_registry")
        return self._connection.cursor()


def _load_profiles(cursor, profile_ids):
    """:return: dict id -> (name, register type, list of `Line`)"""
    cursor.execute(_SELECT_LINES, [[profile_id for profile_id in set(profile_ids) if profile_id]])
    rows = defaultdict(list)
    for profile_id, name, register_type, *line in cursor.fetchall():
        rows[profile_id, name, register_type].append(line)
    return {key[0]: (*key[1:], lines) for key, lines in rows.items()}


def _meter(row, profiles):
    *identity, endpoint, unit, profile_id, channel, factor = row[:10]
    if not all(identity):
        raise ValueError("it has no topic for data or status")
    if profile_id not in profiles:
        raise ValueError("it has no Modbus profile with registers")
    name, register_type, rows = profiles[profile_id]
    has = dict(zip(_CAPABILITIES, row[10:], strict=True))
    absent = {quantity for flag, quantities in _CAPABILITIES.items() if not has[flag] for quantity in quantities}
    lines = tuple(Line(*values) for values in rows if values[0] not in absent)
    return Meter(*identity, parse_endpoint(endpoint), unit, Profile(name, register_type, lines), channel, factor or 1.0)
