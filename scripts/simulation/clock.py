"""Simulated time: begins in the past, runs faster than real time, and never passes the wall clock."""

from datetime import datetime, timedelta, timezone


def utc_now():
    """The wall clock, as an aware UTC datetime."""
    return datetime.now(timezone.utc)


class SimulationClock:
    """Maps wall time to simulated time.

    Simulated time starts at `start` when the clock is made and advances `speed` simulated seconds per second until it
    has caught up with the wall clock; from then on (`live_from`) it *is* the wall clock. It cannot be ahead of it, as
    the product refuses readings from the future.

    :param start: aware UTC datetime, not later than the wall clock
    :param speed: simulated seconds per real second, greater than 1 (else it would never catch up)
    :param wall: callable returning the wall clock as an aware UTC datetime
    """

    def __init__(self, start, speed, wall=utc_now):
        self._wall = wall
        self._anchor = wall()
        if start > self._anchor:
            raise ValueError("simulated time cannot start in the future")
        if speed <= 1:
            raise ValueError("the speed must be greater than 1, or the simulation never catches up")
        self.start = start
        self.speed = speed
        self.live_from = self._anchor + (self._anchor - start) / (speed - 1)

    @property
    def is_live(self):
        """True once simulated time has caught up with the wall clock."""
        return self._wall() >= self.live_from

    def now(self):
        """Simulated time, never later than the wall clock."""
        wall = self._wall()
        return min(self.start + (wall - self._anchor) * self.speed, wall)

    def seconds_until(self, at):
        """Real seconds until simulated time reaches `at`; 0.0 when it is past."""
        due = self._anchor + (at - self.start) / self.speed if at < self.live_from else at
        return max((due - self._wall()) / timedelta(seconds=1), 0.0)

    def wait_until(self, at, stop):
        """Block until simulated time has reached `at`.

        :param stop: a `threading.Event`; when it is set the wait ends at once
        :return: False when stopped, True when the time has come
        """
        while not stop.is_set():
            seconds = self.seconds_until(at)
            if seconds <= 0:
                return True
            # In slices, so that a wall clock set back or forth is noticed.
            stop.wait(min(seconds, 1.0))
        return False
