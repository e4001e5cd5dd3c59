"""Where a milking begins and ends, seen in one meter's registers.

The status bit opens and closes a milking. Registers keep their last values after its end, so without the bit nothing
opens one. Between two readings, or while the meter or we were away, the end can go by unseen: another tag, or a clock
or a yield that runs backwards, tells that the next cow is being milked already.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

# A session id is at most 64 characters long: the device id's share of it, beside point and start.
_DEVICE_ID_SHARE = 36

# The end of a milking that nobody saw is put right after its last reading: later would invent a duration.
_UNSEEN_END = timedelta(milliseconds=1)

# A yield read back from the database is a rounded one.
_YIELD_TOLERANCE_LITERS = 0.01


@dataclass(frozen=True)
class Reading:
    """A meter's values at one moment of a milking.

    :param timestamp: aware UTC
    :param milking: False on the last reading of the milking
    :param values: dict quantity -> value, `yield_liters` among them
    """

    session_id: str
    timestamp: datetime
    milking: bool
    values: dict = field(default_factory=dict)


class SessionTracker:
    """Follows the milkings at one milking point.

    :param last: the `Reading` of a milking that was running when we last looked, or None
    """

    def __init__(self, device_id, channel, last=None):
        self._prefix = f"{device_id[:_DEVICE_ID_SHARE]}-{channel}"
        self._last = last

    @property
    def is_milking(self):
        return self._last is not None

    def is_ahead_of(self, reading):
        """Whether this knows of a running milking, and nobody has reported anything later.

        :param reading: the last `Reading` in the database, or None
        """
        return self._last is not None and (reading is None or reading.timestamp <= self._last.timestamp)

    def observe(self, values, now):
        """Take in what was read.

        :param values: dict quantity -> value
        :param now: aware UTC
        :return: list of `Reading`s to report, oldest first; none while nobody is milked
        """
        readings = []
        if self._last and _is_another_milking(self._last.values, values):
            readings.append(self._unseen_end())
        if values["milking"]:
            readings.append(self._reading(values, now))
            self._last = readings[-1]
        elif self._last:
            readings.append(self._reading(values, now))
            self._last = None
        return readings

    def _reading(self, values, now):
        if self._last:
            session_id, tag = self._last.session_id, self._last.values.get("rfid_tag")
        else:
            session_id, tag = f"{self._prefix}-{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03d}Z", None
        values = dict(values)
        if tag:
            # Readers lose a tag while the cow stands still; it is the same cow.
            values.setdefault("rfid_tag", tag)
        return Reading(session_id, now, values.pop("milking"), values)

    def _unseen_end(self):
        last, self._last = self._last, None
        return Reading(last.session_id, last.timestamp + _UNSEEN_END, False, last.values)


def _is_another_milking(before, now):
    """Whether `now` cannot be of the milking that `before` was read in."""
    tags = before.get("rfid_tag"), now.get("rfid_tag")
    if all(tags) and tags[0] != tags[1]:
        return True
    clock = before.get("duration_seconds"), now.get("duration_seconds")
    if None not in clock:
        return clock[1] < clock[0]
    return now["yield_liters"] < before["yield_liters"] - _YIELD_TOLERANCE_LITERS
