"""Keeps the firmware roll-outs going: looks every few seconds at what the database says is next.

Nothing is kept in memory, so that it does not matter which process runs it, or how often it is killed. It runs beside
the bridge, for without the bridge no command gets to a device.
"""

import logging
from contextlib import contextmanager

from psycopg2.errors import DeadlockDetected, LockNotAvailable, SerializationFailure

from odoo import SUPERUSER_ID, api, fields
from odoo.modules.registry import Registry

_logger = logging.getLogger(__name__)

_INTERVAL = 2.0


class RolloutLoop:
    """A worker of the bridge's process (see `bridge/supervisor.py`)."""

    name = "firmware roll-outs"

    def __init__(self, db_name):
        self._db_name = db_name

    def run(self, stop):
        while not stop.wait(_INTERVAL):
            self._step_all()

    def _step_all(self):
        """A step of each; one that fails holds up no other."""
        failure = None
        for rollout_id in self._live():
            try:
                self._step(rollout_id)
            except Exception as error:  # noqa: BLE001 - raised below, when the others have had their turn
                failure = error
        if failure:
            raise failure

    def _live(self):
        with self._environment() as env:
            return env["iot.firmware.rollout"]._live().ids if env else []

    @contextmanager
    def _environment(self):
        """An environment in a transaction of its own; None while the addon is being uninstalled, as the host notices
        within seconds."""
        registry = Registry(self._db_name).check_signaling()
        if "iot.firmware.rollout" not in registry:
            yield None
            return
        with registry.cursor() as cr:
            # Who started a roll-out was entitled to; from there on it is the platform that carries it out.
            yield api.Environment(cr, SUPERUSER_ID, {})

    def _step(self, rollout_id):
        """One step of one roll-out, in a transaction of its own."""
        try:
            with self._environment() as env:
                if env:
                    env["iot.firmware.rollout"].browse(rollout_id).exists()._step(fields.Datetime.now())
        except (DeadlockDetected, LockNotAvailable, SerializationFailure) as error:
            # An acknowledgement or a user was first; the next step sees what he did.
            _logger.debug("A step of roll-out %s is tried again: %s", rollout_id, error)
