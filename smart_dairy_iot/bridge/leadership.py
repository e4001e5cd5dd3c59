"""One process per database and role works; the others stand by and take over when it is gone or says nothing."""

import contextlib
import logging
import os
import socket

import psycopg2
from psycopg2.errors import UndefinedTable

from .leader_connection import LeaderConnection
from .metrics import Figures

_logger = logging.getLogger(__name__)

_STAND_BY_INTERVAL = 0.5
_OUTAGE_INTERVAL = 2.0
# Longer than the interval at which those who stand by ask for the lead.
_STAND_BACK = 3.0


class Leadership:
    """Runs `lead(connection, stop)` whenever this process has the lock.

    :param dsn: dict for `database.connect`
    :param lock: number of the advisory lock
    :param role: what leads, for the log
    :param lead: callable(`LeaderConnection`, stop event); returns when stopped, or to let somebody else have the lead,
        raises psycopg2.Error when the lock is lost
    :param on_stand_by: callable(), called when another process is found to lead
    """

    def __init__(self, dsn, lock, role, lead, on_stand_by=lambda: None):
        self._dsn = dsn
        self._lock = lock
        self._role = role
        self._lead = lead
        self._on_stand_by = on_stand_by
        self._db_name = dsn.get("dbname") or dsn.get("database")
        self._who = f"{self._role} for {self._db_name} ({socket.gethostname()}:{os.getpid()})"
        self.leads = False
        self._outage_reported = False

    @property
    def name(self):
        return self._role

    def run(self, stop):
        """Lead or stand by until `stop` is set."""
        with contextlib.closing(Figures(self._db_name, self._figures)):
            self._run(stop)

    def _figures(self):
        yield "smart_dairy_leads", [self._role], int(self.leads)

    def _run(self, stop):
        while not stop.is_set():
            try:
                self._run_connected(stop)
                # Told to stop, or it has let the lead go for somebody else to take it.
                stop.wait(_STAND_BACK)
            except UndefinedTable as error:
                # The addon is being uninstalled, and this process is about to be told.
                _logger.info("%s waits: %s", self._who, str(error).strip())
                stop.wait(_OUTAGE_INTERVAL)
            except psycopg2.Error as error:
                self._report_outage(error)
                stop.wait(_OUTAGE_INTERVAL)

    def _run_connected(self, stop):
        connection = LeaderConnection(self._dsn, self._lock, self._role)
        try:
            if self._stand_by(connection, stop):
                self._become_leader(connection, stop)
        finally:
            connection.close()

    def _stand_by(self, connection, stop):
        waiting = False
        while not stop.is_set():
            if connection.try_to_lead():
                return True
            if not waiting:
                waiting, self._outage_reported = True, False
                _logger.info("%s stands by: another process leads", self._who)
                self._on_stand_by()
            stop.wait(_STAND_BY_INTERVAL)
        return False

    def _become_leader(self, connection, stop):
        self.leads, self._outage_reported = True, False
        _logger.info("%s leads", self._who)
        try:
            self._lead(connection, stop)
        finally:
            self.leads = False
            _logger.info("%s no longer leads", self._who)

    def _report_outage(self, error):
        if not self._outage_reported:
            self._outage_reported = True
            _logger.warning("%s has lost the database and keeps trying: %s", self._who, str(error).strip())
