"""EMQX's authentication database: one connection per process, a lock for the one who writes, errors in one sentence."""

import os
import socket
import threading
import time
from contextlib import contextmanager

import psycopg2
from psycopg2 import errors

from .base import BrokerBusy, BrokerError, BrokerUnreachable

CONNECT_TIMEOUT_S = 3
STATEMENT_TIMEOUT_S = 30
LOCK_TIMEOUT_S = 5
"""Seconds for connecting, for one statement, and for a lock that another holds. A user may be waiting."""

SILENCE_TIMEOUT_S = STATEMENT_TIMEOUT_S + 5
"""After this many seconds without a word from the server the connection is given up: it should have said something."""

WRITER_LOCK = 0x534D4441_49525901
"""The advisory lock of whoever writes users and rights, in the authentication database."""

ATTEMPTS = 4
BACKOFF_S = 0.2
TRANSIENT = (psycopg2.OperationalError, psycopg2.InterfaceError)
NOT_WORTH_ANOTHER_TRY = (errors.LockNotAvailable, errors.QueryCanceled, errors.InsufficientPrivilege)

_databases = {}
_databases_lock = threading.Lock()


def database_of(config):
    """The process' `AuthDatabase` for the configuration (see `bridge.config.Config`)."""
    parameters = {
        "host": config.mqtt_auth_db_host,
        "port": config.mqtt_auth_db_port,
        "dbname": config.mqtt_auth_db_name,
        "user": config.mqtt_auth_db_user,
        "password": config.mqtt_auth_db_password,
    }
    # A forked process must not speak on its parent's connection.
    key = (os.getpid(), *parameters.values())
    with _databases_lock:
        if key not in _databases:
            _databases[key] = AuthDatabase(parameters)
        return _databases[key]


class AuthDatabase:
    """One connection, for one thread at a time: use it within `held()`."""

    def __init__(self, parameters):
        self._parameters = parameters
        self._thread_lock = threading.Lock()
        self._connection = None
        self._turn = None

    @contextmanager
    def held(self):
        """Be the only one, on any machine, who writes; whoever has written before is done.

        :raises BrokerUnreachable: when the database is out of reach
        :raises BrokerBusy: when another holds it for too long
        """
        if not self._thread_lock.acquire(timeout=LOCK_TIMEOUT_S):
            raise self._busy()
        try:
            with self._errors_in_words():
                self._take_turn()
            try:
                yield self
            finally:
                self._end_turn()
        finally:
            self._thread_lock.release()

    def transaction(self, work):
        """Call `work(cursor)` in a transaction of its own and return what it returns.

        It is called again when the transaction failed for a passing reason: the connection broke, a deadlock.

        :raises BrokerError: when the database refuses what was to be written
        :raises BrokerUnreachable: when it is away, or lets nothing be written; either way nothing is changed
        """
        with self._errors_in_words():
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    if self._connection.closed:
                        self._take_turn_again()
                    with self._cursor() as cursor:
                        return work(cursor)
                except NOT_WORTH_ANOTHER_TRY:
                    raise
                except TRANSIENT:
                    if attempt == ATTEMPTS:
                        raise
                    time.sleep(BACKOFF_S * 2**attempt)

    # ------------------------------------------------------------------ connection and turn

    def _take_turn(self):
        kept = self._connection is not None and not self._connection.closed
        try:
            self._turn = self._lock()
        except NOT_WORTH_ANOTHER_TRY:
            raise
        except TRANSIENT:
            if not kept:
                raise
            # Since the connection was last used the server may have gone and come back.
            self._connection.close()
            self._turn = self._lock()

    def _take_turn_again(self):
        """Go on after the connection broke, and the lock with it, unless another has had it meanwhile."""
        expected = self._turn + 1
        self._turn = self._lock()
        if self._turn != expected:
            raise BrokerUnreachable(
                f"The connection to the authentication database at {self._address()} broke, and another process has"
                " written to it since: what was to be written may be out of date and is left out; try again."
            )

    def _lock(self):
        """Wait for the lock and return the number of the turn."""
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
        try:
            with self._cursor() as cursor:
                cursor.execute("SELECT pg_advisory_lock(%s)", [WRITER_LOCK])
                cursor.execute("SELECT nextval('mqtt_writer_turn')")
                return cursor.fetchone()[0]
        except psycopg2.Error:
            # A rollback does not give the lock back, the end of the connection does.
            self._connection.close()
            raise

    def _end_turn(self):
        if self._connection.closed:
            return
        try:
            with self._cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock_all()")
        except TRANSIENT:
            self._connection.close()  # which ends the lock too

    def _connect(self):
        return psycopg2.connect(
            **self._parameters,
            application_name="smart_dairy_iot provisioning",
            connect_timeout=CONNECT_TIMEOUT_S,
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
            options=f"-c statement_timeout={STATEMENT_TIMEOUT_S}s -c lock_timeout={LOCK_TIMEOUT_S}s",
        )

    @contextmanager
    def _cursor(self):
        """A cursor in a transaction. The connection is broken if the server falls silent: its own timeouts help only
        while it runs."""
        watch = threading.Timer(SILENCE_TIMEOUT_S, _break, [self._connection.fileno()])
        watch.daemon = True
        watch.start()
        try:
            with self._connection.cursor() as cursor:
                yield cursor
            self._connection.commit()
        except BaseException:
            if not self._connection.closed:
                self._connection.rollback()
            raise
        finally:
            watch.cancel()

    # ------------------------------------------------------------------ errors

    @contextmanager
    def _errors_in_words(self):
        try:
            yield
        except psycopg2.Error as error:
            raise self._in_words(error) from error

    def _in_words(self, error):
        where = f"The authentication database at {self._address()}"
        if isinstance(error, errors.LockNotAvailable):
            return self._busy()
        if isinstance(error, errors.QueryCanceled):
            return BrokerUnreachable(f"{where} did not answer within {STATEMENT_TIMEOUT_S} seconds: try again later.")
        if isinstance(error, errors.InsufficientPrivilege):
            return BrokerUnreachable(
                f"{where} does not let “{self._parameters['user']}” write: have docker/emqx/init-scripts/02-roles.sh"
                " run."
            )
        if isinstance(error, errors.UndefinedTable | errors.UndefinedColumn):
            return BrokerUnreachable(f"{where} lacks tables: load docker/emqx/init-scripts/01-auth-schema.sql.")
        if isinstance(error, psycopg2.IntegrityError | psycopg2.DataError):
            return BrokerError(f"{where} refused a user: {_first_line(error.diag.message_detail or error)}.")
        return BrokerUnreachable(f"{where} cannot be used: {_first_line(error)}.")

    def _busy(self):
        return BrokerBusy(
            f"The authentication database at {self._address()} is being written to by another process for more than"
            f" {LOCK_TIMEOUT_S} seconds: try again later."
        )

    def _address(self):
        return f"{self._parameters['host']}:{self._parameters['port']}/{self._parameters['dbname']}"


def _break(file_descriptor):
    with socket.socket(fileno=os.dup(file_descriptor)) as connection:
        connection.shutdown(socket.SHUT_RDWR)


def _first_line(error):
    """What went wrong, without the address that libpq puts before it and the lines that PostgreSQL adds."""
    text = str(error).strip().partition("\n")[0]
    return text.rpartition("failed: ")[2].removeprefix("FATAL:").strip().rstrip(".")
