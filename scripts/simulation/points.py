"""Milking points whose Modbus meters milk a herd in real time: each takes the next cow as soon as it is free.

The readers misread: a tag is seen late, or another one's bits at first, or never, or all the time that of the cow at
the next point. A point whose meter dies takes no more cows, and the others milk them. What was really milked is noted,
to compare with what the platform made of it.
"""

import threading
import time
from collections import deque
from dataclasses import dataclass

_TICK_SECONDS = 0.05
#: Seconds for which a late tag is not seen, and, below the polling interval, for which a garbled one is.
LATE_SECONDS, GARBLED_SECONDS = 2.5, 0.8
# No cow's tag: country and number are gone.
_GARBLE = 0x0000_0055_AAFF_00F0


@dataclass(frozen=True)
class CowAtPoint:
    """A milking to come.

    :param tag: ISO 11784 code of the cow
    :param seconds: from attaching to the end of flow
    :param misread: "" or `late`, `garbled`, `never`, `neighbour`
    """

    tag: int
    seconds: float
    litres: float
    misread: str = ""

    def tag_at(self, seconds, neighbour=0):
        """What the reader's register holds so long after the beginning; 0 is no tag.

        :param neighbour: tag of the cow at the next point, 0 where nobody stands there
        """
        if self.misread == "neighbour":
            return neighbour
        if self.misread == "never" or (self.misread == "late" and seconds < LATE_SECONDS):
            return 0
        if self.misread == "garbled" and seconds < GARBLED_SECONDS:
            return self.tag ^ _GARBLE
        return self.tag

    def litres_at(self, seconds):
        """What she has given so long after the beginning."""
        return round(self.litres * max(0.0, min(1.0, seconds / self.seconds)), 3)

    def registers(self, seconds, neighbour=0):
        """The arguments of `MeterRegisters.set` so long after the beginning, as far as nobody has ended it.

        :param neighbour: tag of the cow at the next point, 0 where nobody stands there
        """
        return {
            "milking": True,
            "rfid": self.tag_at(seconds, neighbour),
            "yield_liters": self.litres_at(seconds),
            "flow_rate": 2.5 if seconds < self.seconds else 0.0,
            "conductivity": 4.9,
            "temperature": 37.5,
            "session_seconds": int(seconds),
            "vacuum": 42,
            "pulsation": 60,
        }


@dataclass(frozen=True)
class Milked:
    """A milking that took place: at which point, of which cow, from when to when, by the wall clock."""

    point: int
    cow: CowAtPoint
    began: float
    ended: float

    @property
    def litres(self):
        return self.cow.litres_at(self.ended - self.began)

    @property
    def is_cut_off(self):
        """Whether its meter died in it."""
        return self.ended - self.began < self.cow.seconds


class _Point:
    def __init__(self, number, registers):
        self.number = number
        self.registers = registers
        self.cow = None
        self.began = 0.0
        self.free_from = 0.0
        self.is_dead = False
        self.may_leave = True

    def attach(self, cow, now):
        self.cow, self.began = cow, now
        self.registers.set(**cow.registers(0.0))


class PointBank:
    """:param registers: `MeterRegisters` of each point
    :param cows: `CowAtPoint`s in the order in which they come
    :param pause: callable() -> seconds between two cows at a point
    :param clock: callable, seconds since 1970
    """

    def __init__(self, registers, cows, pause, clock=time.time):
        self._points = [_Point(number, one) for number, one in enumerate(registers)]
        self._waiting = deque(cows)
        self._pause = pause
        self._clock = clock
        self._lock = threading.Lock()
        self._is_held = False
        self.milked = []

    @property
    def left(self):
        """Cows that wait or are being milked."""
        with self._lock:
            return len(self._waiting) + sum(point.cow is not None for point in self._points)

    @property
    def standing(self):
        """Who is being milked: dict of a point's number -> (`CowAtPoint`, seconds since she came)."""
        now = self._clock()
        with self._lock:
            return {point.number: (point.cow, now - point.began) for point in self._points if point.cow}

    def hold(self):
        """Let nobody in or out from now on: those who stand there are milked, or wait."""
        self._set_held(True)

    def release(self):
        self._set_held(False)

    def let_out(self, number):
        """Whoever stands at this point leaves when she is done, though all are held. Nobody follows her."""
        with self._lock:
            self._points[number].may_leave = True

    def let_in(self, number, cow):
        """A cow who does not wait with the others comes to a free point, and stays while all are held."""
        with self._lock:
            point = self._points[number]
            assert point.cow is None and not point.is_dead, f"point {number} is not free"
            point.attach(cow, self._clock())
            point.may_leave = not self._is_held

    def die(self, number):
        """A point's meter has died: what it showed of the cow who stands there is all that is known of her milking, and
        it takes no more cows."""
        with self._lock:
            point = self._points[number]
            point.is_dead = True
            if point.cow:
                self._note_milked(point, self._clock())

    def run(self, stop):
        """Milk until all are milked, or the event is set."""
        while self.left and not stop.wait(_TICK_SECONDS):
            self.tick()

    def tick(self):
        """Show what there is to see now."""
        now = self._clock()
        with self._lock:
            for point in self._points:
                if point.cow:
                    self._milk(point, now)
                elif self._waiting and not point.is_dead and not self._is_held and now >= point.free_from:
                    point.attach(self._waiting.popleft(), now)

    def _set_held(self, is_held):
        with self._lock:
            self._is_held = is_held
            for point in self._points:
                point.may_leave = not is_held

    def _milk(self, point, now):
        seconds = now - point.began
        is_over = seconds >= point.cow.seconds and point.may_leave
        point.registers.set(**point.cow.registers(seconds, self._neighbours_tag(point)) | {"milking": not is_over})
        if is_over:
            self._note_milked(point, now)
            point.free_from = now + self._pause()

    def _neighbours_tag(self, point):
        """0 also of one whom her own reader does not read: a tag that is lost is read by nobody."""
        neighbour = self._points[(point.number + 1) % len(self._points)].cow
        return neighbour.tag if neighbour and neighbour.misread not in ("never", "neighbour") else 0

    def _note_milked(self, point, now):
        self.milked.append(Milked(point.number, point.cow, point.began, now))
        point.cow = None
