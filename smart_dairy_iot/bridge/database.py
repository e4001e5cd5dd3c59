"""The bridge's own database connections, and the advisory lock that makes one bridge the leader.

They are not Odoo's cursors: those run at REPEATABLE READ, where `ON CONFLICT` raises serialization failures.
"""

import select

import psycopg2
import psycopg2.extensions
from psycopg2 import sql

# Advisory lock of each role; PostgreSQL keeps the locks of databases apart by itself.
BRIDGE_LOCK, REACTORS_LOCK = 0x5DA1_0001, 0x5DA1_0002

#: Milliseconds for which the writer waits for a lock before it gives way and tries again. Less than PostgreSQL's
#: deadlock_timeout of a second: where an upgrade of the addons and the writer block one another, it is the writer that
#: steps back, not the upgrade that is broken off.
WRITER_LOCK_TIMEOUT = 800

LISTEN_CHANNELS = ("iot_registry", "iot_outbox", "iot_inbox", "iot_dead_letter")


def connect(dsn, lock_timeout=0, statement_timeout=0, idle_timeout=0):
    """Open a connection at READ COMMITTED.

    A server that is gone without a word is found out within some 20 seconds, and so is this process by the server,
    which would otherwise keep its lock, and with it the lead, for hours.

    :param dsn: dict of keyword arguments of `psycopg2.connect`
    :param lock_timeout: milliseconds to wait for a lock, 0 for as long as it takes
    :param statement_timeout: milliseconds that a statement may take, 0 for as long as it takes
    :param idle_timeout: milliseconds for which a transaction may stand still, 0 for as long as it takes
    """
    connection = psycopg2.connect(
        **dsn,
        application_name="smart_dairy_iot bridge",
        keepalives_idle=10,
        keepalives_interval=3,
        keepalives_count=3,
        # What is under way when the network is cut: keepalives do not look after that.
        tcp_user_timeout=20_000,
        options="-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=3 -c tcp_keepalives_count=3"
        f" -c tcp_user_timeout=20000 -c lock_timeout={int(lock_timeout)}"
        f" -c statement_timeout={int(statement_timeout)}"
        f" -c idle_in_transaction_session_timeout={int(idle_timeout)}",
    )
    connection.set_session(isolation_level=psycopg2.extensions.ISOLATION_LEVEL_READ_COMMITTED)
    return connection


class LeaderConnection:
    """Holds the lock of a role and hears notifications. Whoever has the lock leads; it goes with the connection."""

    def __init__(self, dsn, lock):
        self._lock = lock
        self.connection = connect(dsn)
        self.connection.autocommit = True

    def try_to_lead(self):
        """Take the lock if nobody has it, and listen; whether this process leads now."""
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [self._lock])
            leads = cursor.fetchone()[0]
            for channel in LISTEN_CHANNELS if leads else ():
                cursor.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        return leads

    def heard(self, timeout):
        """Wait for up to `timeout` seconds; names of the channels on which something was heard.

        :raises psycopg2.Error: where the connection, and with it the lock, is lost
        """
        if not self.connection.notifies:
            select.select([self.connection], [], [], timeout)
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        channels = {notification.channel for notification in self.connection.notifies}
        self.connection.notifies.clear()
        return channels

    def close(self):
        self.connection.close()
