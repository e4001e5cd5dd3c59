"""Feeds the inbox to its handlers as soon as the bridge has filled it."""

import logging

from psycopg2.errors import DeadlockDetected, LockNotAvailable, SerializationFailure

from ..bridge.database import INBOX_LOCK
from .transaction import platform_environment

_logger = logging.getLogger(__name__)

# A message that is to be tried again later has nobody to announce it.
_LONGEST_WAIT = 1.0
# Messages of a batch at the most.
_BATCH = 500
# Seconds for which messages gather between two batches, as often as a dashboard looks: a transaction for every few
# takes the bridge's share of the processor. What comes after a rest is seen to at once.
_GATHERING = 0.3
# Seconds before a batch that another transaction was in the way of: it may be there for long.
_PAUSE = 0.1


class ReactorLoop:
    """A worker of the bridge's process (see `bridge/supervisor.py`).

    :param db_name: the database
    :param wakeup: threading.Event that is set when the inbox has been filled
    """

    name = "reactors"

    def __init__(self, db_name, wakeup):
        self._db_name = db_name
        self._wakeup = wakeup

    def run(self, stop):
        while not stop.is_set():
            self._wakeup.wait(_LONGEST_WAIT)
            self._wakeup.clear()
            while not stop.is_set() and self._process(stop):
                pass
            stop.wait(_GATHERING)

    def _process(self, stop):
        """Process one batch in a transaction of its own; whether there are more, enough for another one."""
        try:
            with platform_environment(self._db_name, "iot.inbox") as env:
                return bool(env and _take_turn(env) and env["iot.inbox"].process(_BATCH) == _BATCH)
        except (DeadlockDetected, LockNotAvailable, SerializationFailure) as error:
            # Another transaction was first; nothing of the batch is done, and it is still in the inbox.
            _logger.debug("A batch of the inbox is tried again: %s", error)
            stop.wait(_PAUSE)
            return True


def _take_turn(env):
    """Whether no other process is at the inbox: one that was stopped, and overtaken, may be in the middle of a batch,
    and what comes after that has to wait for it."""
    env.cr.execute("SELECT pg_try_advisory_xact_lock(%s)", [INBOX_LOCK])
    return env.cr.fetchone()[0]
