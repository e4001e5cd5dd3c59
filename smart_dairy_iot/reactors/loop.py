"""Feeds the inbox to its handlers as soon as the bridge has filled it."""

import logging

from psycopg2.errors import DeadlockDetected, LockNotAvailable, SerializationFailure

from odoo import SUPERUSER_ID, api
from odoo.modules.registry import Registry

_logger = logging.getLogger(__name__)

# A message that is to be tried again later has nobody to announce it.
_LONGEST_WAIT = 1.0


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
            while not stop.is_set() and self._process():
                pass

    def _process(self):
        """Process one batch in a transaction of its own; whether there may be more."""
        registry = Registry(self._db_name).check_signaling()
        if "iot.inbox" not in registry:
            # The addon is being uninstalled, which the host notices within seconds.
            return False
        try:
            with registry.cursor() as cr:
                # Messages come from devices, not from a user: handlers act for the platform.
                return api.Environment(cr, SUPERUSER_ID, {})["iot.inbox"].process()
        except (DeadlockDetected, LockNotAvailable, SerializationFailure) as error:
            # Another transaction was first; nothing of the batch is done, and it is still in the inbox.
            _logger.debug("A batch of the inbox is tried again: %s", error)
            return True
