"""What workers have in common that look every few seconds at what the database says is due.

Nothing is kept in memory but what failed lately, so that it does not matter which process runs them, or how often it is
killed.
"""

import logging
import time
from dataclasses import dataclass

from psycopg2 import OperationalError
from psycopg2.errors import DeadlockDetected, LockNotAvailable, SerializationFailure

from odoo import fields

from .transaction import platform_environment

_logger = logging.getLogger(__name__)

# Seconds before something that failed is tried again: once it has failed, and after many failures.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 300.0


@dataclass(frozen=True)
class _Failure:
    """:param again_at: when it is tried again, as the worker's clock counts"""

    pause: float
    again_at: float


class Rounds:
    """A worker of the bridge's process (see `bridge/supervisor.py`): one per database, where the bridge leads.

    :param db_name: the database
    :param now: callable that gives the time, naive UTC
    :param clock: callable that gives seconds that go on whatever becomes of the time
    """

    name = None
    model = None
    """The model without which there is nothing to do."""
    interval = 1.0
    """Seconds from one round to the next."""

    def __init__(self, db_name, now=fields.Datetime.now, clock=time.monotonic):
        self._db_name = db_name
        self._now = now
        self._clock = clock
        self._failures = {}

    def _due(self, env, now):
        """What is to be done in this round: a list of (record, its method, which is given the time)."""
        raise NotImplementedError

    def run(self, stop):
        while not stop.wait(self.interval):
            self.make_round(stop)

    def make_round(self, stop):
        """Do what is due, each in a transaction of its own: what fails holds up no other, and no lock is held for long.

        What failed is in the log and waits, twice as long each time, while the others have their turn in every round.

        :param stop: threading.Event that ends the round early
        """
        due = self._list_due()
        self._failures = {each: self._failures[each] for each in due if each in self._failures}
        for each in due:
            if stop.is_set():
                break
            if each not in self._failures or self._clock() >= self._failures[each].again_at:
                self._attempt(each)

    def _attempt(self, due):
        model, record_id, method = due
        try:
            self._do(model, record_id, method)
        except (DeadlockDetected, LockNotAvailable, SerializationFailure) as error:
            # An answer or a user was first; the next round sees what he did.
            _logger.debug("%s: %s %s is looked at again: %s", self.name, model, record_id, error)
        except OperationalError:
            raise
        except Exception:
            former = self._failures.get(due)
            pause = min(former.pause * 2, _LONGEST_PAUSE) if former else _FIRST_PAUSE
            self._failures[due] = _Failure(pause, self._clock() + pause)
            _logger.exception("%s: %s %s failed and is tried again in %.0f s", self.name, model, record_id, pause)
        else:
            self._failures.pop(due, None)

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
