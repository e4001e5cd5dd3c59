"""The herring-bone parlour: who is milked when, in which stall, and how the milk flows.

Cows come in sides: a side is filled, its units are attached one after the other, and it is let out when its slowest cow
has finished. On each side a Modbus meter measures the first stall and an MQTT meter the others. Modbus
meters take part only once the clock is live, because whoever polls them stamps what he reads with the wall clock.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from .herd import Cow, Milk
from .messages import Message, in_order, stream

ATTACH_EVERY = timedelta(seconds=10)
CHANGE_OF_COWS = timedelta(seconds=90)
SECOND_SIDE_AFTER = timedelta(seconds=30)
SHORTEST_GAP = timedelta(hours=6)
RISE_SECONDS = 40.0
DECLINE_SECONDS = 80.0


@dataclass(frozen=True)
class FlowCurve:
    """Milk flow of one milking: a linear rise, a plateau and a linear decline.

    `peak` in litres per second, the three phases in seconds.
    """

    peak: float
    rise: float
    plateau: float
    decline: float

    @classmethod
    def for_yield(cls, litres, peak_flow):
        """The curve that lets down `litres`, at most at `peak_flow` (L/min)."""
        sloping = (RISE_SECONDS + DECLINE_SECONDS) / 2
        peak = min(peak_flow / 60, litres / sloping)
        return cls(peak, RISE_SECONDS, litres / peak - sloping, DECLINE_SECONDS)

    @property
    def duration(self):
        """Seconds from attaching to the end of flow."""
        return self.rise + self.plateau + self.decline

    def flow(self, seconds):
        """Litres per minute, `seconds` after attaching."""
        left = self.duration - seconds
        if seconds <= 0 or left <= 0:
            return 0.0
        return 60 * self.peak * min(seconds / self.rise, 1.0, left / self.decline)

    def volume(self, seconds):
        """Litres let down in the first `seconds`: the integral of the flow."""
        seconds = min(max(seconds, 0.0), self.duration)
        rising = min(seconds, self.rise)
        level = min(max(seconds - self.rise, 0.0), self.plateau)
        falling = max(seconds - self.rise - self.plateau, 0.0)
        return self.peak * (rising**2 / (2 * self.rise) + level + falling - falling**2 / (2 * self.decline))


@dataclass(frozen=True)
class Stall:
    """One place in the parlour: the meter that measures it and the meter's milking point (the message's channel)."""

    side: str
    position: str
    meter_id: str
    channel: int
    is_modbus: bool = False


@dataclass(frozen=True)
class Milking:
    """One cow in one stall from attaching (`start`) to the end of flow (`end`), aware UTC."""

    session_id: str
    cow: Cow
    stall: Stall
    start: datetime
    milk: Milk
    curve: FlowCurve

    @property
    def end(self):
        """When the flow has ended, to the whole second."""
        return self.start + timedelta(seconds=round(self.curve.duration))

    def seconds(self, at):
        """Seconds of milking at `at`, between 0 and the whole duration."""
        return min(max((at - self.start) / timedelta(seconds=1), 0.0), (self.end - self.start) / timedelta(seconds=1))

    def litres(self, at):
        """Litres in the meter at `at`."""
        return self.curve.volume(self.curve.duration if at >= self.end else self.seconds(at))

    def flow(self, at):
        """Litres per minute at `at`."""
        return 0.0 if at >= self.end else self.curve.flow(self.seconds(at))

    def registers(self, at):
        """What a Modbus meter in this stall shows at `at`: the arguments of `ModbusMeter.set`."""
        return {
            "milking": at < self.end,
            "rfid": self.cow.tag_code,
            "yield_liters": self.litres(at),
            "flow_rate": self.flow(at),
            "conductivity": self.milk.conductivity,
            "temperature": self.milk.temperature,
            "session_seconds": int(self.seconds(at)),
            "vacuum": 42,
            "pulsation": 60,
        }


class Schedule:
    """When the herd is milked, every day.

    :param first: timedelta after midnight UTC of the milking that goes into an empty tank
    :param second: the same for the other milking of the day
    """

    def __init__(self, first, second):
        day = timedelta(days=1)
        if min((second - first) % day, (first - second) % day) < SHORTEST_GAP:
            raise ValueError("the two milkings of a day must be six hours apart at least")
        self.first = first
        self.second = second

    @classmethod
    def around(cls, at):
        """Milkings every twelve hours of which one, the second of its day, begins at `at`."""
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
        second = at - midnight
        return cls((second - timedelta(hours=12)) % timedelta(days=1), second)

    def starts(self, since):
        """Endless starts of milkings, from the first at or after `since`."""
        day = since.replace(hour=0, minute=0, second=0, microsecond=0)
        while True:
            for offset in sorted((self.first, self.second)):
                if day + offset >= since:
                    yield day + offset
            day += timedelta(days=1)

    def hours_before(self, start):
        """Hours between the milking at `start` and the one before it."""
        first, second = self.first, self.second
        gap = (first - second) if self.is_first(start) else (second - first)
        return gap % timedelta(days=1) / timedelta(hours=1)

    def is_first(self, start):
        """Whether the milking at `start` is the one into the empty tank."""
        midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
        return start - midnight == self.first


class Parlour:
    """All milkings from `since` on, as a function of the seed, the schedule and the time the clock goes live.

    :param herd: a `Herd`
    :param stalls: the `Stall`s, in order of attaching
    :param schedule: a `Schedule`
    :param since: no milking that began before is simulated, not even in part
    :param cadence: a `Cadence` of the messages of a running milking
    """

    def __init__(self, herd, stalls, schedule, since, cadence):
        self._herd = herd
        self._stalls = stalls
        self._schedule = schedule
        self._since = since
        self._cadence = cadence
        self._planned = []
        self._starts = schedule.starts(since)
        self._next_start = next(self._starts)

    def milkings(self, until):
        """All milkings of the shifts that begin before `until`, in order of their shifts."""
        while self._next_start < until:
            self._planned.append((self._next_start, tuple(self._shift(self._next_start))))
            self._next_start = next(self._starts)
        return [milking for start, shift in self._planned if start < until for milking in shift]

    def _shift(self, start):
        """The milkings of one shift: the side that is free first takes the next cows."""
        rng = stream(self._herd.seed, "shift", start.isoformat())
        waiting = []
        for pen in ("HIGH", "LOW"):
            cows = self._herd.in_pens(pen)
            rng.shuffle(cows)
            waiting += cows
        hours = self._schedule.hours_before(start)
        sides = sorted({stall.side for stall in self._stalls})
        free = {side: start + number * SECOND_SIDE_AFTER for number, side in enumerate(sides)}
        while waiting:
            side = min(sides, key=free.get)
            stalls = self._open_stalls(side, free[side])
            batch, waiting = waiting[: len(stalls)], waiting[len(stalls) :]
            milkings = [
                self._milking(cow, stall, free[side] + place * ATTACH_EVERY, hours)
                for place, (cow, stall) in enumerate(zip(batch, stalls, strict=False))
            ]
            yield from milkings
            free[side] = max(milking.end for milking in milkings) + CHANGE_OF_COWS

    def _open_stalls(self, side, at):
        live = at >= self._cadence.live_from
        return [stall for stall in self._stalls if stall.side == side and (live or not stall.is_modbus)]

    def _milking(self, cow, stall, at, hours):
        milk = self._herd.milk(cow, at, hours)
        session_id = f"{stall.meter_id}-{stall.channel}-{at:%Y%m%dT%H%M%S}"
        return Milking(session_id, cow, stall, at, milk, FlowCurve.for_yield(milk.litres, cow.peak_flow))

    def inflow(self, begin, end):
        """Litres that all stalls have sent to the tank between two times."""
        return sum(
            milking.litres(end) - milking.litres(begin)
            for milking in self._recent(end)
            if milking.start < end and milking.end > begin
        )

    def _recent(self, at):
        """Milkings of the shift that runs at `at`, or ran last, and of the one before."""
        self.milkings(at + timedelta(seconds=1))
        begun = [shift for start, shift in self._planned if start <= at]
        return [milking for shift in begun[-2:] for milking in shift]

    def on_meter(self, meter_id, at):
        """The milking that a one-stall meter shows at `at`: the running one, else the last; None before the first."""
        shown = [milking for milking in self._recent(at) if milking.stall.meter_id == meter_id and milking.start <= at]
        return max(shown, key=lambda milking: milking.start, default=None)

    def messages(self):
        """Endless messages of the MQTT meters, in time order."""
        for start in self._schedule.starts(self._since):
            shift = [milking for milking in self.milkings(start + timedelta(seconds=1)) if milking.start >= start]
            yield from in_order(*(self._session(milking) for milking in shift if not milking.stall.is_modbus))

    def _session(self, milking):
        """The messages of one milking: one per interval while it runs, and always the final one."""
        # The first as soon as there is something to measure; at the very start there would be nothing in it.
        at = milking.start + timedelta(seconds=2)
        while at < milking.end:
            yield self._message(milking, at)
            at = self._cadence.after(at)
        yield self._message(milking, milking.end)

    def _message(self, milking, at):
        milk, stall = milking.milk, milking.stall
        ended = at >= milking.end
        rng = stream(self._herd.seed, "machine", milking.session_id, at.isoformat())
        quality = {"temperature_celsius": milk.temperature, "conductivity": milk.conductivity}
        if ended:
            quality.update(
                fat_percentage=milk.fat,
                protein_percentage=milk.protein,
                lactose_percentage=milk.lactose,
                somatic_cell_count=milk.somatic_cells,
                blood_detected=False,
            )
        return Message.build(
            at,
            stall.meter_id,
            "data",
            channel=stall.channel,
            session_id=milking.session_id,
            rfid_tag=milking.cow.tag_decimal,
            milking=not ended,
            yield_liters=round(milking.litres(at), 3),
            flow_rate=round(milking.flow(at), 2),
            duration_seconds=int(milking.seconds(at)),
            quality=quality,
            equipment={
                "vacuum_pressure": round(rng.gauss(41.5, 0.3), 1),
                "pulsation_rate": rng.choice((59, 60, 60, 61)),
                "milking_position": stall.position,
            },
        )
