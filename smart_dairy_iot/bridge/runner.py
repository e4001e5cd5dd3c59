"""The bridge as a whole: it leads or stands by, and its `Shift` is what works while it leads.

For operators: one bridge per database receives; start as many as you like, the others stand by. One that is killed,
stopped, or cut off from the database or the broker is relieved by another within ten seconds (`leader_connection.py`).
It says in the log when it takes or loses the lead, when broker or database are lost and when they are back, once each.
Its counters stand on the retained topic `dairy/system/health` every ten seconds: received = stored + duplicates +
dead_letters, and `dropped`, what came at QoS 0 while too much was waiting to be stored; beside them, under `http`,
those of the messages that came over HTTP, since the platform was installed, and under `inbox` and `outbox` what waits
there.
"""

import logging

from .database import BRIDGE_LOCK, WRITER_LOCK, lock_of
from .leadership import Leadership
from .shift import Shift
from .supervisor import LastingThreads

_logger = logging.getLogger(__name__)

# Seconds without the broker after which a leader lets another one try: of a connection that was lost, which comes back
# after a second if the broker is there, and of one that never was.
_LOST_PATIENCE, _FIRST_PATIENCE, _LONGEST_PATIENCE = 2.0, 5.0, 300.0
_LASTING_END_SECONDS = 10


class Bridge:
    """:param specs: the `TelemetrySpec`s of the database's models
    :param make_workers: callable(`WorkerContext`) -> workers that run while this process leads, and of those that say
        `outlives_lead` for as long as no other does
    """

    def __init__(self, dsn, db_name, config, specs, make_workers=lambda context: []):
        self._dsn = dsn
        self._db_name = db_name
        self._config = config
        self._specs = specs
        self._make_workers = make_workers
        self._lasting = LastingThreads()
        self.leadership = Leadership(
            dsn, lock_of(BRIDGE_LOCK, config), "IoT bridge", self._lead, self._lasting.request_stop
        )
        self.name = f"bridge {db_name}"
        self._shift = None
        self._patience = _FIRST_PATIENCE

    def run(self, stop):
        """Lead or stand by until the event is set."""
        try:
            self.leadership.run(stop)
        finally:
            # Also where it failed: whoever starts it again, or another one in its place, starts them again.
            self._lasting.request_stop()
            self._lasting.join(_LASTING_END_SECONDS)

    @property
    def receiving(self):
        """Whether this process leads and the broker has taken its subscriptions."""
        shift = self._shift
        return shift is not None and shift.client.receiving.is_set()

    def _lead(self, connection, stop):
        connection.end_holders(lock_of(WRITER_LOCK, self._config))
        self._shift = shift = Shift(
            self._dsn, self._db_name, self._config, self._specs, self._make_workers, connection, self._lasting
        )
        try:
            shift.start()
            while not stop.is_set() and not self._gives_way(shift.client, connection):
                shift.tick(connection.heard(timeout=0.5))
            # Not where the database is lost: then nobody else leads, as far as is known.
            self._lasting.request_stop()
        finally:
            self._shift = None
            # Told to stop, this process leads to the end; otherwise the lead is lost, or let go for somebody else to
            # have it, who does not wait until all is taken down here.
            leads = stop.is_set()
            if not leads:
                connection.close()
            shift.stop(leads)

    def _gives_way(self, client, connection):
        """Whether somebody else is to try: this process is cut off from the broker, and another one stands by."""
        if client.ever_connected:
            self._patience = _FIRST_PATIENCE
        limit = _LOST_PATIENCE if client.ever_connected else self._patience
        if client.seconds_without_broker < limit or not connection.somebody_stands_by():
            return False
        if not client.ever_connected:
            # It is the broker that is away, as it seems: let not the lead go round in circles.
            self._patience = min(self._patience * 2, _LONGEST_PATIENCE)
        _logger.info("%s cannot reach the broker and lets another process try", self.name)
        return True
