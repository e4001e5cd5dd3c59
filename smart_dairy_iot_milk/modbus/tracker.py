"""Where a milking begins and ends, seen in the registers of one milking point.

The status bit opens and closes a milking. Between two readings, or while the meter or we were away, the end can go by
unseen: then clock and yield tell whether it is still the same (`continuity`). Registers keep their last values after
the end, and a meter that comes back may show them with the bit set: they open no milking, until they move.

| seen | result |
| --- | --- |
| clock or yield runs backwards | the end of the former, at its last reading; a new milking |
| another tag, the clock steady, the yield not lower | the same milking; both tags are reported |
| another tag, the clock younger than the last reading | a new milking: cows were swapped without a gap |
| no clock; another tag twice running, and less milk | a new milking |
| the bit set, yield and clock those of the last milking | nothing; the same milking, reopened, if it grows from there |
| a reading fails in between | nothing is decided by it |
| the bit is off, the clock stopped some time ago | the end, at the time at which it stopped |

A tag is reported once it was read twice running, and then as often as it is read, no more: whoever decides between two
tags counts them. A milking that was read no more than twice reports the tag it has at its end.

What a meter shows is compared as it shows it: a calibration changes nothing of that. A milking is reported by the
factor with which it began.
"""

from collections import deque
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from .continuity import CLOCK_TOLERANCE, PAUSE, goes_on, grows_from, shows
from .flow import FlowSwitch

# A session id is at most 64 characters long: the device id's share of it, beside point and start.
_DEVICE_ID_SHARE = 36

# The end of a milking that nobody saw is put right after its last reading: later would invent a duration.
_UNSEEN_END = timedelta(milliseconds=1)

# Former milkings whose registers a meter may show again: that before the last one, if it restarts in the middle of one.
_REMEMBERED = 2


@dataclass(frozen=True)
class Reading:
    """A meter's values at one moment of a milking.

    :param timestamp: aware UTC
    :param milking: False on the last reading of the milking
    :param values: dict quantity -> value, `yield_liters` among them, as the meter shows them
    :param first: whether it is the first reading of the milking
    :param factor: the calibration factor of the milking
    """

    session_id: str
    timestamp: datetime
    milking: bool
    values: dict = field(default_factory=dict)
    first: bool = False
    factor: float = 1.0

    @property
    def calibrated(self):
        """The values, with yield and flow, those of quarters too, corrected by the factor."""
        volumes = [name for name in self.values if name.startswith("yield_") or name == "flow_rate"]
        return self.values | {name: round(self.values[name] * self.factor, 4) for name in volumes}


@dataclass(frozen=True)
class Past:
    """What is known of a milking point when one begins to look.

    :param last: the last `Reading` there, of a milking that may still be running if it says so
    :param ended: the last `Reading` of the last milking that was over
    """

    last: Reading = None
    ended: Reading = None


NOTHING = Past()


class _Tags:
    """The tags that were read in one milking.

    :param known: the one that it is known to have had before
    """

    def __init__(self, known=None):
        self._confirmed = {known} if known else set()
        self._first = self._candidate = known
        self.latest = known
        self._readings = 0

    def take(self, tag):
        """:return: the tag, if it is to be reported: it has been read twice running"""
        self._readings += 1
        if not tag:
            return None
        if tag == self._candidate:
            self._confirmed.add(tag)
        self._candidate = tag
        self._first = self._first or tag
        if tag not in self._confirmed:
            return None
        self.latest = tag
        return tag

    @property
    def known(self):
        """The tag that another one differs from."""
        return self.latest or self._first

    @property
    def unreported(self):
        """What the end of the milking reports, where nothing was before."""
        return self._candidate if not self.latest and self._readings <= 2 else None


class _Milking:
    """A milking that is running.

    :param last: its last `Reading`, None before the first
    :param factor: the calibration factor with which it begins; it goes on with that of `last`
    """

    def __init__(self, session_id, last=None, tag=None, factor=1.0):
        self.session_id = session_id
        self.last = last
        self._factor = last.factor if last else factor
        self.tags = _Tags(tag)
        self._suspect = None

    def goes_on(self, values, milking, now):
        """Whether the values are of this milking."""
        if self._is_another_cow(values):
            return False
        return goes_on(self.last, self.tags.known, values, milking, now)

    def _is_another_cow(self, values):
        """Without a clock: whether a tag is another one for the second time running, and there is less milk."""
        tag, suspect, self._suspect = values.get("rfid_tag"), self._suspect, None
        if not tag or tag == self.tags.known or "duration_seconds" in values:
            return False
        suspected_tag, liters = suspect or (None, None)
        if tag != suspected_tag:
            self._suspect = tag, self.last.values["yield_liters"]
            return False
        return values["yield_liters"] < liters

    def take(self, values, milking, now):
        """The `Reading` to report."""
        values = dict(values)
        tag = self.tags.take(values.pop("rfid_tag", None))
        if not milking:
            tag = tag or self.tags.unreported
        if tag:
            values["rfid_tag"] = tag
        at = now if milking else self._ended_at(values, now)
        self.last = Reading(self.session_id, at, milking, values, self.last is None, self._factor)
        return self.last

    def _ended_at(self, values, now):
        """When the milking ended, which is over by now: where its clock stopped, if nobody looked just then."""
        clocks = [seen.get("duration_seconds") for seen in (self.last.values if self.last else {}, values)]
        # A clock that never leaves 0 is none, either.
        if None in clocks or not clocks[1]:
            return now
        stopped = self.last.timestamp + max(timedelta(seconds=clocks[1] - clocks[0]), _UNSEEN_END)
        return stopped if (now - stopped).total_seconds() > CLOCK_TOLERANCE else now

    def unseen_end(self):
        """The `Reading` of an end that nobody saw: what was last read."""
        values = {quantity: value for quantity, value in self.last.values.items() if quantity != "rfid_tag"}
        if self.tags.unreported:
            values["rfid_tag"] = self.tags.unreported
        return replace(
            self.last, timestamp=self.last.timestamp + _UNSEEN_END, milking=False, values=values, first=False
        )


class SessionTracker:
    """Follows the milkings at one milking point.

    :param past: the `Past` of the point
    :param flow: (L/min, idle seconds) of `FlowSwitch`, where the meter does not say itself that a cow is milked
    """

    def __init__(self, device_id, channel, past=NOTHING, flow=None):
        self._prefix = f"{device_id[:_DEVICE_ID_SHARE]}-{channel}"
        self._ended = deque([past.ended] if past.ended else [], maxlen=_REMEMBERED)
        self._shown_at = None
        self._milking = None
        if past.last and past.last.milking:
            self._milking = _Milking(past.last.session_id, past.last, past.last.values.get("rfid_tag"))
        self._switch = FlowSwitch(*flow, is_milking=self.is_milking) if flow else None

    @property
    def is_milking(self):
        return self._milking is not None

    def is_ahead_of(self, past):
        """Whether this knows of a milking, and nobody has reported anything later.

        :param past: the point's `Past` in the database
        """
        known = self._milking.last if self._milking else self._ended[-1] if self._ended else None
        reported = [reading.timestamp for reading in (past.last, past.ended) if reading]
        return known is not None and known.timestamp >= max(reported, default=known.timestamp)

    def observe(self, values, now, factor=1.0):
        """Take in what was read.

        :param values: dict quantity -> value, `yield_liters` among them, and `milking` where the meter says that
        :param now: aware UTC
        :param factor: the calibration factor in force: that of a milking which begins
        :return: list of `Reading`s to report, oldest first; none while nobody is milked
        """
        values = dict(values)
        milking = self._switch.observe(values, now) if self._switch else values.pop("milking")
        readings = []
        if self._milking and not self._milking.goes_on(values, milking, now):
            if milking and self._shows_a_former_one(values):
                return []
            readings.append(self._milking.unseen_end())
            self._end(readings[-1])
        if self._milking is None:
            begins = milking and not self._shows_a_former_one(values)
            if begins:
                self._milking = self._reopened(values, now) or self._new(now, factor)
            self._note_what_is_shown(values, now)
        if self._milking:
            readings.append(self._milking.take(values, milking, now))
            if not milking:
                self._end(readings[-1])
                self._shown_at = now
        return readings

    def _shows_a_former_one(self, values):
        return any(shows(former, values) for former in self._ended)

    def _note_what_is_shown(self, values, now):
        if self._ended and shows(self._ended[-1], values):
            self._shown_at = now

    def _reopened(self, values, now):
        """The last milking, if it is that which goes on: a cluster that was kicked off is attached again."""
        if self._shown_at is None or (now - self._shown_at).total_seconds() > PAUSE:
            return None
        former = self._ended[-1]
        tag = former.values.get("rfid_tag")
        return _Milking(former.session_id, former, tag) if grows_from(former, tag, values) else None

    def _new(self, now, factor):
        session_id = f"{self._prefix}-{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03d}Z"
        return _Milking(session_id, factor=factor)

    def _end(self, reading):
        if self._ended and self._ended[-1].session_id == reading.session_id:
            self._ended.pop()
        self._ended.append(reading)
        self._milking = self._shown_at = None
