"""What is usual of a cow: a mean that a few ill milkings hardly move, and the spread to judge a new value by."""

from dataclasses import dataclass
from statistics import median

# A value counts as at most so many spreads from the median (Huber's usual constant; 96 % as efficient as a mean).
_WINSOR = 1.5
# A cow's own spread is estimated from few values: it is mixed with the herd's as if that were so many more of them.
_SPREAD_WEIGHT = 10
# The median absolute deviation of n normal values is as uncertain as the standard deviation of 0.37 n.
_MAD_EFFICIENCY = 0.37
# The herd's mean stands for one milking of her own.
_MEAN_WEIGHT = 1
# The median absolute deviation of normal values is their standard deviation / 1.4826.
MAD_TO_SD = 1.4826


@dataclass(frozen=True)
class Baseline:
    """The usual value, the standard deviation of a *new* value around it, and how many values it stands on."""

    center: float
    spread: float
    count: int

    def deviation(self, value: float) -> float:
        """How many spreads a value lies above the usual."""
        return (value - self.center) / self.spread


def mad_spread(deviations: list[float]) -> float:
    """Standard deviation by the median absolute deviation (of values whose center is 0)."""
    return MAD_TO_SD * median(map(abs, deviations))


def baseline(
    values: list[float], spread: float, herd: float | None = None, between_cows: float = 0.0
) -> Baseline | None:
    """The baseline of a cow with these earlier values.

    :param spread: the herd's standard deviation within a cow
    :param herd: what is usual in the herd, drawn upon the more the fewer values she has; None where it is not known
    :param between_cows: standard deviation of the cows' own means in the herd
    :return: None where neither cow nor herd says anything
    """
    count = len(values)
    if not count:
        return Baseline(herd, (spread**2 + between_cows**2) ** 0.5, 0) if herd is not None else None
    middle = median(values)
    limit = _WINSOR * spread
    center = middle + sum(min(max(value - middle, -limit), limit) for value in values) / count
    # Meters that give one decimal make deviations of exactly 0; nobody is that regular.
    own = min(max(mad_spread([value - middle for value in values]), spread / 2), 2 * spread)
    weight = _MAD_EFFICIENCY * count
    variance = (weight * own**2 + _SPREAD_WEIGHT * spread**2) / (weight + _SPREAD_WEIGHT) * (1 + 1 / count)
    if herd is not None:
        share = _MEAN_WEIGHT / (count + _MEAN_WEIGHT)
        center += share * (herd - center)
        variance += (share * between_cows) ** 2
    return Baseline(center, variance**0.5, count)
