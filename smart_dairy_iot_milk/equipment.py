"""What milkings tell of the machine that milked: norms, slow milkers, and meters that drift. No Odoo in here.

The norms are those in use for claw vacuum and pulsation; they are settings of the farm, since parlours differ.
0 or None stands for what was not measured, and is never judged.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from math import exp, log, sqrt
from statistics import fmean, median, stdev

#: Milkings per week and point, and the share of them outside of a norm, from which the point is to be checked. Fewer
#: are chance: with one in twenty outside by nature, a tenth of twenty is reached every other month and point.
LEAST_MILKINGS = 20
OUTSIDE_SHARE = 0.10
#: A cow is slow below this mean flow (L/min) and below this share of her own median; that takes so many milkings.
SLOW_FLOW = 1.0
SLOW_SHARE = 0.6
LEAST_OWN_FLOWS = 5

#: ln of the ratio from which a meter drifts: 3 % is of the order of the limits of milk meters' errors.
DRIFT_LEAST = 0.03
#: Standard errors from which it is not chance: about one false alarm per year at sixteen points.
DRIFT_ERRORS = 3.0
#: Below these nothing is said of a point.
DRIFT_MILKINGS = 30
DRIFT_COWS = 15
#: A cow tells a meter from herself only where she has been milked often enough and at points enough.
COW_MILKINGS = 5
COW_POINTS = 3


@dataclass(frozen=True)
class Norms:
    """Limits between which, both included, a milking is as it should be."""

    vacuum: tuple = (32.0, 42.0)
    """kPa, in the claw at peak flow"""
    pulsation_rate: tuple = (55.0, 65.0)
    """1/min"""
    pulsation_ratio: tuple = (60.0, 65.0)
    """per cent of the cycle in which the liner is open: 60:40 to 65:35"""
    kick_offs: int = 2
    """most in one milking"""


@dataclass(frozen=True)
class Milking:
    """What one milking tells of its machine. `half` is the half of the day: yields differ between the two."""

    point: object
    cow: object = None
    half: str = ""
    liters: float = 0.0
    vacuum: float = 0.0
    pulsation_rate: float = 0.0
    pulsation_ratio: float = 0.0
    kick_offs: int = 0
    mean_flow: float = 0.0


@dataclass(frozen=True)
class Problem:
    """One thing that is not as it should be: `kind` is vacuum, pulsation_rate, pulsation_ratio, kick_offs or slow."""

    kind: str
    value: float
    low: "float | None" = None
    high: "float | None" = None


def problems(milking, norms, own_flow=None):
    """What is outside of the norms in a milking.

    :param own_flow: the cow's median of mean flows, L/min, None where it is not known, see `own_flows`
    :return: list of `Problem`
    """
    found = []
    for kind in ("vacuum", "pulsation_rate", "pulsation_ratio"):
        value, (low, high) = getattr(milking, kind), getattr(norms, kind)
        if value and not low <= value <= high:
            found.append(Problem(kind, value, low, high))
    if milking.kick_offs and milking.kick_offs > norms.kick_offs:
        found.append(Problem("kick_offs", milking.kick_offs, None, norms.kick_offs))
    if own_flow and 0 < milking.mean_flow < min(SLOW_FLOW, SLOW_SHARE * own_flow):
        found.append(Problem("slow", milking.mean_flow, own_flow))
    return found


def own_flows(flows):
    """Each cow's median of mean flows, where there are enough.

    :param flows: iterable of (cow, mean flow in L/min)
    :return: dict cow -> L/min
    """
    by_cow = defaultdict(list)
    for cow, flow in flows:
        if cow and flow:
            by_cow[cow].append(flow)
    return {cow: median(values) for cow, values in by_cow.items() if len(values) >= LEAST_OWN_FLOWS}


@dataclass
class PointFigures:
    """A point's milkings of a span."""

    milkings: int = 0
    cows: set = field(default_factory=set)
    outside: dict = field(default_factory=lambda: defaultdict(int))
    """kind of problem -> number of milkings with it"""
    any_outside: int = 0
    kick_offs: int = 0
    _vacuums: list = field(default_factory=list)
    _rates: list = field(default_factory=list)

    def add(self, milking, found):
        """:param found: list of `Problem` of the milking"""
        self.milkings += 1
        if milking.cow:
            self.cows.add(milking.cow)
        for kind in {problem.kind for problem in found}:
            self.outside[kind] += 1
        self.any_outside += bool(found)
        self.kick_offs += milking.kick_offs or 0
        if milking.vacuum:
            self._vacuums.append(milking.vacuum)
        if milking.pulsation_rate:
            self._rates.append(milking.pulsation_rate)

    @property
    def vacuum(self):
        """The mean in kPa, None where none was measured."""
        return fmean(self._vacuums) if self._vacuums else None

    @property
    def pulsation_rate(self):
        """The mean per minute, None where none was measured."""
        return fmean(self._rates) if self._rates else None

    @property
    def outside_share(self):
        return self.any_outside / self.milkings if self.milkings else 0.0

    @property
    def to_check(self):
        """Kinds of problem that too many milkings have, with their shares; empty with too few milkings."""
        if self.milkings < LEAST_MILKINGS:
            return {}
        shares = {kind: count / self.milkings for kind, count in sorted(self.outside.items())}
        return {kind: share for kind, share in shares.items() if share >= OUTSIDE_SHARE}


def point_figures(milkings, norms):
    """:return: dict point -> `PointFigures`"""
    milkings = list(milkings)
    flows = own_flows((milking.cow, milking.mean_flow) for milking in milkings)
    points = defaultdict(PointFigures)
    for milking in milkings:
        points[milking.point].add(milking, problems(milking, norms, flows.get(milking.cow)))
    return dict(points)


@dataclass(frozen=True)
class Drift:
    """How far a point's meter is off the others: `ratio` 0.04 shows 4 % too much. None where nothing can be said."""

    milkings: int
    cows: int
    ratio: "float | None" = None
    error: "float | None" = None
    """one standard error of the ratio"""

    @property
    def is_known(self):
        return self.ratio is not None

    @property
    def drifts(self):
        return self.is_known and abs(log(1 + self.ratio)) > max(DRIFT_LEAST, DRIFT_ERRORS * self.error)


def drifts(milkings):
    """How far each point's meter is off, by cows that were milked there and elsewhere.

    A cow's milking at a point is compared with the median of her own milkings of the same half of the day at the
    others. Each cow counts once, however often she was milked there: pen by pen, the same cows come to the same points.

    :param milkings: iterable of `Milking`; those without a cow or milk are left out
    :return: dict point -> `Drift`
    """
    by_cow = defaultdict(list)
    for milking in milkings:
        if milking.cow and milking.liters > 0:
            by_cow[milking.cow].append(milking)
    deviations = defaultdict(list)
    counts = defaultdict(int)
    for own in by_cow.values():
        if len(own) >= COW_MILKINGS and len({milking.point for milking in own}) >= COW_POINTS:
            for point, values in _deviations(own).items():
                deviations[point].append(fmean(values))
                counts[point] += len(values)
    points = {milking.point for own in by_cow.values() for milking in own}
    return {point: _drift(deviations[point], counts[point]) for point in points}


def _deviations(own):
    """dict point -> ln of the ratios of one cow's milkings there to those elsewhere."""
    result = defaultdict(list)
    for milking in own:
        elsewhere = [other.liters for other in own if other.point != milking.point and other.half == milking.half]
        if len(elsewhere) >= COW_POINTS:
            result[milking.point].append(log(milking.liters / median(elsewhere)))
    return result


def _drift(cow_means, milkings):
    cows = len(cow_means)
    if cows < DRIFT_COWS or milkings < DRIFT_MILKINGS:
        return Drift(milkings, cows)
    mean = fmean(cow_means)
    return Drift(milkings, cows, exp(mean) - 1, stdev(cow_means) / sqrt(cows))
