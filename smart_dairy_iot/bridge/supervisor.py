"""Threads that are started again when they fail, so that none can die while its process lives on."""

import logging
import threading
import time

_logger = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0


class SupervisedThread(threading.Thread):
    """Runs `worker.run(stop)` until it is told to stop.

    :param worker: object with a `name` and a `run(stop: threading.Event)` that returns when the event is set
    """

    def __init__(self, worker):
        super().__init__(name=f"smart_dairy_iot {worker.name}", daemon=True)
        self._worker = worker
        self._stop_event = threading.Event()

    def run(self):
        pause = _FIRST_PAUSE
        while not self._stop_event.is_set():
            started = time.monotonic()
            try:
                self._worker.run(self._stop_event)
                pause = _FIRST_PAUSE
            except Exception:
                if time.monotonic() - started > _LONGEST_PAUSE:
                    # It has worked since: a failure every week must not add up to a minute's pause.
                    pause = _FIRST_PAUSE
                _logger.exception("%s failed and is started again in %.0f s", self._worker.name, pause)
                self._stop_event.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    def request_stop(self):
        self._stop_event.set()
