"""What the bridge does every so often, by a clock that nobody sets."""

import time


class Schedule:
    """:param clock: callable that gives seconds, whatever is done to the time of day"""

    def __init__(self, clock=time.monotonic):
        self._clock = clock
        self._due = {}

    def is_due(self, name, interval):
        """Whether `interval` seconds have gone by since it was last due, or it never was; it is then due no more."""
        now = self._clock()
        if now < self._due.get(name, now):
            return False
        self._due[name] = now + interval
        return True
