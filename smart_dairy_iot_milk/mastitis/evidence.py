"""How much a deviation of so many standard deviations speaks for mastitis.

The unit is the natural logarithm of a likelihood ratio, put to 0 where the cow is as usual: so what was not measured
counts as usual. The ratio is the one of two normal distributions that reproduce the known points of the conductivity
rules: at 1.10 times the cow's own mean .45 of ill and .04 of healthy milkings, at 1.15 times .28 and .01; with "or a
yield of at most 0.80 of her own mean" .65 and .10.
"""

import math
from statistics import NormalDist

_NORMAL = NormalDist()


def _spread_of_healthy() -> float:
    """Standard deviation of ln(conductivity / own mean) of healthy milkings: the mean of what the two points say."""
    return (math.log(1.10) / _NORMAL.inv_cdf(0.96) + math.log(1.15) / _NORMAL.inv_cdf(0.99)) / 2


def _ill() -> tuple[float, float]:
    """Mean and standard deviation of the same of ill milkings."""
    spread = math.log(1.15 / 1.10) / (_NORMAL.inv_cdf(1 - 0.28) - _NORMAL.inv_cdf(1 - 0.45))
    return math.log(1.10) - spread * _NORMAL.inv_cdf(1 - 0.45), spread


CONDUCTIVITY_SPREAD = _spread_of_healthy()  # 0.057
ILL_SHIFT, ILL_SPREAD = (figure / CONDUCTIVITY_SPREAD for figure in _ill())  # 1.45 and 1.70 healthy spreads

# (1 - .90) = .04 + .96 p and .65 = .45 + .55 q: p of healthy and q of ill milkings are at most 0.80 of the usual yield.
_YIELD_HEALTHY = _NORMAL.inv_cdf(1 - (0.10 - 0.04) / 0.96)
YIELD_SPREAD = -math.log(0.80) / _YIELD_HEALTHY  # 0.145
# The ill spread is taken to be as much larger as it is with conductivity.
YIELD_ILL_SHIFT = _YIELD_HEALTHY - ILL_SPREAD * _NORMAL.inv_cdf(1 - (0.65 - 0.45) / 0.55)  # 0.94

# Deviations in the good direction say next to nothing, but the order of two milkings stays.
_SLOPE_BELOW = 0.05


def _log_ratio(z: float, shift: float, largest: float, slope_beyond: float) -> float:
    """ln of the ratio of N(shift, ILL_SPREAD) to N(0, 1) at z, less its value at 0; made to rise everywhere, and beyond
    `largest` in a straight line, because real deviations have more outliers than normal ones."""
    square = (1 - ILL_SPREAD**-2) / 2
    straight = shift / ILL_SPREAD**2
    turn = -straight / (2 * square)
    inner = min(max(z, turn), largest)
    return square * inner**2 + straight * inner + _SLOPE_BELOW * min(z - turn, 0) + slope_beyond * max(z - largest, 0)


def of_conductivity(z: float) -> float:
    """Evidence of a conductivity z healthy spreads above the usual."""
    return _log_ratio(z, ILL_SHIFT, 4.0, 1.0)


def of_drop(z: float) -> float:
    """Evidence of a yield (or lactose) z healthy spreads *below* the usual.

    Less milk has many causes (heat, lameness, a milking broken off): from two spreads on it hardly counts for more, so
    that it supports other signs and does not reach an alert alone.
    """
    return _log_ratio(z, YIELD_ILL_SHIFT, 2.0, 0.1)


# Blood is seen in few milkings and is seldom mastitis alone: as much as two spreads of conductivity.
BLOOD = of_conductivity(2.0)
