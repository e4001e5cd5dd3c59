"""Milking points whose Modbus meters milk a herd in real time: each takes the next cow as soon as it is free.

The readers misread: a tag is seen late, or another one's bits at first, or never. A point whose meter dies takes no
more cows, and the others milk them. What was really milked is noted, to compare with what the platform made of it.
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
    :param misread: "" or `late`, `garbled`, `never`
    """

    tag: int
    seconds: float
    litres: float
    misread: str = ""

    def tag_at(self, seconds):
        """What the reader's register holds so long after the beginning; 0 is no tag."""
        if self.misread == "never" or (self.misread == "late" and seconds < LATE_SECONDS):
            return 0
        if self.misread == "garbled" and seconds < GARBLED_SECONDS:
            return self.tag ^ _GARBLE
        return self.tag

    def registers(self, seconds):
        """The arguments of `MeterRegisters.set` so long after the beginning, as far as nobody has ended it."""
        done = min(1.0, seconds / self.seconds)
        return {
            "milking": True,
            "rfid": self.tag_at(seconds),
            "yield_liters": round(self.litres * done, 3),
            "flow_rate": 2.5 if done < 1 else 0.0,
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


class _Point:
    def __init__(self, number, registers):
        self.number = number
        self.registers = registers
        self.cow = None
        self.began = 0.0
        self.free_from = 0.0
        self.is_dead = False


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
        self._held = False
        self.milked = []

    @property
    def left(self):
        """Cows that wait or are being milked."""
        with self._lock:
            return len(self._waiting) + sum(point.cow is not None for point in self._points)

    def hold(self):
        """Let nobody in or out from now on: those who stand there are milked, or wait."""
        with self._lock:
            self._held = True

    def release(self):
        with self._lock:
            self._held = False

    def take_out(self, number):
        """A point's meter is about to die: it takes no more cows; whether it is free already."""
        with self._lock:
            self._points[number].is_dead = True
            return self._points[number].cow is None

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
                elif self._waiting and not point.is_dead and not self._held and now >= point.free_from:
                    point.cow, point.began = self._waiting.popleft(), now
                    point.registers.set(**point.cow.registers(0.0))

    def _milk(self, point, now):
        seconds = now - point.began
        if seconds < point.cow.seconds or self._held:
            point.registers.set(**point.cow.registers(seconds))
            return
        point.registers.set(**{**point.cow.registers(seconds), "milking": False})
        self.milked.append(Milked(point.number, point.cow, point.began, now))
        point.cow, point.free_from = None, now + self._pause()
