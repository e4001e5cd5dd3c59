"""Runs the bridge of every database this server serves, in whatever process it was put.

A bridge is put together from its database's own models and settings, and put together anew when those change: an addon
installed, upgraded or uninstalled, a setting saved.
"""

import logging
import threading
from contextlib import closing, contextmanager, suppress

import psycopg2

from odoo import SUPERUSER_ID, api
from odoo.modules.registry import Registry
from odoo.service.db import list_dbs
from odoo.sql_db import db_connect
from odoo.tools import config as odoo_config

from .bridge.config import load_metrics_port, read_file_section
from .bridge.database import REACTORS_LOCK
from .bridge.leadership import Leadership
from .bridge.metrics import serve_metrics
from .bridge.runner import Bridge
from .bridge.supervisor import SupervisedThread
from .dsn import connection_parameters
from .models.iot_settings import config_file
from .reactors.loop import ReactorLoop

_logger = logging.getLogger(__name__)

MODULE = "smart_dairy_iot"
_SCAN_INTERVAL = 5.0


class BridgeHost:
    """One supervised thread per database.

    :param reactors: `on` (bridge and reactors), `off` (the bridge alone) or `only` (the reactors alone)
    :param db_names: the databases; by default those that the server is configured for
    """

    name = "bridge host"

    def __init__(self, reactors="on", db_names=None):
        self._reactors = reactors
        self._db_names = db_names
        self._threads = {}
        self._identities = {}

    def run(self, stop):
        """Serve the databases until `stop` is set; new ones are found within seconds."""
        # One exporter per process, so its port cannot be a setting of a database.
        with serve_metrics(load_metrics_port(read_file_section(config_file()))):
            try:
                while not stop.is_set():
                    # While the database server is away, the bridges that there are see to themselves.
                    with suppress(psycopg2.Error):
                        self._serve(self._databases())
                    stop.wait(_SCAN_INTERVAL)
            finally:
                self._stop_threads()

    def _serve(self, db_names):
        for db_name in db_names:
            if db_name not in self._threads:
                self._threads[db_name] = SupervisedThread(_DatabaseBridge(db_name, self._reactors, self._identities))
                self._threads[db_name].start()
        # An empty list is what Odoo gives, too, where it could not read it.
        for db_name in self._threads.keys() - set(db_names or self._threads):
            _logger.info("The database %s is gone, and its bridge with it", db_name)
            self._threads.pop(db_name).request_stop()

    def _databases(self):
        if self._db_names:
            return self._db_names
        configured = odoo_config["db_name"]
        if isinstance(configured, str):
            configured = [name for name in configured.split(",") if name]
        return configured or list_dbs(True)

    def _stop_threads(self):
        for thread in self._threads.values():
            thread.request_stop()
        for thread in self._threads.values():
            thread.join(timeout=15)
        self._threads.clear()


class _DatabaseBridge:
    """The bridge of one database, for as long as the addon is installed there.

    :param identities: {(broker's host, port, client id): database} of the bridges in this process
    """

    def __init__(self, db_name, reactors, identities):
        self.name = f"bridge {db_name}"
        self._db_name = db_name
        self._reactors = reactors
        self._identities = identities
        self._refusal_reported = False

    def run(self, stop):
        while not stop.is_set():
            registry, settings = self._look_up()
            if settings is None or not settings[0].bridge_enabled:
                stop.wait(_SCAN_INTERVAL)
                continue
            with self._identity(settings[0]) as is_free:
                if is_free:
                    self._run_until_changed(registry, settings, stop)
                else:
                    stop.wait(_SCAN_INTERVAL)

    @contextmanager
    def _identity(self, config):
        """Take the identity at the broker; whether no other database of this process has it.

        Two databases with one client id, such as a database and its copy, would put one another off the broker for
        ever, and each would take the other's messages.
        """
        if self._reactors == "only":
            # Without a bridge there is no connection to the broker.
            yield True
            return
        identity = (config.mqtt_broker_host, config.mqtt_broker_port, config.mqtt_bridge_client_id)
        owner = self._identities.setdefault(identity, self._db_name)
        if owner != self._db_name and not self._refusal_reported:
            self._refusal_reported = True
            _logger.error(
                "The bridge of %s is not started: %s has the same client id, %s, at the same broker",
                self._db_name,
                owner,
                config.mqtt_bridge_client_id,
            )
        try:
            yield owner == self._db_name
        finally:
            if owner == self._db_name:
                del self._identities[identity]

    def _look_up(self):
        """(registry, settings) of the database as they are now, (None, None) where the addon is not installed."""
        if not _is_installed(self._db_name):
            return None, None
        registry = Registry(self._db_name).check_signaling()
        return registry, self._settings(registry)

    def _settings(self, registry):
        """(Config, telemetry specs), or None while the registry has no such models."""
        if "iot.settings" not in registry:
            return None
        with registry.cursor() as cr:
            # No user is behind the bridge: it reads the platform's own settings.
            env = api.Environment(cr, SUPERUSER_ID, {})
            return env["iot.settings"]._get_config(), env["iot.settings"]._telemetry_specs()

    def _run_until_changed(self, registry, settings, stop):
        thread = SupervisedThread(self._make_worker(registry, settings))
        thread.start()
        try:
            while not stop.wait(_SCAN_INTERVAL):
                try:
                    current_registry, current_settings = self._look_up()
                except psycopg2.Error:
                    # The database is away or has no connection to spare: no change that is known of. The bridge has
                    # connections of its own and reports, and outlasts, an outage by itself.
                    continue
                if current_registry is not registry or current_settings != settings:
                    _logger.info(
                        "Models or settings of %s have changed: its bridge is put together anew", self._db_name
                    )
                    return
        finally:
            thread.request_stop()
            thread.join(timeout=15)

    def _make_worker(self, registry, settings):
        config, specs = settings
        dsn = connection_parameters(self._db_name)
        if self._reactors == "only":
            return _Reactors(dsn, self._db_name)
        return Bridge(dsn, self._db_name, config, specs, lambda context: self._workers(registry, context))

    def _workers(self, registry, context):
        workers = [_Reactors(context.dsn, self._db_name)] if self._reactors == "on" else []
        with registry.cursor() as cr:
            # As above: the addons say what else is to run beside the bridge.
            return workers + api.Environment(cr, SUPERUSER_ID, {})["iot.settings"]._workers(context)


class _Reactors:
    """The reactors, beside the bridge or in a process without it, so that the ORM's work does not slow the hot path.

    They have a lock of their own: one process per database reacts, or messages would be handled out of order.
    """

    def __init__(self, dsn, db_name):
        self.name = f"reactors {db_name}"
        self._db_name = db_name
        self._leadership = Leadership(dsn, REACTORS_LOCK, "IoT reactors", self._lead)

    def run(self, stop):
        self._leadership.run(stop)

    def _lead(self, connection, stop):
        wakeup = threading.Event()
        thread = SupervisedThread(ReactorLoop(self._db_name, wakeup))
        thread.start()
        try:
            while not stop.is_set():
                if "iot_inbox" in connection.heard(timeout=0.5):
                    wakeup.set()
        finally:
            thread.request_stop()
            wakeup.set()
            thread.join(timeout=15)


def _is_installed(db_name):
    """Whether the addon is installed in the database, asked without loading its registry."""
    with closing(db_connect(db_name).cursor()) as cr:
        cr.execute("SELECT to_regclass('ir_module_module')")
        if cr.fetchone()[0] is None:
            return False
        cr.execute("SELECT state FROM ir_module_module WHERE name = %s", [MODULE])
        row = cr.fetchone()
        return bool(row) and row[0] == "installed"
