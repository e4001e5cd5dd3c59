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
# Of normal deviations 5 % lie beyond 1.645 spreads: about as many as a farm can look at.
_TAIL_SHARE, _TAIL_SPREADS = 0.05, 1.645
_LONGEST_TAIL = 3.0
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
    """How the logarithm of a measure moves: around each cow's mean, and for all cows lately and with the hour.

    `tail`, of yields, says how many times as far as the spread lets expect the herd's 5 % lowest lie: kicked-off
    clusters make yields of a half that no spread of the usual ones knows of.
    """

    spread: float
    tail: float = 1.0
    shift: float = 0.0
    cosine: float = 0.0
    sine: float = 0.0

    def at(self, milking: Milking) -> float:
        """What the hour of the day adds."""
        cosine, sine = milking.phase
        return self.cosine * cosine + self.sine * sine


@dataclass(frozen=True)
class HerdNorm:
    """What `score` needs to know of the herd."""

    conductivity: Course = Course(CONDUCTIVITY_SPREAD)
    milk: Course = Course(YIELD_SPREAD)  # by the hour
    milk_as_is: Course = Course(YIELD_SPREAD)  # of a day or a milking, where the hours are not known
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
    conductivities, rates, yields, contrasts, cells = [], [], [], [], []
    for own in cows.values():
        own.sort(key=lambda milking: milking.at)
        conductivities.append([(m, m.log_conductivity) for m in own if m.log_conductivity is not None])
        rates.append([(m, rate) for m, rate in zip(own, log_rates(own), strict=True) if rate is not None])
        yields.append([(m, m.log_yield) for m in own if m.log_yield is not None])
        contrasts += [value for m in own if (value := contrast_of(m.log_quarters)) is not None]
        cells += [m.scc for m in own if m.log_scc is not None]
    return HerdNorm(
        _course(conductivities, CONDUCTIVITY_SPREAD, day),
        _course(rates, YIELD_SPREAD, day, has_tail=True),
        _course(yields, YIELD_SPREAD, day, has_tail=True),
        tuple(sorted(median(value for _milking, value in own) for own in conductivities if own)),
        median(contrasts) if contrasts else QUARTER_CONTRAST,
        (1000 if median(cells) < SCC_IN_THOUSANDS_BELOW else 1) if cells else None,
    )


def _course(cows: list[list[tuple[Milking, float]]], spread: float, day: datetime, has_tail: bool = False) -> Course:
    """The course of one measure from each cow's values in order of time.

    :param spread: what is known of it beforehand
    :param has_tail: whether low values have causes that the spread of the usual ones knows nothing of
    """
    residuals = []
    for own in cows:
        if len(own) >= _ENOUGH:
            center = median(value for _milking, value in own)
            residuals += [(milking, value - center) for milking, value in own]
    cosine, sine = _daily_cycle(residuals)
    cycle = Course(spread, 1.0, 0.0, cosine, sine)
    left = sorted(residual - cycle.at(milking) for milking, residual in residuals)
    tail = 1.0
    if left:
        # No herd is three times as steady or as restless as the published ones: that would be a meter's fault.
        seen = min(max(mad_spread(left), spread / 3), 3 * spread)
        if has_tail:
            beyond = -left[int(len(left) * _TAIL_SHARE)] / (_TAIL_SPREADS * seen)
            tail = _mixed(len(left), min(max(beyond, 1.0), _LONGEST_TAIL), 1.0)
        spread = _mixed(len(left), seen**2, spread**2) ** 0.5
    return Course(spread, tail, _shift(cows, cycle, day), cosine, sine)


def _mixed(count: int, seen: float, known: float) -> float:
    """What was seen at so many values, drawn towards what was known before."""
    return (count * seen + _SPREAD_WEIGHT * known) / (count + _SPREAD_WEIGHT)


def _daily_cycle(residuals: list[tuple[Milking, float]]) -> tuple[float, float]:
    """Cosine and sine of the 24-hour wave through the residuals, drawn towards none (ridge regression).

    Morning and evening milk differ in conductivity and in what an hour brings; one wave describes two or three
    milkings a day.
    """
    cc, ss, cs, cy, sy = _CYCLE_WEIGHT, _CYCLE_WEIGHT, 0.0, 0.0, 0.0
    for milking, residual in residuals:
        cosine, sine = milking.phase
        cc, ss, cs = cc + cosine**2, ss + sine**2, cs + cosine * sine
        cy, sy = cy + cosine * residual, sy + sine * residual
    determinant = cc * ss - cs**2
    return (cy * ss - sy * cs) / determinant, (sy * cc - cy * cs) / determinant


def _shift(cows: list[list[tuple[Milking, float]]], cycle: Course, day: datetime) -> float:
    """How far the herd lies above its usual in the last three days: weather, feed, a meter set anew."""
    moves = []
    for own in cows:
        before = [value - cycle.at(m) for m, value in own if m.at < day - _RECENT]
        recent = [value - cycle.at(m) for m, value in own if m.at >= day - _RECENT]
        if len(before) >= _ENOUGH and recent:
            moves.append(fmean(recent) - median(before))
    return median(moves) * len(moves) / (len(moves) + _SHIFT_WEIGHT) if moves else 0.0
