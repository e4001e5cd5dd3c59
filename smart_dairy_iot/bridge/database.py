"""The bridge's own database connections, and the advisory locks by which processes agree on who does what.

They are not Odoo's cursors: those run at REPEATABLE READ, where `ON CONFLICT` raises serialization failures.
"""

import zlib

import psycopg2
import psycopg2.extensions

# Advisory locks; PostgreSQL keeps those of databases apart by itself. Who leads in a role holds the first two for as
# long as he leads; the writer's connection and each of the reactors' transactions hold the others.
BRIDGE_LOCK, REACTORS_LOCK = 0x5DA1_0001, 0x5DA1_0002
WRITER_LOCK, INBOX_LOCK = 0x5DA1_0003, 0x5DA1_0004
# Held by a run of the scheduled action that assesses the devices' data.
DATA_QUALITY_LOCK = 0x5DA1_0005
# First of two numbers, the second one is a device's: of its messages over HTTP.
DEVICE_LOCK = 0x5DA1_0006
# The same, the second one is a telemetry table's: of its conversion to a higher level.
CONVERSION_LOCK = 0x5DA1_0007

#: Milliseconds for which the writer waits for a lock before it gives way and tries again. Less than PostgreSQL's
#: deadlock_timeout of a second: where an upgrade of the addons and the writer block one another, it is the writer that
#: steps back, not the upgrade that is broken off.
WRITER_LOCK_TIMEOUT = 800
#: The same of the leader's connection, for the same reason, and for one more: several statements that wait that long
#: one after the other are done before the lease runs out.
LEADER_LOCK_TIMEOUT = 800

# Seconds. A network that swallows everything would keep libpq waiting for minutes.
_CONNECT_TIMEOUT = 5

LISTEN_CHANNELS = ("iot_registry", "iot_outbox", "iot_inbox", "iot_dead_letter")


def lock_of(lock, config):
    """The lock under which a bridge receives, or writes.

    Those that share a group work at the same time, each with a client id, a session at the broker and locks of its own;
    two processes with one client id relieve one another there, too.
    """
    if not config.bridge_share_group:
        return lock
    return lock << 32 | zlib.crc32(config.mqtt_bridge_client_id.encode())


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
        **{"connect_timeout": _CONNECT_TIMEOUT, **dsn},
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
