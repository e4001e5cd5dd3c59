"""Starts the bridge with the server, and stops it with the server.

A threaded server gets a thread, a prefork server a worker process of its own. Both start only once the databases are
loaded and never under `--stop-after-init`, so that no installation or test has a bridge beside it. For this the addon
must be among the server-wide modules (`server_wide_modules = base,web,smart_dairy_iot`); otherwise it is imported, and
the bridge started, only where the databases are named in the configuration and loaded at the start.
"""

import threading
from functools import wraps

from odoo.service import server

from .bridge.supervisor import SupervisedThread
from .host import BridgeHost

_WORK_INTERVAL = 1.0


def post_load():
    """Odoo calls this when it has imported the addon as a server-wide module."""
    _extend_threaded_server()
    _extend_prefork_server()


def _extend_threaded_server():
    cron_spawn = server.ThreadedServer.cron_spawn

    @wraps(cron_spawn)
    def spawn_with_bridge(self):
        cron_spawn(self)
        thread = SupervisedThread(BridgeHost())
        thread.start()

        def stop_bridge():
            thread.request_stop()
            thread.join(timeout=20)

        self.on_stop(stop_bridge)

    server.ThreadedServer.cron_spawn = spawn_with_bridge


def _extend_prefork_server():
    make, spawn, pop = (
        server.PreforkServer.__init__,
        server.PreforkServer.process_spawn,
        server.PreforkServer.worker_pop,
    )

    @wraps(make)
    def init_with_bridge(self, app):
        make(self, app)
        self.workers_iot_bridge = {}

    @wraps(spawn)
    def spawn_with_bridge(self):
        spawn(self)
        if not self.workers_iot_bridge:
            self.worker_spawn(WorkerIotBridge, self.workers_iot_bridge)

    @wraps(pop)
    def pop_with_bridge(self, pid):
        self.workers_iot_bridge.pop(pid, None)
        pop(self, pid)

    server.PreforkServer.__init__ = init_with_bridge
    server.PreforkServer.process_spawn = spawn_with_bridge
    server.PreforkServer.worker_pop = pop_with_bridge


class WorkerIotBridge(server.Worker):
    """The bridge's process in a prefork server.

    The bridge runs in threads of its own; `process_work` comes back every second, so that the worker's CPU limit is
    renewed, its watchdog fed, and the death of its parent noticed while it still holds the lead.
    """

    def __init__(self, multi):
        super().__init__(multi)
        self.request_max = float("inf")
        self._wakeup = threading.Event()
        self._thread = None

    def start(self):
        started = super().start()
        if self.multi.socket:
            self.multi.socket.close()
        self._thread = SupervisedThread(BridgeHost())
        self._thread.start()
        return started

    def sleep(self):
        self._wakeup.wait(_WORK_INTERVAL)

    def signal_handler(self, sig, frame):
        self._wakeup.set()
        return super().signal_handler(sig, frame)

    def stop(self):
        self._thread.request_stop()
        self._thread.join(timeout=20)
        return super().stop()
