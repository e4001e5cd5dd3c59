"""Simulated herds for the mastitis score: `python3 scripts/mastitis_trial.py [WORLD ...]` prints a table.

The table stands in docs/mastitis.md.

Healthy and ill milkings are drawn from distributions that reproduce the known points of the conductivity rules (see
smart_dairy_iot_milk/mastitis/evidence.py); the rules themselves are run first, and have to come out where they are
known to.
That is a check of the programme and of its robustness against gaps, units and tails, and no proof for a real herd.
"""

import argparse
import math
import random
import sys
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import fmean

sys.path.append(str(Path(__file__).resolve().parent.parent / "smart_dairy_iot_milk"))

from mastitis import DEFAULT, Milking, evidence
from mastitis.csv_rows import Row, verdicts

BEGIN = datetime(2024, 1, 1)
WARM_UP_DAYS = 15  # not counted: nobody has a baseline
CALM_MILKINGS = 6  # that end an episode, as in the addon


@dataclass(frozen=True)
class World:
    """A herd and its meters. Yields and conductivities are exp(normal) around each cow's own level."""

    name: str
    hours: tuple[float, ...] = (0,)  # of the milkings of a day; (0,) are cow-days
    quarters: bool = False
    missing: float = 0.0  # share of the values
    gaps: bool = False  # each cow is away for 5 days now and then, and the meters are set 6 % higher once
    unit: float = 1.0
    tails: bool = False  # errors of Student's t with 4 degrees of freedom instead of normal ones
    milk: bool = True
    case_days: tuple[int, int] = (1, 7)
    robot: bool = False  # each cow comes when she likes, every 5 to 13 hours
    restless: float = 0.0  # how much the cows' own spreads differ (of their logarithm)
    drift: float = 0.0  # of a cow's conductivity, from day to day, in spreads; it never comes back
    kicked_off: float = 0.0  # share of the milkings of which only a part was measured, down to a third
    milk_tells: bool = True  # whether illness lowers the yield at all
    first_day_only: bool = False  # whether the other days of a case are counted as healthy
    stay: int | None = None  # days for which a cow is in the file


WORLDS = (
    World("cow-days"),
    World("milkings", hours=(5.5, 16.5)),
    World("milkings, quarters", hours=(5.5, 16.5), quarters=True),
    World("cow-days, 20 % missing", missing=0.2),
    World("cow-days, gaps, a step, another unit", gaps=True, unit=12.7),
    World("cow-days, heavy tails", tails=True),
    World("cow-days, no yield", milk=False),
    World("cow-days, cases of one day, no yield", milk=False, case_days=(1, 1)),
    World("robot", robot=True),
    World("milkings, half of the values missing, unit 400 to 800", hours=(5.5, 16.5), missing=0.5, unit=100),
    World("cow-days, no yield, cows differ in spread", milk=False, restless=0.4),
    World("cow-days, no yield, every cow drifts", milk=False, drift=0.25),
    World("milkings, 10 % kicked off, yield tells nothing", hours=(5.5, 16.5), kicked_off=0.1, milk_tells=False),
    World("cow-days, yield tells nothing", milk_tells=False),
    World("cow-days, cows stay for 20 days", stay=20),
    World("cow-days, no yield, only the first day of a case counts", milk=False, first_day_only=True),
    World("cow-days, only the first day of a case counts", first_day_only=True),
)


@dataclass(frozen=True)
class Drawn:
    """One row and whether its cow counts as ill."""

    row: Row
    ill: bool


def draw(world: World, cows: int, days: int, seed: int) -> list[Drawn]:
    """The rows of a herd in order of time."""
    rng = random.Random(seed)
    drawn = []
    for cow in range(cows):
        drawn += _draw_cow(world, cow, days, rng)
    return sorted(drawn, key=lambda row: (row.row.milking.at, row.row.cow))


def _draw_cow(world: World, cow: int, days: int, rng: random.Random) -> list[Drawn]:
    level, milk_level = rng.gauss(math.log(5.5), 0.08), rng.gauss(math.log(30 / len(world.hours)), 0.2)
    offsets = [rng.gauss(0, 0.04) for _quarter in range(4)]
    # Half of the variance of a healthy cow's conductivity stays for some days, half is new each time.
    slow, case_left, severity, milk_loss, quarter = 0.0, 0, 0.0, 0.0, 0
    spread = evidence.CONDUCTIVITY_SPREAD * math.exp(rng.gauss(0, world.restless))
    away = rng.randrange(20, 40)
    first = rng.randrange(days) if world.stay else 0
    rows = []
    for day in range(days):
        if world.gaps and day >= away:
            if day >= away + 5:
                away += rng.randrange(20, 60)
            else:
                continue
        if world.stay and not first <= day < first + world.stay:
            continue
        begins = case_left == 0 and rng.random() < 0.004
        if begins:
            case_left, quarter = rng.randint(*world.case_days), rng.randrange(4)
            # Between cases lies what is wider in the ill than in the healthy.
            between = math.sqrt(evidence.ILL_SPREAD**2 - 1)
            severity = evidence.CONDUCTIVITY_SPREAD * rng.gauss(evidence.ILL_SHIFT, between)
            milk_loss = evidence.YIELD_SPREAD * rng.gauss(evidence.YIELD_ILL_SHIFT, between) * world.milk_tells
        ill = case_left > 0
        level += spread * rng.gauss(0, world.drift)
        for hour, share in _visits(world, rng):
            slow = 0.7 * slow + math.sqrt(1 - 0.7**2) * rng.gauss(0, 1)
            fast = _error(world, rng)
            conductivity = level + spread * (0.5 * slow + math.sqrt(0.75) * fast)
            conductivity += 0.03 * math.cos(math.tau * (hour - 16) / 24) if len(world.hours) > 1 else 0
            conductivity += 0.06 if world.gaps and day > days / 2 else 0
            values = [conductivity + offset + rng.gauss(0, 0.015) for offset in offsets]
            if ill:
                conductivity += severity
                values[quarter] += severity
            yield_kg = milk_level + math.log(share) + evidence.YIELD_SPREAD * _error(world, rng)
            yield_kg -= milk_loss if ill else 0
            if rng.random() < world.kicked_off:
                yield_kg += math.log(rng.uniform(0.3, 0.9))
            row = _row(world, cow, day, hour, conductivity, values, yield_kg, rng)
            rows.append(Drawn(row, begins if world.first_day_only else ill))
        case_left = max(case_left - 1, 0)
    return rows


def _visits(world: World, rng: random.Random) -> list[tuple[float, float]]:
    """Hour and share of a usual milking's milk of each milking of a day."""
    if not world.robot:
        return [(hour, 1.0) for hour in world.hours]
    hour, before, visits = rng.uniform(0, 8), -4.0, []
    while hour < 23.5:
        visits.append((round(hour, 2), max(hour - before, 4) / 24))
        before, hour = hour, hour + rng.uniform(5, 13)
    return visits


def _error(world: World, rng: random.Random) -> float:
    """An error of standard deviation 1."""
    if not world.tails:
        return rng.gauss(0, 1)
    return rng.gauss(0, 1) / math.sqrt(rng.gammavariate(2, 1) / 2) / math.sqrt(2)


def _row(world, cow, day, hour, conductivity, quarters, yield_kg, rng) -> Row:
    """The row as a meter gives it: with one or two decimals, and some values missing."""

    def seen(value: float, digits: int) -> float | None:
        return None if rng.random() < world.missing else round(math.exp(value), digits)

    unit = math.log(world.unit)
    return Row(
        "",
        str(cow),
        not world.robot and len(world.hours) == 1,
        Milking(
            BEGIN + timedelta(days=day, hours=hour),
            seen(yield_kg, 1) if world.milk else None,
            None if world.quarters else seen(conductivity + unit, 2),
            tuple(seen(value + unit, 2) for value in quarters) if world.quarters else (None,) * 4,
        ),
    )


def rule_ratios(rows: list[Drawn]) -> list[tuple[float, float]]:
    """Of each row conductivity and yield over the cow's own mean of the preceding 10 days; 1 where there is none."""
    earlier = defaultdict(list)
    found = []
    for drawn in rows:
        milking = drawn.row.milking
        past = [p for p in earlier[drawn.row.cow] if milking.at - p.at <= timedelta(days=10)]
        earlier[drawn.row.cow] = [*past, milking]
        found.append((_ratio(milking, past, _conductivity), _ratio(milking, past, lambda m: m.yield_kg)))
    return found


def _conductivity(milking: Milking) -> float | None:
    """The cow's conductivity, or her highest quarter's."""
    return math.exp(milking.log_conductivity) if milking.log_conductivity is not None else None


def _ratio(milking, past, value) -> float:
    known = [value(p) for p in past if value(p) is not None]
    return value(milking) / fmean(known) if known and value(milking) is not None else 1.0


def wilson(hits: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927)."""
    share, z2 = hits / of, 1.96**2
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = 1.96 * math.sqrt(share * (1 - share) / of + z2 / (4 * of**2)) / (1 + z2 / of)
    return middle - half, middle + half


def at_specificity(scores: list[float], ill: list[bool], specificity: float) -> tuple[float, int, int]:
    """Threshold, ill rows at or above it and healthy rows at or above it, of the lowest threshold that specific."""
    healthy = sorted((s for s, i in zip(scores, ill, strict=True) if not i), reverse=True)
    allowed = int(len(healthy) * (1 - specificity))
    threshold = math.nextafter(healthy[allowed], math.inf)
    hits = sum(i and s >= threshold for s, i in zip(scores, ill, strict=True))
    return threshold, hits, sum(s >= threshold for s in healthy)


@dataclass(frozen=True)
class Outcome:
    """What the rules and the score say of the rows of one herd that count."""

    cows: list[str]
    scores: list[float]
    ratios: list[tuple[float, float]]
    ill: list[bool]


def outcome(world: World, cows: int, days: int, seed: int) -> Outcome:
    """Draws a herd and judges it."""
    rows = draw(world, cows, days, seed)
    scores = [verdict.score for verdict in verdicts([drawn.row for drawn in rows])]
    ratios = rule_ratios(rows)
    start = BEGIN + timedelta(days=WARM_UP_DAYS)
    counted = [i for i, drawn in enumerate(rows) if drawn.row.milking.at >= start]
    return Outcome(
        [rows[i].row.cow for i in counted],
        [scores[i] for i in counted],
        [ratios[i] for i in counted],
        [rows[i].ill for i in counted],
    )


def alerts(herd: Outcome) -> int:
    """How often people are told: at a cow's first warning, once more when it is critical, and then not again before
    six calm milkings have passed."""
    told, calm, count = defaultdict(int), defaultdict(int), 0
    for cow, score in zip(herd.cows, herd.scores, strict=True):
        calm[cow] = calm[cow] + 1 if score < DEFAULT.watch else 0
        if calm[cow] >= CALM_MILKINGS:
            told[cow] = 0
        rank = (score >= DEFAULT.warning) + (score >= DEFAULT.critical)
        count += rank > told[cow]
        told[cow] = max(told[cow], rank)
    return count


def line(world: World, cows: int, days: int, seeds: range) -> str:
    """One world as a line of the table: several herds of it, each with a threshold of its own."""
    herds = [outcome(world, cows, days, seed) for seed in seeds]
    ill = [i for herd in herds for i in herd.ill]
    ratios = [ratio for herd in herds for ratio in herd.ratios]

    def rule(test) -> str:
        found = [test(*ratio) for ratio in ratios]
        return f"{_share(found, ill, True):.2f} / {1 - _share(found, ill, False):.3f}"

    def found(values, specificity: float) -> tuple[int, int]:
        """Ill and healthy rows at or above the thresholds of this specificity."""
        counts = [at_specificity(values(herd), herd.ill, specificity)[1:] for herd in herds]
        return sum(hits for hits, _alarms in counts), sum(alarms for _hits, alarms in counts)

    cells = [world.name, rule(lambda c, _y: c >= 1.10), rule(lambda c, _y: c >= 1.15)]
    cells.append(rule(lambda c, y: c >= 1.10 or y <= 0.80))
    by_rule = found(lambda herd: [conductivity for conductivity, _milk in herd.ratios], 0.96)
    cells.append(f"{by_rule[0] / sum(ill):.2f}")
    for specificity in (0.96, 0.99):
        hits, alarms = found(lambda herd: herd.scores, specificity)
        low, high = wilson(hits, sum(ill))
        cells.append(f"{hits / sum(ill):.2f} ({low:.2f}–{high:.2f})")
    cells.append(f"{100 * hits / (hits + alarms):.0f} %")
    cow_days = cows * (days - WARM_UP_DAYS) * len(herds)
    cells.append("–" if world.stay else f"{100 * sum(map(alerts, herds)) / cow_days:.1f}")
    return "| " + " | ".join(cells) + " |"


def _share(found: list[bool], ill: list[bool], of_ill: bool) -> float:
    chosen = [f for f, i in zip(found, ill, strict=True) if i == of_ill]
    return sum(chosen) / len(chosen)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("worlds", nargs="*", help="numbers of worlds, from 1 (default: all)", type=int)
    parser.add_argument("--cows", type=int, default=60)
    parser.add_argument("--days", type=int, default=200)
    parser.add_argument("--herds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1, help="of the first herd")
    options = parser.parse_args()
    print(
        "| world | ≥ 1.10: Se / Sp | ≥ 1.15 | ≥ 1.10 or yield ≤ 0.80 | ratio at Sp .96 | score at Sp .96 | at Sp .99 "
        "| PPV at .99 | alerts per 100 cows and day |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for number in options.worlds or range(1, len(WORLDS) + 1):
        seeds = range(options.seed, options.seed + options.herds)
        print(line(WORLDS[number - 1], options.cows, options.days, seeds), flush=True)


if __name__ == "__main__":
    main()
