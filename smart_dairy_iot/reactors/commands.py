"""Looks after the commands under way: those that were not answered, have expired, or wait for their device."""

import logging

from psycopg2.errors import DeadlockDetected, LockNotAvailable, SerializationFailure

from odoo import SUPERUSER_ID, api, fields
from odoo.modules.registry import Registry

_logger = logging.getLogger(__name__)

_INTERVAL = 1.0


class CommandLoop:
    """A worker of the bridge's process (see `bridge/supervisor.py`): one per database, where the bridge leads.

    :param db_name: the database
    :param now: callable that gives the time, naive UTC
    """

    name = "commands"

    def __init__(self, db_name, now=fields.Datetime.now):
        self._db_name = db_name
        self._now = now

    def run(self, stop):
        while not stop.wait(_INTERVAL):
            self._dispatch()

    def _dispatch(self):
        registry = Registry(self._db_name).check_signaling()
        if "iot.device.command" not in registry:
            # The addon is being uninstalled, which the host notices within seconds.
            return
        try:
            with registry.cursor() as cr:
                # No user is behind a time-out: it is the platform that sends again.
                api.Environment(cr, SUPERUSER_ID, {})["iot.device.command"]._dispatch(self._now())
        except (DeadlockDetected, LockNotAvailable, SerializationFailure) as error:
            # An answer or a user was first; what is still due then is done a second later.
            _logger.debug("Commands are looked after again: %s", error)
