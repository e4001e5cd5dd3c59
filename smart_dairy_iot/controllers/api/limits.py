"""How many requests a caller may make in a minute.

Counted in this process: with several workers, each counts for itself, so that up to so many times as many may pass.
That is enough for what it is for: no caller can take the server from all others.
"""

import threading
import time

WINDOW_SECONDS = 60


class RateLimiter:
    """Counts by key in windows of a minute.

    :param clock: function that gives seconds
    """

    def __init__(self, clock=time.monotonic):
        self._clock = clock
        self._lock = threading.Lock()
        self._window = None
        self._counts = {}

    def count(self, key):
        """Note one more; how many it makes in this window."""
        with self._lock:
            self._turn()
            self._counts[key] = self._counts.get(key, 0) + 1
            return self._counts[key]

    def counted(self, key):
        """How many there were in this window."""
        with self._lock:
            self._turn()
            return self._counts.get(key, 0)

    def seconds_left(self):
        """Until the window ends, rounded up."""
        return WINDOW_SECONDS - int(self._clock() % WINDOW_SECONDS)

    def _turn(self):
        # All keys share one window, so that forgetting the last one's is one assignment and the dict never grows.
        window = int(self._clock() // WINDOW_SECONDS)
        if window != self._window:
            self._window, self._counts = window, {}
