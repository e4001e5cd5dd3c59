"""What workers have in common that look every few seconds at what the database says is due.

Nothing is kept in memory, so that it does not matter which process runs them, or how often it is killed.
"""

import logging

from psycopg2 import OperationalError
from psycopg2.errors import DeadlockDetected, LockNotAvailable, SerializationFailure

from odoo import fields

from .transaction import platform_environment

_logger = logging.getLogger(__name__)


class Rounds:
    """A worker of the bridge's process (see `bridge/supervisor.py`): one per database, where the bridge leads.

    :param db_name: the database
    :param now: callable that gives the time, naive UTC
    """

    name = None
    model = None
    """The model without which there is nothing to do."""
    interval = 1.0
    """Seconds from one round to the next."""

    def __init__(self, db_name, now=fields.Datetime.now):
        self._db_name = db_name
        self._now = now

    def _due(self, env, now):
        """What is to be done in this round: a list of (record, its method, which is given the time)."""
        raise NotImplementedError

    def run(self, stop):
        while not stop.wait(self.interval):
            self.make_round(stop)

    def make_round(self, stop):
        """Do what is due, each in a transaction of its own: what fails holds up no other, and no lock is held for long.

        :param stop: threading.Event that ends the round early
        """
        failure = None
        for model, record_id, method in self._list_due():
            if stop.is_set():
                break
            try:
                self._do(model, record_id, method)
            except (DeadlockDetected, LockNotAvailable, SerializationFailure) as error:
                # An answer or a user was first; the next round sees what he did.
                _logger.debug("%s: %s %s is looked at again: %s", self.name, model, record_id, error)
            except OperationalError:
                raise
            except Exception as error:  # noqa: BLE001 - raised below, when the others have had their turn
                failure = error
        if failure:
            raise failure

    def _list_due(self):
        with self._environment() as env:
            due = self._due(env, self._now()) if env else []
            return [(record._name, record.id, method) for record, method in due]

    def _do(self, model, record_id, method):
        with self._environment() as env:
            record = env[model].browse(record_id).exists() if env else None
            if record:
                getattr(record, method)(self._now())

    def _environment(self):
        return platform_environment(self._db_name, self.model)
