"""Which milking a message belongs to.

Meters name their milkings or do not, use a name again, name one anew after a restart, send late and out of order. What
decides is what a meter cannot get wrong: at one milking point there is one milking at a time, its clock (the
`duration_seconds` of its messages) and its yield only rise.

| message | its milking |
| --- | --- |
| same name, same beginning by the clock | this one, however late it comes |
| same name, more than an hour off | another use of the name |
| same name, began after this one's last message, or lies before this one's beginning | another use of the name |
| same name, no clock: running after the end, or a yield that ran back | another use of the name |
| same name else | this one |
| another name, same beginning by the clock | this one, named anew or told twice |
| another name, between this one's first and last message | this one: a point has one milking at a time |
| another name, no clock: within two seconds of this one, which is still filling | this one |
| another name, no clock, same tag, yield not lower, within twenty minutes of one that nobody ended | this one goes on |
| no name: without a gap of five minutes, same cow, still filling | this one |
| a tag that contradicts this one's, under another name or none | another milking |
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

#: Silence after which a milking is over: milkings without a name of their own are told apart by it too.
SILENCE = timedelta(minutes=5)
#: A message further than this from a milking is of another use of the name.
NAME_REUSED = timedelta(minutes=60)
#: A milking that nobody ended and that goes on under another name, after a pause of the meter, the line or ours.
RESUMED = timedelta(minutes=20)

# A meter's clock counts whole seconds, so that the start told by each of its messages wanders by one.
START_TOLERANCE = timedelta(seconds=2)
# Under one name two beginnings so near to each other are one: no two milkings are.
_SAME_START = timedelta(seconds=10)

# A session's yield is stored with three decimals: the same one told again may be smaller than what was made of it.
_YIELD_TOLERANCE_LITERS = 0.001

_LONGEST_KEY = 64


@dataclass(eq=False)
class Milking:
    """A milking at one point that messages may belong to.

    :param key: what identifies it among all milkings of the meter
    :param wire_id: the name that the meter gave it; empty if none
    :param first: when it began, by its clock where there is one
    :param last: time of its last message
    :param yield_liters: the most that was told
    :param tag: in its canonical form, empty if none was read
    :param ended: the meter said that it was over
    :param factor: what yields of messages are multiplied with before they are compared with this one's
    """

    key: str
    wire_id: str
    first: datetime
    last: datetime
    yield_liters: float
    tag: str
    ended: bool
    factor: float = 1.0

    @classmethod
    def begun_by(cls, reading):
        """A milking of which a message is the first that is known; it has no key yet."""
        return cls(
            "",
            reading.session_id,
            reading.started_at,
            reading.timestamp,
            reading.yield_liters,
            reading.tag,
            not reading.milking,
        )

    def takes(self, reading):
        """Whether a message is one of this milking's."""
        if reading.session_id and reading.session_id == self.wire_id:
            return self._takes_of_its_name(reading)
        if self.tag and reading.tag and self.tag != reading.tag:
            return False
        return self._takes_of_another_name(reading) if reading.session_id else self._takes_unnamed(reading)

    def extend(self, reading):
        """Make a message one of this milking's."""
        self.first = min(self.first, reading.started_at)
        self.tag = self.tag or reading.tag
        self.yield_liters = max(self.yield_liters, self._corrected(reading))
        if reading.timestamp >= self.last:
            self.last = reading.timestamp
            self.ended = not reading.milking

    def distance(self, reading):
        """Time between this milking and a message; none within it."""
        return max(self.first - reading.timestamp, reading.timestamp - self.last, timedelta())

    def _takes_of_its_name(self, reading):
        if reading.has_clock and abs(reading.started_at - self.first) <= _SAME_START:
            return not self._ended_before(reading)
        if not self.first - NAME_REUSED <= reading.timestamp <= self.last + NAME_REUSED:
            return False
        if reading.has_clock:
            return reading.started_at < self.last - START_TOLERANCE and reading.timestamp > self.first
        if reading.timestamp < self.first:
            return reading.milking and self._corrected(reading) <= self.yield_liters + _YIELD_TOLERANCE_LITERS
        if reading.timestamp > self.last and reading.milking:
            return not self.ended and self._still_filling(reading)
        return True

    def _takes_of_another_name(self, reading):
        if reading.has_clock and abs(reading.started_at - self.first) <= START_TOLERANCE:
            return not self._ended_before(reading)
        if self.first < reading.timestamp < self.last:
            return True
        if reading.has_clock or self.ended or not self._still_filling(reading):
            return False
        pause = reading.timestamp - self.last
        if timedelta() <= pause <= START_TOLERANCE:
            return True
        return bool(self.tag) and self.tag == reading.tag and timedelta() <= pause <= RESUMED and self.yield_liters > 0

    def _takes_unnamed(self, reading):
        if not self.first - SILENCE <= reading.timestamp <= self.last + SILENCE:
            return False
        return reading.timestamp <= self.last or (not self.ended and self._still_filling(reading))

    def _still_filling(self, reading):
        return self._corrected(reading) >= self.yield_liters - _YIELD_TOLERANCE_LITERS

    def _corrected(self, reading):
        return reading.yield_liters * self.factor

    def _ended_before(self, reading):
        return self.ended and reading.milking and reading.started_at >= self.last


def assign(readings, milkings):
    """Find the milking of each message.

    :param readings: `MeterData` of one milking point, in any order
    :param milkings: the `Milking`s known there around that time; new ones, without a key, are added
    :return: dict `Milking` -> list of `MeterData`
    """
    readings_of = {}
    for reading in sorted(readings, key=lambda reading: (reading.timestamp, reading.session_id)):
        milking = _milking_of(reading, milkings)
        if milking is None:
            milking = Milking.begun_by(reading)
            milkings.append(milking)
        milking.extend(reading)
        readings_of.setdefault(milking, []).append(reading)
    return readings_of


def keys_for(milking, prefix, channel):
    """Keys for a new milking, the best first: the meter's own name for it, if that is not another one's yet.

    :param prefix: of keys of milkings that the meter does not name
    """
    if not milking.wire_id:
        start = f"{milking.first:%Y%m%dT%H%M%S}{milking.first.microsecond // 1000:03d}Z"
        return [_suffixed(f"{prefix}-{start}", suffix) for suffix in ("", f"~{milking.last:%H%M%S%f}")]
    start = f"~{milking.first:%Y%m%dT%H%M%S}"
    exact = f"{start}~{channel}~{milking.last:%H%M%S%f}"
    return [_suffixed(milking.wire_id, suffix) for suffix in ("", start, f"{start}~{channel}", exact)]


def _suffixed(name, suffix):
    return name[: _LONGEST_KEY - len(suffix)] + suffix


def _milking_of(reading, milkings):
    """The nearest milking that takes a message; one that has its name is asked first."""

    def rank(milking):
        return milking.wire_id != reading.session_id, milking.distance(reading)

    return next((milking for milking in sorted(milkings, key=rank) if milking.takes(reading)), None)
