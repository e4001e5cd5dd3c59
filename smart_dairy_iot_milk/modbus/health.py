"""How each meter has been answering, for the schedule of its bus and for the people who look after it."""

from collections import deque
from dataclasses import dataclass
from datetime import datetime

#: States of a meter that is read, and of one that is not; those of the second kind but for the last are the kinds of
#: `client.MeterError`.
READABLE = ("polled", "slow")
UNREADABLE = ("unreachable", "silent", "refused", "garbage", "incomplete", "failed", "misconfigured")

#: Answers over which their time is averaged.
_ANSWERS = 10


@dataclass(frozen=True)
class MeterState:
    """What is known of a meter at one moment. Times are aware UTC.

    :param state: of `READABLE` or `UNREADABLE`
    :param since: when it became readable, or ceased to be
    :param problem: a sentence; empty where there is none
    :param failures: readings that failed one after the other, up to now
    :param response_ms: mean time of its last answers; None before the first
    :param interval: seconds between two readings
    :param overruns: readings that were left out because the line was busy, since the poller was started
    """

    meter_id: int
    state: str
    since: datetime
    last_read_at: datetime
    problem: str
    failures: int
    response_ms: float
    interval: float
    overruns: int


class MeterHealth:
    """:param clock: callable, aware UTC now"""

    def __init__(self, meter_id, clock):
        self._meter_id = meter_id
        self._clock = clock
        self._seconds = deque(maxlen=_ANSWERS)
        self._state = None
        self._since = None
        self._last_read_at = None
        self._problem = ""
        self.failures = 0
        self.overruns = 0
        self.interval = 0.0
        #: Whether the state has changed since it was last asked for.
        self.changed = False

    @property
    def is_slow(self):
        return self._state == "slow"

    @property
    def mean_seconds(self):
        """Mean time of the last answers; 0 before the first."""
        return sum(self._seconds) / len(self._seconds) if self._seconds else 0.0

    def time_answer(self, seconds):
        self._seconds.append(seconds)

    def answered(self, is_slow=False, remark=""):
        """A reading succeeded.

        :param remark: what is to be mended nevertheless
        :return: whether those before it had failed
        """
        recovered = self.failures > 0
        self.failures, self._last_read_at = 0, self._clock()
        slow = "its answers take so long that it is asked less often" if is_slow else ""
        self._become("slow" if is_slow else "polled", "; ".join(filter(None, [slow, remark])))
        return recovered

    def failed(self, kind, problem):
        """A reading failed; returns whether it is the first one of an outage."""
        self.failures += 1
        self._become(kind, problem)
        return self.failures == 1

    def cannot_be_polled(self, problem):
        """Its settings make no sense."""
        self._become("misconfigured", problem)

    def state(self):
        """The `MeterState` now; None as long as nothing is known."""
        self.changed = False
        if self._state is None:
            return None
        return MeterState(
            self._meter_id,
            self._state,
            self._since,
            self._last_read_at,
            self._problem,
            self.failures,
            1000 * self.mean_seconds if self._seconds else None,
            self.interval,
            self.overruns,
        )

    def _become(self, state, problem):
        if self._state is None or (self._state in READABLE) != (state in READABLE):
            self._since = self._clock()
        if (state, problem) != (self._state, self._problem):
            self.changed = True
        self._state, self._problem = state, problem


class HealthBook:
    """The health of all meters that are polled.

    :param clock: callable, aware UTC now
    """

    def __init__(self, clock):
        self._clock = clock
        self._health = {}

    def of(self, meter):
        """The `MeterHealth` of a `meters.Meter`."""
        return self._health.setdefault(meter.id, MeterHealth(meter.id, self._clock))

    def forget_others(self, meter_ids):
        """Keep that of these meters."""
        self._health = {meter_id: health for meter_id, health in self._health.items() if meter_id in meter_ids}

    @property
    def changed(self):
        """Whether a meter's state has changed since `states` was last asked for."""
        return any(health.changed for health in self._health.values())

    def states(self):
        """List of `MeterState`."""
        return [state for health in self._health.values() if (state := health.state())]
