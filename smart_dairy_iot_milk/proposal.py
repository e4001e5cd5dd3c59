"""Who was probably milked, where no tag told: by the yield, by the order in which the cows come, and by their pens.

All milkings without an animal of one shift are looked at together with all cows that are missing from it: each cow is
one of them at most once. What speaks for a pair are three things that do not depend on each other, added as negative
log-likelihoods:

* yield: ln(yield / expected) is normal with SD 0.15 [M], or 0.45 where nothing of the cow is known;
* order: the cow's place in the last shifts of the same half day (0 the first cow, 1 the last) scatters around its mean
  with an SD of her own, at least 0.04; as that SD is made of a few shifts, by Student's t;
* pen: where pens come one after the other, the cows before and behind are of hers.

The best assignment as a whole is found by the Hungarian method. How certain each of its pairs is comes from the same
figures, balanced until each cow is given away at most once (Sinkhorn); what is left of a milking's probability belongs
to a cow that nobody thinks of. A proposal is one for a person to accept: nothing is ever assigned by it.

This module imports nothing of Odoo.
"""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

#: A pair less certain than this is not proposed: from here on nine of ten were right in simulated herds.
CERTAIN_ENOUGH = 0.6

YIELD_SD = 0.15
UNKNOWN_YIELD_SD = 0.45
# Two cows change places, and a shift is longer or shorter than the last: nobody's place is known better than this.
ORDER_SD_MIN = 0.04
ORDER_SD_UNKNOWN = 0.30
# Shifts in which a cow was seen before her own scatter is believed.
ORDER_SHIFTS_MIN = 3
# Part of the cows that are in another pen's group, or for which the pen was not yet changed.
PEN_STRAY = 0.03
#: What a tag speaks for its wearer, though it was not certain: about e^3 = 20 to 1.
TAG_BONUS = 3.0
#: What a fragment that is none of a cow's tags speaks against her.
FRAGMENT_PENALTY = 3.0
# A cow that nobody thinks of (of another farm, dry by the records) fits any milking this badly. Above the cost of a
# milking whose cow is 2.5 SD off in yield and in order.
_SOMEBODY_ELSE = 6.0
_IMPOSSIBLE = 1e6
# Milkings solved at once; a shift that knows fewer of its cows than that gives little to go by anyway.
MOST_AT_ONCE = 30
_BALANCING_ROUNDS = 60


@dataclass(frozen=True)
class UnknownMilking:
    """A milking without an animal.

    :param id: any identity
    :param yield_liters: what was milked
    :param place: its place in the shift, 0 the first and 1 the last; None where the shift is too small to say
    :param pens: dict pen -> how many of the cows next to it are of it
    :param tagged: identities of the animals whose tags were read, none of them for certain
    :param contradicted: identities of the animals whose tags are none of the fragments that were read
    """

    id: object
    yield_liters: float
    place: float | None = None
    pens: dict = field(default_factory=dict)
    tagged: frozenset = frozenset()
    contradicted: frozenset = frozenset()


@dataclass(frozen=True)
class Candidate:
    """An animal that is missing from the shift.

    :param id: any identity
    :param expected_liters: what she gives in such a milking; None where it is not known
    :param places: her places in the last shifts of this half day, each 0 to 1
    :param pen: hers, None where it is not known
    :param busy: identities of the milkings that cannot be hers, since she was milked elsewhere about then
    """

    id: object
    expected_liters: float | None = None
    places: tuple = ()
    pen: object = None
    busy: frozenset = frozenset()


class Reason(NamedTuple):
    """What a proposal rests on; None for what was not known.

    :param expected_liters: what she gives in such a milking
    :param usual_place: her usual place, 0 to 1
    :param of_pen: share of the cows next to this milking that are of her pen
    :param tag: whether her tag was read
    """

    expected_liters: float | None
    usual_place: float | None
    of_pen: float | None
    tag: bool


class Proposal(NamedTuple):
    """An animal that was probably milked, with its certainty (0 to 1) and its `Reason`."""

    milking: object
    animal: object
    certainty: float
    reason: Reason


def propose(milkings, candidates):
    """Find the likely animals of milkings of one shift.

    :param milkings: list of `UnknownMilking`
    :param candidates: list of `Candidate`
    :return: list of `Proposal`, in the order of the milkings; none for those nobody can tell
    """
    proposals = []
    left = list(candidates)
    for start in range(0, len(milkings), MOST_AT_ONCE):
        found = _propose(milkings[start : start + MOST_AT_ONCE], left)
        proposals += found
        taken = {proposal.animal for proposal in found}
        left = [candidate for candidate in left if candidate.id not in taken]
    return proposals


def _propose(milkings, candidates):
    if not milkings or not candidates:
        return []
    costs = [[cost(milking, candidate) for candidate in candidates] for milking in milkings]
    # Each milking may be of somebody else, and of its own somebody: a column for each.
    with_others = [
        row + [_SOMEBODY_ELSE if other == number else _IMPOSSIBLE for other in range(len(milkings))]
        for number, row in enumerate(costs)
    ]
    chosen = cheapest_assignment(with_others)
    certainties = _balanced(costs)
    proposals = []
    for number, (milking, column) in enumerate(zip(milkings, chosen, strict=True)):
        if column < len(candidates) and certainties[number][column] >= CERTAIN_ENOUGH:
            candidate = candidates[column]
            reason = _reason(milking, candidate)
            proposals.append(Proposal(milking.id, candidate.id, certainties[number][column], reason))
    return proposals


def cost(milking, candidate):
    """How badly a milking fits an animal: its negative log-likelihood, up to what is the same for all animals."""
    if milking.id in candidate.busy:
        return _IMPOSSIBLE
    total = _yield_cost(milking, candidate) + _order_cost(milking, candidate) + _pen_cost(milking, candidate)
    if candidate.id in milking.tagged:
        total -= TAG_BONUS
    if candidate.id in milking.contradicted:
        total += FRAGMENT_PENALTY
    return total


def _yield_cost(milking, candidate):
    if not candidate.expected_liters or milking.yield_liters <= 0:
        # As badly as the average of cows of which nothing is known.
        return 0.5 + math.log(UNKNOWN_YIELD_SD / YIELD_SD)
    return math.log(milking.yield_liters / candidate.expected_liters) ** 2 / (2 * YIELD_SD**2)


def _order_cost(milking, candidate):
    if milking.place is None:
        return 0.0
    mean, deviation = usual_place(candidate.places)
    if mean is None:
        return 0.5 + math.log(ORDER_SD_UNKNOWN / ORDER_SD_MIN)
    freedom = max(1, len(candidate.places) - 1)
    off = ((milking.place - mean) / deviation) ** 2
    return (freedom + 1) / 2 * math.log1p(off / freedom) + math.log(deviation / ORDER_SD_MIN)


def usual_place(places):
    """Mean and SD of a cow's place in the shift; (None, None) where she has none yet."""
    if not places:
        return None, None
    mean = sum(places) / len(places)
    if len(places) < ORDER_SHIFTS_MIN:
        return mean, ORDER_SD_UNKNOWN
    variance = sum((place - mean) ** 2 for place in places) / (len(places) - 1)
    # The mean of a few places is itself uncertain.
    return mean, max(ORDER_SD_MIN, math.sqrt(variance * (1 + 1 / len(places))))


def _pen_cost(milking, candidate):
    share = _of_pen(milking, candidate)
    return 0.0 if share is None else -math.log(PEN_STRAY + (1 - PEN_STRAY) * share)


def _of_pen(milking, candidate):
    around = sum(milking.pens.values())
    if candidate.pen is None or not around:
        return None
    return milking.pens.get(candidate.pen, 0) / around


def _reason(milking, candidate):
    mean, _deviation = usual_place(candidate.places)
    return Reason(
        candidate.expected_liters or None,
        None if milking.place is None else mean,
        _of_pen(milking, candidate),
        candidate.id in milking.tagged,
    )


def cheapest_assignment(costs):
    """Give each row a column of its own so that the sum is smallest: the Hungarian method (Kuhn, Munkres), O(n² m).

    :param costs: rows of equal length, no more rows than columns
    :return: list of the column of each row
    """
    columns = len(costs[0])
    row_price, column_price = [0.0] * (len(costs) + 1), [0.0] * (columns + 1)
    # Rows and columns count from 1; column 0 stands for the row that is being placed.
    row_of = [0] * (columns + 1)
    for row in range(1, len(costs) + 1):
        row_of[0], column = row, 0
        slack, came_from, seen = [math.inf] * (columns + 1), [0] * (columns + 1), [False] * (columns + 1)
        while row_of[column]:
            seen[column] = True
            current, step, following = row_of[column], math.inf, 0
            for other in range(1, columns + 1):
                if seen[other]:
                    continue
                reduced = costs[current - 1][other - 1] - row_price[current] - column_price[other]
                if reduced < slack[other]:
                    slack[other], came_from[other] = reduced, column
                if slack[other] < step:
                    step, following = slack[other], other
            for other in range(columns + 1):
                if seen[other]:
                    row_price[row_of[other]] += step
                    column_price[other] -= step
                else:
                    slack[other] -= step
            column = following
        while column:
            row_of[column] = row_of[came_from[column]]
            column = came_from[column]
    chosen = {row: column - 1 for column, row in enumerate(row_of) if row and column}
    return [chosen[row] for row in range(1, len(costs) + 1)]


def _balanced(costs):
    """Probability of each pair, where a milking has one cow and a cow at most one milking.

    :return: rows like `costs`; what a row lacks to 1 is the probability of somebody else
    """
    weights = [[math.exp(-value) if value < _IMPOSSIBLE / 2 else 0.0 for value in row] for row in costs]
    somebody = math.exp(-_SOMEBODY_ELSE)
    row_factors, column_factors = [1.0] * len(weights), [1.0] * len(weights[0])
    for _round in range(_BALANCING_ROUNDS):
        for number, row in enumerate(weights):
            total = somebody + sum(
                weight * factor for weight, factor in zip(row, column_factors, strict=True) if weight
            )
            row_factors[number] = 1 / total
        for number in range(len(column_factors)):
            given = sum(row[number] * factor for row, factor in zip(weights, row_factors, strict=True) if row[number])
            column_factors[number] = 1 / max(given, 1.0)
    return [
        [weight * row_factor * factor for weight, factor in zip(row, column_factors, strict=True)]
        for row, row_factor in zip(weights, row_factors, strict=True)
    ]
