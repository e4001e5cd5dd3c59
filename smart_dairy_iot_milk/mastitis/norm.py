"""What is usual in a herd, from the two weeks before a day: levels, spreads, the day's course, and what moved for all.

Everything here is relative, so that no unit has to be known, and robust, so that the ill do not count as usual.
"""

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import fmean, median

from .baseline import mad_spread
from .evidence import CONDUCTIVITY_SPREAD, YIELD_SPREAD
from .milking import SCC_IN_THOUSANDS_BELOW, Milking, hours_between
from .quarters import QUARTER_CONTRAST, contrast_of

WINDOW = timedelta(days=14)  # "the preceding 10 to 14 days"
_RECENT = timedelta(days=3)
_ENOUGH = 5  # milkings of a cow; below it she says nothing of the herd's spread
# How many deviations, milkings or cows what is known beforehand weighs as much as.
_SPREAD_WEIGHT = 100
_CYCLE_WEIGHT = 50
_SHIFT_WEIGHT = 10
# Between the means of cows: coefficient of variation of conductivity, taken as 10 %.
BETWEEN_COWS = 0.10
# A mean of two herds with different units is no mean: only cows within this factor are drawn upon.
_SAME_UNIT = math.log(2)
# Between these a cow's milk grows with the hours; outside of them a milking is missing, or it is a day's sum.
_SHORTEST_HOURS, _LONGEST_HOURS = 2, 18


@dataclass(frozen=True)
class Course:
    """How the logarithm of a measure moves: around each cow's mean, and for all cows lately and with the hour."""

    spread: float
    shift: float = 0.0
    cosine: float = 0.0
    sine: float = 0.0

    def at(self, hour: float) -> float:
        """What the hour of the day adds."""
        angle = math.tau * hour / 24
        return self.cosine * math.cos(angle) + self.sine * math.sin(angle)


@dataclass(frozen=True)
class HerdNorm:
    """What `score` needs to know of the herd."""

    conductivity: Course = Course(CONDUCTIVITY_SPREAD)
    milk: Course = Course(YIELD_SPREAD)
    levels: tuple[float, ...] = ()  # each cow's usual ln(conductivity), sorted
    contrast: float = QUARTER_CONTRAST
    scc_factor: int | None = None  # 1 or 1000; None where no cells were counted yet

    def level_near(self, value: float) -> float | None:
        """The herd's usual ln(conductivity) among cows measured in this value's unit; None where there are none."""
        near = self.levels[bisect_left(self.levels, value - _SAME_UNIT) : bisect_right(self.levels, value + _SAME_UNIT)]
        return near[len(near) // 2] if near else None


def log_rates(milkings: list[Milking]) -> list[float | None]:
    """ln(yield per hour since the milking before) of a cow's milkings in order of time; None where unknown."""
    rates = [None] * len(milkings)
    for index in range(1, len(milkings)):
        hours = hours_between(milkings[index - 1], milkings[index])
        if milkings[index].log_yield is not None and _SHORTEST_HOURS <= hours <= _LONGEST_HOURS:
            rates[index] = milkings[index].log_yield - math.log(hours)
    return rates


def herd_norm(milkings: Iterable[tuple[Hashable, Milking]], day: datetime) -> HerdNorm:
    """The norm for all milkings of the day that begins at `day`, from those of the 14 days before it.

    :param milkings: (cow, milking) in any order; what lies outside of the 14 days is left out
    """
    cows = defaultdict(list)
    for cow, milking in milkings:
        if day - WINDOW <= milking.at < day and not milking.withheld:
            cows[cow].append(milking)
    conductivities, yields, contrasts, cells = [], [], [], []
    for own in cows.values():
        own.sort(key=lambda milking: milking.at)
        conductivities.append([(m, m.log_conductivity) for m in own if m.log_conductivity is not None])
        yields.append([(m, rate) for m, rate in zip(own, log_rates(own), strict=True) if rate is not None])
        contrasts += [value for m in own if (value := contrast_of(m.log_quarters)) is not None]
        cells += [m.scc for m in own if m.log_scc is not None]
    return HerdNorm(
        _course(conductivities, CONDUCTIVITY_SPREAD, day),
        _course(yields, YIELD_SPREAD, day),
        tuple(sorted(median(value for _milking, value in own) for own in conductivities if own)),
        median(contrasts) if contrasts else QUARTER_CONTRAST,
        (1000 if median(cells) < SCC_IN_THOUSANDS_BELOW else 1) if cells else None,
    )


def _course(cows: list[list[tuple[Milking, float]]], spread: float, day: datetime) -> Course:
    """The course of one measure from each cow's values in order of time."""
    residuals = []
    for own in cows:
        if len(own) >= _ENOUGH:
            center = median(value for _milking, value in own)
            residuals += [(milking.hour, value - center) for milking, value in own]
    cosine, sine = _daily_cycle(residuals)
    cycle = Course(spread, 0.0, cosine, sine)
    left = [residual - cycle.at(hour) for hour, residual in residuals]
    if left:
        # No herd is three times as steady or as restless as the published ones: that would be a meter's fault.
        seen = min(max(mad_spread(left), spread / 3), 3 * spread)
        spread = ((len(left) * seen**2 + _SPREAD_WEIGHT * spread**2) / (len(left) + _SPREAD_WEIGHT)) ** 0.5
    return Course(spread, _shift(cows, cycle, day), cosine, sine)


def _daily_cycle(residuals: list[tuple[float, float]]) -> tuple[float, float]:
    """Cosine and sine of the 24-hour wave through (hour, residual), drawn towards none (ridge regression).

    Morning and evening milk differ in conductivity and in what an hour brings; one wave describes two or three
    milkings a day.
    """
    cc, ss, cs, cy, sy = _CYCLE_WEIGHT, _CYCLE_WEIGHT, 0.0, 0.0, 0.0
    for hour, residual in residuals:
        cosine, sine = math.cos(math.tau * hour / 24), math.sin(math.tau * hour / 24)
        cc, ss, cs = cc + cosine**2, ss + sine**2, cs + cosine * sine
        cy, sy = cy + cosine * residual, sy + sine * residual
    determinant = cc * ss - cs**2
    return (cy * ss - sy * cs) / determinant, (sy * cc - cy * cs) / determinant


def _shift(cows: list[list[tuple[Milking, float]]], cycle: Course, day: datetime) -> float:
    """How far the herd lies above its usual in the last three days: weather, feed, a meter set anew."""
    moves = []
    for own in cows:
        before = [value - cycle.at(m.hour) for m, value in own if m.at < day - _RECENT]
        recent = [value - cycle.at(m.hour) for m, value in own if m.at >= day - _RECENT]
        if len(before) >= _ENOUGH and recent:
            moves.append(fmean(recent) - median(before))
    return median(moves) * len(moves) / (len(moves) + _SHIFT_WEIGHT) if moves else 0.0
