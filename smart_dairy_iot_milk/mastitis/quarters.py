"""Which quarter stands out, and how far.

Each quarter is set against its own usual first, so that one that is always high, or always low, is seen for what
changed. In a healthy udder the four move in parallel from day to day (Linzell, Peaker and Rowell, J. Agric. Sci.): what
moves all four alike is no sign of mastitis.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .baseline import baseline
from .evidence import CONDUCTIVITY_SPREAD
from .milking import QUARTERS

# ln of highest / mean of the two lowest quarters of a healthy udder, and how it varies in one cow and between cows.
QUARTER_CONTRAST = 0.06
_SPREAD = 0.05
_BETWEEN_COWS = 0.06
_ENOUGH = 5  # milkings for a quarter's own baseline
_ABOVE_LOWEST = 1.20  # always said
_SAID_FROM = 1.0

Logarithms = tuple[float | None, ...]


@dataclass(frozen=True)
class Udder:
    """What the quarters say: deviations in healthy spreads, sentences, and the quarter they speak of.

    `level` is the largest rise of a quarter over its own usual, None where that is not known yet; `contrast` how far
    the highest lies above the two lowest, against what is usual.
    """

    level: float | None
    contrast: float
    reasons: tuple[str, ...]
    quarter: str


def contrast_of(quarters: Logarithms) -> float | None:
    """Highest less mean of the two lowest of the quarters' logarithms; None of fewer than three quarters.

    Mollenhorst, van der Tol and Hogeveen 2010 (J. Dairy Sci. 93:3358) divide by the mean of the two lowest.
    """
    known = sorted(value for value in quarters if value is not None)
    return known[-1] - (known[0] + known[1]) / 2 if len(known) >= 3 else None


def udder(
    now: Logarithms, past: Sequence[Logarithms], spread: float, shift: float, herd_contrast: float
) -> Udder | None:
    """What the quarters of one milking say; None where fewer than three of them are measured.

    :param past: the quarters of the milkings that say what is usual of the cow
    :param spread: the herd's spread of conductivity within a cow
    :param shift: how far the herd's conductivity lies above its usual
    :param herd_contrast: the herd's usual contrast, for a cow that has no baseline yet
    """
    if contrast_of(now) is None:
        return None
    own = _against_own(now, past)
    if own:
        rises, earlier = own
        highest = max((value, index) for index, value in enumerate(rises) if value is not None)[1]
        levels = baseline([max(value for value in values if value is not None) for values in earlier], spread)
        level = (rises[highest] - shift - levels.center) / levels.spread
        contrasts = baseline([contrast_of(values) for values in earlier], _SPREAD)
        contrast = contrasts.deviation(contrast_of(rises))
    else:
        highest = max((value, index) for index, value in enumerate(now) if value is not None)[1]
        level = None
        contrast = baseline([], _SPREAD, herd_contrast, _BETWEEN_COWS).deviation(contrast_of(now))
    name = QUARTERS[highest].upper()
    reasons = []
    if level is not None and level >= _SAID_FROM:
        reasons.append(f"Conductivity of {name} {100 * math.expm1(rises[highest] - shift):.0f} % above its usual")
    over_lowest = math.exp(now[highest] - min(value for value in now if value is not None))
    if over_lowest >= _ABOVE_LOWEST or contrast >= _SAID_FROM:
        reasons.append(f"{name} {100 * (over_lowest - 1):.0f} % above the lowest quarter")
    return Udder(level, contrast, tuple(reasons), QUARTERS[highest])


def _against_own(now: Logarithms, past: Sequence[Logarithms]) -> tuple[Logarithms, list[Logarithms]] | None:
    """Each quarter now and earlier less its own usual; None where three of them have no usual yet."""
    centers = [_center([values[index] for values in past if values[index] is not None]) for index in range(4)]
    rises = _less(now, centers)
    earlier = [values for values in (_less(values, centers) for values in past) if contrast_of(values) is not None]
    return (rises, earlier) if contrast_of(rises) is not None and len(earlier) >= _ENOUGH else None


def _center(values: list[float]) -> float | None:
    """The usual of one quarter; None where it was hardly ever measured."""
    return baseline(values, CONDUCTIVITY_SPREAD).center if len(values) >= _ENOUGH else None


def _less(values: Logarithms, centers: Sequence[float | None]) -> Logarithms:
    """Each quarter less its center, where both are known."""
    return tuple(
        value - center if value is not None and center is not None else None
        for value, center in zip(values, centers, strict=True)
    )
