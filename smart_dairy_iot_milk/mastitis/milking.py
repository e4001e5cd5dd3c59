"""What is measured at one milking (or summed up over one day) of one cow."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

QUARTERS = ("lf", "rf", "lr", "rr")
# In thousands per mL half of a herd's counts are near 100; in cells per mL no herd's are below 5,000.
SCC_IN_THOUSANDS_BELOW = 5_000
_EPOCH = datetime(2000, 1, 1)
_HOUR = timedelta(hours=1)


def logarithm(value: float | None) -> float | None:
    """The natural logarithm of a measured amount; None of what was not measured or cannot be (zero and less)."""
    return math.log(value) if value is not None and 0 < value < math.inf else None


@dataclass(frozen=True)
class Milking:
    """One milking. None is "not measured"; amounts of zero or less count as not measured.

    `at` is naive and of one clock (of a cow-day 00:00). Conductivity may be in any unit, the same within a herd;
    `quarters` are the conductivities left front, right front, left rear, right rear. Lactose in per cent, cells per mL
    or in thousands.
    `withheld` says that the cow was under treatment, so that this milking is no measure of what is usual of her.
    """

    at: datetime
    yield_kg: float | None = None
    conductivity: float | None = None
    quarters: tuple[float | None, ...] = (None, None, None, None)
    lactose: float | None = None
    scc: float | None = None
    blood: bool | None = None
    withheld: bool = False

    @cached_property
    def log_conductivity(self) -> float | None:
        """Logarithm of the cow's conductivity: of her highest quarter's where only quarters are measured."""
        whole = logarithm(self.conductivity)
        return whole if whole is not None else max((q for q in self.log_quarters if q is not None), default=None)

    @cached_property
    def log_yield(self) -> float | None:
        """Logarithm of the yield."""
        return logarithm(self.yield_kg)

    @cached_property
    def log_quarters(self) -> tuple[float | None, ...]:
        """Logarithms of the quarters' conductivities, four of them."""
        return tuple(logarithm(value) for value in self.quarters)

    @cached_property
    def log_scc(self) -> float | None:
        """Logarithm of the cell count, in whatever unit it came."""
        return logarithm(self.scc)

    @cached_property
    def phase(self) -> tuple[float, float]:
        """Cosine and sine of the time of day, the day being a full circle."""
        angle = math.tau * (self.at.hour + self.at.minute / 60) / 24
        return math.cos(angle), math.sin(angle)

    @cached_property
    def hours(self) -> float:
        """The moment as hours since any moment that is the same for all."""
        return (self.at - _EPOCH) / _HOUR


@dataclass(frozen=True)
class Past:
    """An earlier milking of the cow, and the evidence that `score` found in it (None where it was never scored)."""

    milking: Milking
    evidence: float | None = None


def hours_between(earlier: Milking, later: Milking) -> float:
    """Hours from one milking to the next."""
    return later.hours - earlier.hours
