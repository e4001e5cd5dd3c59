"""What to poll, read from the database over a connection of the poller's own, and where it says how the meters are.

The connection also holds an advisory lock, so that a database has one poller however many processes there are, and so
that the cron can tell whether one lives; and it listens for changes of the registry.
"""

import contextlib
import logging
import select
from dataclasses import fields
from datetime import timedelta, timezone

import psycopg2
import psycopg2.extensions
from psycopg2.errors import UndefinedTable

from . import statements
from .continuity import LONGEST_PAUSE
from .health import READABLE, MeterState
from .meters import load_meters
from .tracker import Past, Reading

_logger = logging.getLogger(__name__)

#: Held by the poller of a database as long as it lives.
POLLER_LOCK = 0x5DA1_0010

#: Seconds without a word after which its lock is taken from a poller, as the lead is from a bridge.
SILENCE_SECONDS = 5

# A server that is gone without a word is found out within some 20 seconds; libpq would wait for hours.
_KEEPALIVES = {"keepalives_idle": 10, "keepalives_interval": 3, "keepalives_count": 3, "tcp_user_timeout": 20_000}

#: How far back the last milking of a point is looked for, whose registers its meter may still show.
LOOK_BACK = timedelta(days=2)

#: An outage that lasts longer is an event.
OUTAGE = timedelta(seconds=60)


def load_past(cursor, meter, point, now):
    """What the database knows of a milking point.

    :param now: aware UTC
    :return: `Past`
    """
    since = _naive(now - LOOK_BACK)
    place = {"device": meter.iot_device_id, "meter": meter.id, "channel": point.channel, "since": since}
    last = _load_reading(cursor, statements.LAST_READING, place, meter.factor)
    if last is None or not last.milking or (now - last.timestamp).total_seconds() > LONGEST_PAUSE:
        return Past(None, last)
    return Past(last, _load_reading(cursor, statements.LAST_END, place, meter.factor))


class SqlRegistry:
    """The database as the poller's registry. Methods block, and raise psycopg2.Error while the database is away.

    :param dsn: dict of keyword arguments of `psycopg2.connect`
    """

    def __init__(self, dsn):
        self._dsn = {"connect_timeout": 5, **_KEEPALIVES, **dsn}
        self._connection = None
        self._leads = False

    def another(self):
        """One for the same database, with a connection of its own."""
        return SqlRegistry(self._dsn)

    def load(self):
        """:return: list of `Meter`; None while another process polls this database's meters"""
        with self._cursor() as cursor:
            self._leads = self._leads or _take_lock(cursor)
            try:
                return load_meters(cursor) if self._leads else None
            except UndefinedTable:
                # The addon is being uninstalled; whoever runs the poller is about to stop it.
                return []

    def past(self, meter, point, now):
        """:return: the `Past` of a milking point"""
        with self._cursor() as cursor:
            return load_past(cursor, meter, point, now)

    def write_states(self, states, meter_ids, now):
        """Say how the meters are; nothing while another process polls.

        :param states: list of `health.MeterState`, of those of which something is known
        :param meter_ids: of all meters that are to be polled: of others nothing is said any more
        :param now: aware UTC
        """
        # Without the table the addon is being uninstalled, as above.
        with self._cursor() as cursor, contextlib.suppress(UndefinedTable):
            if self._leads:
                write_states(cursor, states, meter_ids, now)

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


def _take_lock(cursor):
    """Whether this connection's is the poller; where the lock's holder was silent it is free a moment later."""
    cursor.execute("SELECT pg_try_advisory_lock(%s)", [POLLER_LOCK])
    (taken,) = cursor.fetchone()
    if not taken:
        cursor.execute(statements.END_SILENT_POLLER, {"lock": POLLER_LOCK, "seconds": SILENCE_SECONDS})
        if cursor.rowcount:
            _logger.warning("The poller of the milk meters has not been heard of for some seconds and was ended")
    return taken


def write_states(cursor, states, meter_ids, now):
    """Write the states of meters, and tell the reactors of outages that are old enough.

    :param states: list of `health.MeterState`
    :param meter_ids: of the meters whose state is kept
    :param now: aware UTC
    """
    columns = {column.name: [_stored(getattr(state, column.name)) for state in states] for column in fields(MeterState)}
    readable = [state.meter_id for state in states if state.state in READABLE]
    unreadable = [state.meter_id for state in states if state.state not in READABLE]
    common = {"readable": list(READABLE), "now": _naive(now), "before": _naive(now - OUTAGE)}
    cursor.execute(statements.REPORT_BACK, {**common, "meters": readable})
    told = cursor.rowcount
    cursor.execute(statements.WRITE_STATES, {**common, **columns})
    cursor.execute(statements.FORGET_STATES, [list(meter_ids)])
    cursor.execute(statements.REPORT_UNREADABLE, {**common, "meters": unreadable})
    if told or cursor.rowcount:
        cursor.execute("NOTIFY iot_inbox")


def _load_reading(cursor, statement, place, factor):
    """:param factor: in force now; a milking that no session is known of yet began with it"""
    cursor.execute(statement, place)
    row = cursor.fetchone()
    if not row:
        return None
    session_id, timestamp, milking, *values, kept = row
    factor = float(kept or factor)
    named = zip(("yield_liters", "duration_seconds", "rfid_tag"), values, strict=True)
    known = {quantity: value for quantity, value in named if value is not None}
    # Stored is what was reported, and compared what the meter shows.
    known["yield_liters"] /= factor
    return Reading(session_id, timestamp.replace(tzinfo=timezone.utc), bool(milking), known, factor=factor)


def _stored(value):
    return _naive(value) if hasattr(value, "astimezone") else value


def _naive(moment):
    return moment.astimezone(timezone.utc).replace(tzinfo=None)
