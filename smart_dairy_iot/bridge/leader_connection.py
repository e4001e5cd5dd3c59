"""The session by which one process leads: its advisory lock is the lead, and its beat shows that somebody is behind it.

A lock alone is not enough: of a process that is stopped, or cut off from the network, the session stays, and its lock
with it. So the leader asks something of the database twice a second, and whoever stands by sees in `pg_stat_activity`
when it last did. After `OVERDUE` seconds of nothing the stand-by ends that session, and the lock is free. There is one
clock in this, the database server's; it needs `track_activities`, which is on by default, and one role for all bridges.

A leader that was overtaken so may wake up at any time. Three things keep it from doing harm:
- its lease, by its own clock since the machine's start, runs out before anybody may end its session: without it, it
  does not connect;
- its writer's session is ended, too, and what that had not committed is not acknowledged (`take_writers_lock`);
- the broker closes its connection when another one with the same client id comes.
"""

import contextlib
import logging
import math
import os
import select
import socket
import threading
import time

import psycopg2
from psycopg2 import sql

from .database import LEADER_LOCK_TIMEOUT, LISTEN_CHANNELS, connect

_logger = logging.getLogger(__name__)

#: Seconds after a beat for which the leader counts on its lead.
LEASE = 4.0
#: Seconds without a beat after which whoever stands by takes the lead away. Longer than the lease.
OVERDUE = 5.0
#: Seconds without a beat after which the leader itself gives up a connection that does not answer.
_LOST = 15.0

# Of the holders of a lock, those that are overdue, or all where no time is given. One that computes, or waits for a
# lock, is late, not gone: only one that waits for its client is overdue.
_END_HOLDERS = """
    SELECT pg_terminate_backend(activity.pid), extract(epoch FROM clock_timestamp() - activity.state_change)
      FROM pg_locks AS held JOIN pg_stat_activity AS activity USING (pid)
     WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1
       AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND held.classid = (%(lock)s::bigint >> 32)::oid AND held.objid = (%(lock)s::bigint & 4294967295)::oid
       AND held.pid <> pg_backend_pid()
       AND (%(seconds)s IS NULL OR activity.wait_event_type = 'Client'
            AND activity.state_change < clock_timestamp() - %(seconds)s::float8 * interval '1 second')
"""
_SOMEBODY_STANDS_BY = """
    SELECT count(*) > 0 FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = %(name)s
       AND state_change > clock_timestamp() - %(seconds)s * interval '1 second'
"""


class NotLeading(psycopg2.OperationalError):
    """Another process leads, or may do so by now."""


def _since_boot():
    """Seconds, those included for which the machine was suspended: Python's monotonic clock stands still then."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lease:
    """Until when a leader may count on its lead, should it hear nothing from the database.

    :param clock: callable that gives seconds; it has to go on while the process is stopped, or the machine suspended
    """

    def __init__(self, clock=_since_boot):
        self._clock = clock
        self._beat = clock() - LEASE

    def now(self):
        """The time by the lease's clock, to be taken before the database is asked."""
        return self._clock()

    def renew(self, asked_at):
        """The database has answered what it was asked at that time."""
        self._beat = asked_at

    def end(self):
        """The lead is let go."""
        self._beat = -math.inf

    @property
    def age(self):
        """Seconds since the last beat."""
        return self._clock() - self._beat

    @property
    def valid(self):
        return self.age < LEASE


class LeaderConnection:
    """Holds the lock of a role and hears notifications. Whoever has the lock leads; it goes with the connection.

    :param role: what leads, for the log and for `somebody_stands_by`
    """

    def __init__(self, dsn, lock, role):
        self._lock = lock
        self._stand_by_name = f"smart_dairy_iot {role} {lock:x} stands by"
        self.lease = Lease()
        self.connection = connect(dsn, LEADER_LOCK_TIMEOUT)
        self.connection.autocommit = True
        self._closed = threading.Event()
        self._name(self._stand_by_name)

    def try_to_lead(self):
        """Take the lock if nobody has it, or he who has it is overdue, and listen; whether this process leads now."""
        asked_at = self.lease.now()
        if not self.try_lock(self._lock):
            return False
        self.lease.renew(asked_at)
        self._name("smart_dairy_iot bridge")
        with self.connection.cursor() as cursor:
            for channel in LISTEN_CHANNELS:
                cursor.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        threading.Thread(target=self._give_up_what_does_not_answer, name="smart_dairy_iot lease", daemon=True).start()
        return True

    def try_lock(self, lock):
        """Take a lock for as long as this connection lasts; whether it is this connection's now.

        Where its holder is overdue it is free a moment later: ask again.
        """
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s::bigint)", [lock])
            if cursor.fetchone()[0]:
                return True
            cursor.execute(_END_HOLDERS, {"lock": lock, "seconds": OVERDUE})
            for _ended, seconds in cursor.fetchall():
                _logger.warning("The session that led has not been heard of for %.1f s and was ended", seconds)
        return False

    def end_holders(self, lock):
        """End the sessions that hold a lock which only the leader may hold: they are those of a former leader."""
        with self.connection.cursor() as cursor:
            cursor.execute(_END_HOLDERS, {"lock": lock, "seconds": None})

    def somebody_stands_by(self):
        """Whether another process that is not itself overdue waits for this one's lead."""
        with self.connection.cursor() as cursor:
            cursor.execute(_SOMEBODY_STANDS_BY, {"name": self._stand_by_name[:63], "seconds": OVERDUE})
            return cursor.fetchone()[0]

    def heard(self, timeout):
        """Wait for up to `timeout` seconds, and beat; names of the channels on which something was heard.

        :raises psycopg2.Error: where the connection, and with it the lock, is lost
        """
        if not self.connection.notifies:
            select.select([self.connection], [], [], timeout)
        self.beat()
        channels = {notification.channel for notification in self.connection.notifies}
        self.connection.notifies.clear()
        return channels

    def beat(self):
        """Show that somebody is behind this connection, and see that the database answers.

        :raises psycopg2.Error: where the connection, and with it the lock, is lost
        """
        asked_at = self.lease.now()
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        self.lease.renew(asked_at)

    def close(self):
        """Let the lead go, if this process has it; may be called more than once."""
        self._closed.set()
        self.lease.end()
        self.connection.close()

    def _name(self, name):
        # PostgreSQL cuts it at 63 characters, with a notice.
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT set_config('application_name', %s, false)", [name[:63]])

    def _give_up_what_does_not_answer(self):
        """Shut the connection down where it does not answer: libpq would wait for as long as TCP thinks it alive."""
        while not self._closed.wait(1):
            if self.lease.age > _LOST:
                # Closed in this moment, it is no longer there to be shut down.
                with contextlib.suppress(OSError, psycopg2.Error):
                    self._shut_down()
                return

    def _shut_down(self):
        # A duplicate, for closing the socket itself is libpq's business.
        with socket.socket(fileno=os.dup(self.connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)


def take_writers_lock(connection, lock, lease):
    """Make this the one connection that writes what the broker delivers, for as long as it lasts.

    A new leader ends the connection of the one before. What that had not committed is then rolled back, was never
    acknowledged, and is delivered to the new one. Whose lease is valid still, though its lead is lost, may connect once
    more after that, so each try ends whoever is there.

    :raises NotLeading: where this process may have been overtaken, or the former leader's connection is still there
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s::bigint)", [lock])
        taken = cursor.fetchone()[0]
        if not taken and lease.valid:
            cursor.execute(_END_HOLDERS, {"lock": lock, "seconds": None})
    connection.commit()
    if not taken or not lease.valid:
        connection.close()
        raise NotLeading("another process may lead by now")
