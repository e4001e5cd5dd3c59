"""Which farms milk: where nobody is milked for a while, meters are asked less often, until the first cow comes."""

import time

#: Seconds without a milking after which a farm's meters are polled at their idle interval.
IDLE_AFTER = 600.0


class FarmActivity:
    """:param seconds: callable that gives seconds, whatever is done to the time of day"""

    def __init__(self, seconds=time.monotonic):
        self._seconds = seconds
        self._milked_at = {}

    def note_milking(self, farm_id):
        """A cow is being milked; returns whether the farm was idle before."""
        was_idle = not self.is_active(farm_id)
        self._milked_at[farm_id] = self._seconds()
        return was_idle

    def is_active(self, farm_id):
        """Whether the farm milks, or did so lately; one that nothing is known of yet may be milking."""
        now = self._seconds()
        return now - self._milked_at.setdefault(farm_id, now) < IDLE_AFTER
