"""The lactation curve of one cow: what she can be expected to give on a day, from what she gave on the days before.

Wilmink's curve, a + b t + c e^(-0.05 t) with t the days in milk, is linear in its parameters and so fitted in one step,
by least squares whose weights keep days of illness or of a lost record from bending it. No Odoo and no library.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

# Wilmink 1987: the rate of the rise after calving.
RISE = 0.05
_FEWEST_DAYS = 20
_SHORTEST_SPAN = 30
_PASSES = 10
# Huber's constant: residuals beyond so many robust standard deviations weigh less.
_HUBER = 1.345
_MAD_TO_SD = 1.4826
# The prior curve weighs as much as so many days of the cow's own.
_PRIOR_DAYS = 5
_SMALLEST_SD = 0.1  # litres a day: meters are no better


@dataclass(frozen=True)
class Curve:
    """Daily yield in litres by day in milk."""

    a: float
    b: float
    c: float
    residual_sd: float  # robust, litres a day
    days: int  # that it was fitted to

    def daily(self, day: float) -> float:
        """The litres to expect of a day; never less than none."""
        return max(sum(x * p for x, p in zip(_terms(day), (self.a, self.b, self.c), strict=True)), 0.0)

    @property
    def peak_day(self) -> float | None:
        """The day in milk of the highest yield; None where the curve has no peak after calving."""
        if self.b >= 0 or self.c >= 0:
            return None
        day = math.log(RISE * self.c / self.b) / RISE
        return day if day > 0 else None


def fit(
    days: Sequence[float],
    litres: Sequence[float],
    parity: int = 0,
    weights: Sequence[float] | None = None,
    prior: Curve | None = None,
) -> Curve | None:
    """The curve of one lactation.

    :param days: in milk, each with the litres of that day
    :param parity: number of the lactation; a first one has no peak to speak of, so its rise is held more firmly
    :param weights: of the days, 1 where left out
    :param prior: the herd's curve for this parity, which counts as some days of the cow's own
    :return: None of fewer than 20 days or less than 30 days from the first to the last
    """
    if len(days) < _FEWEST_DAYS or max(days) - min(days) < _SHORTEST_SPAN:
        return None
    weights = list(weights) if weights is not None else [1.0] * len(days)
    rows = [_terms(day) for day in days]
    robust = [1.0] * len(days)
    parameters, spread = (0.0, 0.0, 0.0), 0.0
    for _pass in range(_PASSES):
        combined = [w * r for w, r in zip(weights, robust, strict=True)]
        parameters = _least_squares(rows, litres, combined, parity, prior)
        residuals = [y - _value(row, parameters) for row, y in zip(rows, litres, strict=True)]
        spread = max(_MAD_TO_SD * median(map(abs, residuals)), _SMALLEST_SD)
        robust = [min(1.0, _HUBER * spread / abs(residual)) if residual else 1.0 for residual in residuals]
    return Curve(*parameters, spread, len(days))


def total_by_test_intervals(days: Sequence[float], litres: Sequence[float], last_day: float = 305) -> float:
    """Yield to a day in milk by ICAR's Test Interval Method, in the unit of `litres`.

    The first test counts from calving, between two tests their mean, the last to `last_day` at most.

    :param days: days in milk of the tests, rising
    :param litres: of those days
    """
    tests = [(day, amount) for day, amount in zip(days, litres, strict=True) if day <= last_day]
    if not tests:
        return 0.0
    total = tests[0][0] * tests[0][1]
    for (day, amount), (next_day, next_amount) in pairwise(tests):
        total += (next_day - day) * (amount + next_amount) / 2
    return total


def _terms(day: float) -> tuple[float, float, float]:
    """What a, b and c are multiplied by."""
    return 1.0, float(day), math.exp(-RISE * day)


def _value(row: Sequence[float], parameters: Sequence[float]) -> float:
    return sum(x * p for x, p in zip(row, parameters, strict=True))


def _least_squares(rows, litres, weights, parity, prior):
    """a, b and c by the normal equations, with the pull of a prior where there is one.

    Without days soon after calving c cannot be known: a little of a ridge keeps it near 0 (near the prior's).
    """
    matrix = [[0.0] * 3 for _row in range(3)]
    right = [0.0] * 3
    for row, y, weight in zip(rows, litres, weights, strict=True):
        for i in range(3):
            right[i] += weight * row[i] * y
            for j in range(3):
                matrix[i][j] += weight * row[i] * row[j]
    if prior is not None:
        # As if she had been milked on days of the prior's curve, spread over the lactation.
        for day in (10, 40, 100, 200, 300):
            row, weight = _terms(day), _PRIOR_DAYS / 5
            for i in range(3):
                right[i] += weight * row[i] * prior.daily(day)
                for j in range(3):
                    matrix[i][j] += weight * row[i] * row[j]
    else:
        matrix[2][2] += 0.1 if parity == 1 else 0.01
    return _solve(matrix, right)


def _solve(matrix, right):
    """The solution of three linear equations (Gauss with pivots)."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for i in range(3):
        pivot = max(range(i, 3), key=lambda k: abs(rows[k][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for k in range(3):
            if k != i:
                factor = rows[k][i] / rows[i][i]
                rows[k] = [x - factor * y for x, y in zip(rows[k], rows[i], strict=True)]
    return tuple(rows[i][3] / rows[i][i] for i in range(3))
