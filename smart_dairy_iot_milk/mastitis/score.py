"""The score of one milking, from what was known when it ended."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from .baseline import Baseline, baseline
from .evidence import BLOOD, of_conductivity, of_drop
from .levels import DEFAULT, EVIDENCE_AT_65, Settings, score_of
from .milking import SCC_IN_THOUSANDS_BELOW, Milking, Past, logarithm
from .norm import BETWEEN_COWS, WINDOW, HerdNorm, log_rates
from .quarters import udder

# What is older is another state of the cow: a new lactation, another meter.
OLDEST = timedelta(days=30)
_ENOUGH = 5  # milkings for a baseline; with fewer in the window it reaches back further
# Of what looked ill in the window so much is left out at most: what lasts longer becomes her usual.
_LARGEST_SHARE_LEFT_OUT = 1 / 3
# An illness lasts: conductivity stays up for about four days around a case (Acta Vet. Hung. 2012, 60:145). So half of
# the evidence of the milking before is carried over, less after a pause, at most as much as does not make an alert.
_CARRIED = 0.5
_MOST_CARRIED_FROM = 4.0
_FORGOTTEN_AFTER_DAYS = 3
# Where both are there, cow's and quarter's conductivity are taken to correlate by 1/2: (a + b) / sqrt(2 (1 + 1/2)).
_TWO_CONDUCTIVITIES = math.sqrt(3)
_ABSOLUTE_OVER_USUAL = 7.5 / 5.5  # the absolute flag of 7.5 mS/cm over the usual 5.5, so that no unit is needed
_LACTOSE_SPREAD = 0.10  # percentage points
_SCC_SPREAD = 1.0  # doublings
_SCC_BETWEEN_COWS = 1.5
_SCC_HEALTHY = 100_000
_SCC_SUBCLINICAL = 200_000
_BLOOD_IS_A_FLAG = 1 / 3  # a column that says blood more often than that says something else
_SAID_FROM = 1.0  # spreads


@dataclass(frozen=True)
class Verdict:
    """What a milking says of the udder.

    `score` 0 to 100; `level` normal, watch, warning or critical, None where nothing could be judged; `reasons`
    sentences, the strongest first; `quarter` lf, rf, lr or rr where one stands out; `evidence` to be handed back with
    the milking as `Past` when the next one is scored.
    """

    score: float
    level: str | None
    reasons: tuple[str, ...]
    quarter: str | None
    evidence: float


@dataclass(frozen=True)
class _Sign:
    """What one measure says: evidence, and a sentence where it is worth one."""

    evidence: float
    reason: str | None = None
    quarter: str | None = None


def score(milking: Milking, history: Iterable[Past], norm: HerdNorm, settings: Settings = DEFAULT) -> Verdict:
    """The verdict on a milking.

    :param history: the cow's earlier milkings, in any order; those of the same moment are left aside
    :param norm: the herd's of the day of the milking
    :raises ValueError: where the history holds what came later
    """
    history = sorted((past for past in history if past.milking.at != milking.at), key=lambda past: past.milking.at)
    if history and history[-1].milking.at > milking.at:
        raise ValueError(f"The history of the milking of {milking.at} holds one of {history[-1].milking.at}.")
    history = [past for past in history if milking.at - past.milking.at <= OLDEST]
    usual = _usual(milking, history)
    signs = [
        sign
        for sign in (
            _conductivity(milking, usual, norm),
            _milk(milking, history, usual, norm),
            _lactose(milking, usual),
            _cells(milking, usual, norm),
            _blood(milking, usual),
        )
        if sign
    ]
    carried = _carried(milking, history)
    evidence = sum(sign.evidence for sign in signs) + carried
    signs.sort(key=lambda sign: -sign.evidence)
    reasons = [sign.reason for sign in signs if sign.reason]
    if carried >= 1:
        reasons.append("Conspicuous already at the milking before")
    if not signs:
        reasons.append("Nothing to compare with yet")
    value = score_of(evidence)
    return Verdict(
        value,
        settings.level(value) if signs else None,
        tuple(reasons),
        next((sign.quarter for sign in signs if sign.quarter), None),
        evidence,
    )


def _usual(milking: Milking, history: list[Past]) -> list[Past]:
    """The milkings that say what is usual of the cow: of the 14 days before, without most of those that looked ill."""
    healthy = [past for past in history if not past.milking.withheld]
    window = [past for past in healthy if milking.at - past.milking.at <= WINDOW]
    if len(window) < _ENOUGH:
        window = healthy[-_ENOUGH:]
    suspect = sorted(
        (past for past in window if past.evidence is not None and past.evidence >= EVIDENCE_AT_65),
        key=lambda past: (-past.evidence, past.milking.at),
    )
    left_out = {id(past) for past in suspect[: int(len(window) * _LARGEST_SHARE_LEFT_OUT)]}
    return [past for past in window if id(past) not in left_out]


def _carried(milking: Milking, history: list[Past]) -> float:
    """What the cow's last scored milking adds."""
    last = next((past for past in reversed(history) if past.evidence is not None), None)
    if last is None:
        return 0.0
    days = (milking.at - last.milking.at) / timedelta(days=1)
    if days > _FORGOTTEN_AFTER_DAYS:
        return 0.0
    return _CARRIED * 0.5 ** max(days - 1, 0) * min(max(last.evidence, 0), _MOST_CARRIED_FROM)


def _conductivity(milking: Milking, usual: list[Past], norm: HerdNorm) -> _Sign | None:
    """Conductivity of the cow and of her quarters against their own baselines."""
    if milking.log_conductivity is None:
        return None
    past = [p.milking for p in usual if p.milking.log_conductivity is not None]
    course = norm.conductivity
    quarters = udder(milking.log_quarters, [m.log_quarters for m in past], course.spread, course.shift, norm.contrast)
    deviations, reasons = [], []
    value = milking.log_conductivity - course.at(milking)
    herd = norm.level_near(value)
    if quarters and quarters.level is not None and logarithm(milking.conductivity) is None:
        deviations.append(quarters.level)
    else:
        own = baseline([m.log_conductivity - course.at(m) for m in past], course.spread, herd, BETWEEN_COWS)
        if own:
            above = value - course.shift - own.center
            deviations.append(above / own.spread)
            if deviations[0] >= _SAID_FROM:
                reasons.append(f"Conductivity {100 * math.expm1(above):.0f} % above {_whose(own)}")
    if herd is not None and value - herd >= math.log(_ABSOLUTE_OVER_USUAL):
        reasons.append(f"Conductivity {100 * math.expm1(value - herd):.0f} % above the herd's usual")
    if quarters:
        deviations.append(quarters.contrast)
        reasons += quarters.reasons
    if not deviations:
        return None
    z = deviations[0] if len(deviations) == 1 else sum(deviations) / _TWO_CONDUCTIVITIES
    quarter = quarters.quarter if quarters and quarters.reasons else None
    return _Sign(of_conductivity(z), "; ".join(reasons) or None, quarter)


def _milk(milking: Milking, history: list[Past], usual: list[Past], norm: HerdNorm) -> _Sign | None:
    """Yield against her own usual: by the hour where the hours are known, else as it is."""
    if milking.log_yield is None:
        return None
    everything = [past.milking for past in history] + [milking]
    *rates, rate = log_rates(everything)
    counted = {id(past.milking) for past in usual}
    known = [(m, value) for m, value in zip(everything, rates, strict=False) if value is not None and id(m) in counted]
    course, value = norm.milk, rate
    if rate is None or len(known) < _ENOUGH:
        known = [(past.milking, past.milking.log_yield) for past in usual if past.milking.log_yield is not None]
        course, value = norm.milk_as_is, milking.log_yield
    own = baseline([value - course.at(m) for m, value in known], course.spread)
    if own is None:
        return None
    value -= course.at(milking) + course.shift
    z = -own.deviation(value) / course.tail
    drop = -100 * math.expm1(value - own.center)
    return _Sign(of_drop(z), f"Yield {drop:.0f} % below her usual" if z >= _SAID_FROM else None)


def _lactose(milking: Milking, usual: list[Past]) -> _Sign | None:
    """Lactose, which falls in an inflamed udder, against her own usual."""
    if logarithm(milking.lactose) is None:
        return None
    known = [past.milking.lactose for past in usual if logarithm(past.milking.lactose) is not None]
    own = baseline(known, _LACTOSE_SPREAD)
    if own is None:
        return None
    z = -own.deviation(milking.lactose)
    drop = own.center - milking.lactose
    return _Sign(of_drop(z), f"Lactose {drop:.2f} points below her usual" if z >= _SAID_FROM else None)


def _cells(milking: Milking, usual: list[Past], norm: HerdNorm) -> _Sign | None:
    """Somatic cells against her own usual, and half a unit more for each doubling over the subclinical limit."""
    if milking.log_scc is None:
        return None
    factor = norm.scc_factor or (1000 if milking.scc < SCC_IN_THOUSANDS_BELOW else 1)
    doublings = math.log2(milking.scc * factor / _SCC_HEALTHY)
    known = [math.log2(past.milking.scc * factor / _SCC_HEALTHY) for past in usual if past.milking.log_scc is not None]
    z = baseline(known, _SCC_SPREAD, 0.0, _SCC_BETWEEN_COWS).deviation(doublings)
    over_limit = max(doublings - math.log2(_SCC_SUBCLINICAL / _SCC_HEALTHY), 0)
    said = z >= _SAID_FROM or over_limit
    return _Sign(
        of_conductivity(z) + 0.5 * over_limit,
        f"Somatic cells {milking.scc * factor:,.0f}/mL" if said else None,
    )


def _blood(milking: Milking, usual: list[Past]) -> _Sign | None:
    """Blood seen by the meter."""
    seen = [past.milking.blood for past in usual if past.milking.blood is not None]
    if not milking.blood or sum(seen) > _BLOOD_IS_A_FLAG * max(len(seen), 3):
        return None
    return _Sign(BLOOD, "Blood in the milk")


def _whose(own: Baseline) -> str:
    """The name of a baseline in a reason."""
    if own.count == 0:
        return "the herd's usual (no milking of her own yet)"
    return f"her usual of {own.count} milking{'s' if own.count > 1 else ''}"
