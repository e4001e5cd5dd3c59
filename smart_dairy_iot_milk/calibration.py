"""A milk meter against a scale: bias, spread, verdict and the factor that follows. No Odoo in here.

ICAR's limits of the error of milk meters, and a field check of at least three pairs whose differences in per cent set
the factor. The limits are settings of the farm; these are their defaults.
"""

from dataclasses import dataclass
from statistics import fmean, stdev

#: Pairs below which nothing can be said.
LEAST_PAIRS = 3
#: Days until the next routine check.
VALID_DAYS = 365


@dataclass(frozen=True)
class Limits:
    """What a meter may be off: in kg up to 10 kg a milking, in per cent above; the greater of the two holds."""

    bias_kg: float = 0.2
    bias_percent: float = 2.0
    sd_kg: float = 0.5
    sd_percent: float = 5.0

    def bias(self, weight):
        """The limit of the mean difference at a weight, both in kg."""
        return max(self.bias_kg, weight * self.bias_percent / 100)

    def sd(self, weight):
        """The limit of the differences' standard deviation at a weight, both in kg."""
        return max(self.sd_kg, weight * self.sd_percent / 100)


@dataclass(frozen=True)
class Figures:
    """What some pairs say of a meter: kg, but for `mean_percent`; the limits are those at the pairs' mean weight."""

    pairs: int
    bias_kg: float
    sd_kg: float
    mean_percent: float
    limit_bias: float
    limit_sd: float

    @property
    def bias_holds(self):
        # A difference of a gram is none: scales do not show less, and sums of binary fractions do.
        return abs(self.bias_kg) <= self.limit_bias + 1e-6

    @property
    def sd_holds(self):
        return self.sd_kg <= self.limit_sd + 1e-6

    @property
    def passed(self):
        return self.bias_holds and self.sd_holds

    def factor(self, before):
        """The factor with which the meter would have shown the scale's mean, from the one with which it was tested."""
        return before / (1 + self.mean_percent / 100)


def figures(pairs, limits=Limits()):
    """What pairs of (shown, weighed) in kg say; None with fewer than three.

    :raises ValueError: a weight that is none
    """
    if any(weighed <= 0 for _shown, weighed in pairs):
        raise ValueError("A weight is greater than 0.")
    if len(pairs) < LEAST_PAIRS:
        return None
    differences = [shown - weighed for shown, weighed in pairs]
    weight = fmean(weighed for _shown, weighed in pairs)
    return Figures(
        pairs=len(pairs),
        bias_kg=fmean(differences),
        sd_kg=stdev(differences),
        mean_percent=fmean(100 * (shown - weighed) / weighed for shown, weighed in pairs),
        limit_bias=limits.bias(weight),
        limit_sd=limits.sd(weight),
    )
