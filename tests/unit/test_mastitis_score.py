"""The mastitis score as a function: what raises it, what cannot, and what is usual of a cow."""

import math
import random
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from smart_dairy_iot_milk.mastitis import HerdNorm, Milking, Past, Settings, herd_norm, score
from smart_dairy_iot_milk.mastitis.baseline import baseline
from smart_dairy_iot_milk.mastitis.evidence import CONDUCTIVITY_SPREAD, YIELD_SPREAD, of_conductivity, of_drop
from smart_dairy_iot_milk.mastitis.levels import EVIDENCE_AT_50, EVIDENCE_AT_65, evidence_of, score_of

NOW = datetime(2024, 5, 20, 6)
NORM = HerdNorm()


def usual(count=28, conductivity=5.5, yield_kg=14.0, every=12, noise=0.03, **values):
    """The milkings of a healthy cow before now, every twelve hours."""
    rng = random.Random(2)
    return [
        Past(
            Milking(
                NOW - timedelta(hours=every * back),
                yield_kg * math.exp(rng.gauss(0, 2 * noise)),
                conductivity * math.exp(rng.gauss(0, noise)),
                **values,
            ),
            0.0,
        )
        for back in range(count, 0, -1)
    ]


def now(**values):
    return Milking(NOW, **{"yield_kg": 14.0, "conductivity": 5.5, **values})


def value(milking, history=None, norm=NORM):
    return score(milking, usual() if history is None else history, norm).score


def test_the_constants_follow_from_the_known_points_of_the_rules():
    assert pytest.approx(0.0573, abs=1e-4) == CONDUCTIVITY_SPREAD
    assert pytest.approx(0.1455, abs=1e-4) == YIELD_SPREAD


def test_four_and_one_per_cent_of_healthy_milkings_reach_watch_and_warning_in_the_model():
    rng, evidence, found = random.Random(1), 0.0, []
    for _milking in range(100_000):
        evidence = of_conductivity(rng.gauss(0, 1)) + of_drop(rng.gauss(0, 1)) + 0.5 * min(max(evidence, 0), 4)
        found.append(evidence)
    assert sum(e >= EVIDENCE_AT_50 for e in found) / len(found) == pytest.approx(0.04, abs=0.003)
    assert sum(e >= EVIDENCE_AT_65 for e in found) / len(found) == pytest.approx(0.01, abs=0.0015)


def test_the_score_rises_with_the_evidence_everywhere_and_comes_back_from_it():
    steps = [step / 10 for step in range(-30, 400)]
    found = [score_of(step) for step in steps]
    assert all(a < b for a, b in pairwise(found))
    assert found[0] > 0 and found[-1] < 100
    assert (score_of(EVIDENCE_AT_50), score_of(EVIDENCE_AT_65)) == (50, pytest.approx(65))
    assert [evidence_of(score_of(e)) for e in (-0.5, 0, 3.05, 9)] == pytest.approx([-0.5, 0, 3.05, 9])


@pytest.mark.parametrize(
    "milkings",
    [
        [now(conductivity=c / 20) for c in range(60, 200)],
        [now(yield_kg=y / 5) for y in range(120, 5, -1)],
        [now(scc=1000 * 2 ** (n / 4)) for n in range(10, 60)],
        [now(lactose=n / 50) for n in range(260, 200, -1)],
        [now(blood=False), now(blood=True)],
    ],
    ids=["conductivity", "yield", "cells", "lactose", "blood"],
)
def test_the_worse_a_measure_the_higher_the_score(milkings):
    history = usual(scc=90_000.0, lactose=4.8, blood=False)
    norm = HerdNorm(scc_factor=1)
    found = [value(milking, history, norm) for milking in milkings]
    assert all(a < b for a, b in pairwise(found))


@pytest.mark.parametrize(
    ("missing", "as_usual"),
    [({"yield_kg": None}, {}), ({"conductivity": None}, {}), ({"scc": None}, {"scc": 100_000.0})],
)
def test_a_missing_value_scores_no_higher_than_a_usual_one(missing, as_usual):
    history = usual(scc=100_000.0, noise=0.0)
    norm = HerdNorm(scc_factor=1)
    assert value(now(**missing), history, norm) <= value(now(**as_usual), history, norm) + 1e-9


@pytest.mark.parametrize("measure", ["conductivity", "yield_kg", "scc", "lactose"])
@pytest.mark.parametrize("failed", [0.0, -1.0, None])
def test_zero_and_less_are_not_measured(measure, failed):
    verdict = score(now(**{measure: failed}), usual(), NORM)
    assert verdict.score <= value(now()) + 1
    assert verdict.level == "normal"


def test_with_conductivity_alone_the_score_orders_the_milkings_as_the_ratio_to_her_own_mean_does():
    history = [Past(replace(past.milking, yield_kg=None), 0.0) for past in usual()]
    ratios = [0.8 + step / 100 for step in range(100)]
    found = [value(Milking(NOW, None, 5.5 * ratio), history) for ratio in ratios]
    assert found == sorted(found)
    assert found[30] < 50 < found[60]  # 1.10 is a hint, 1.40 is an alert


def test_the_history_holds_nothing_later():
    with pytest.raises(ValueError, match="holds one of 2024-05-21"):
        score(now(), [Past(Milking(NOW + timedelta(days=1)))], NORM)


def test_another_milking_of_the_same_moment_is_left_aside():
    twin = Past(now(conductivity=9.0), 9.0)
    assert value(now(), [*usual(), twin]) == value(now())


def test_the_order_of_the_history_does_not_matter():
    assert value(now(conductivity=6.3), usual()[::-1]) == value(now(conductivity=6.3))


def test_an_illness_does_not_become_usual_within_a_week_but_a_new_level_does_within_three():
    history, found = usual(56), []
    for step in range(50):
        milking = Milking(NOW + timedelta(hours=12 * step), 14.0, 7.2)
        verdict = score(milking, [p for p in history if milking.at - p.milking.at <= timedelta(days=30)], NORM)
        history.append(Past(milking, verdict.evidence))
        found.append(verdict)
    assert all(verdict.level in ("warning", "critical") for verdict in found[:10])
    assert found[-1].level == "normal"


def test_a_single_outlier_is_forgotten():
    history = usual()
    spike = score(now(conductivity=9.0), history, NORM)
    assert spike.level == "critical"
    history.append(Past(now(conductivity=9.0), spike.evidence))
    after = score(Milking(NOW + timedelta(hours=12), 14.0, 5.5), history, NORM)
    assert after.level == "normal"
    assert "Conspicuous already at the milking before" in after.reasons


def test_a_slow_rise_counts_more_than_its_last_step():
    history = usual()
    middling = now(conductivity=5.9)
    history.append(Past(middling, score(middling, history, NORM).evidence))
    next_one = Milking(NOW + timedelta(hours=12), 14.0, 6.2)
    assert score(next_one, history, NORM).score > score(next_one, usual(), NORM).score


def test_what_was_carried_over_fades_with_the_days_and_ends():
    spike = Past(now(conductivity=9.0), 9.0)
    found = [
        score(Milking(NOW + timedelta(days=days), None, 5.5), [*usual(), spike], NORM).score for days in (1, 2, 3, 4)
    ]
    assert found[0] > found[1] > found[2] > found[3]


def test_withheld_milkings_are_no_measure_of_what_is_usual():
    treated = [Past(replace(p.milking, conductivity=8.0, withheld=True), None) for p in usual(10)]
    assert value(now(conductivity=6.6), usual(28)[:18] + treated) == pytest.approx(
        value(now(conductivity=6.6), usual(28)[:18]), abs=3
    )


def test_after_a_pause_of_a_month_a_cow_begins_anew():
    old = [Past(replace(p.milking, at=p.milking.at - timedelta(days=60)), p.evidence) for p in usual()]
    assert value(now(conductivity=7.0), old) == value(now(conductivity=7.0), [])


def test_the_first_milking_is_set_against_the_herd_where_there_is_one():
    alone = score(now(), [], NORM)
    assert (alone.level, alone.reasons) == (None, ("Nothing to compare with yet",))
    norm = HerdNorm(levels=tuple(math.log(5.5) for _cow in range(20)))
    high = score(now(conductivity=7.7), [], norm)
    assert high.score > score(now(), [], norm).score
    assert "no milking of her own yet" in high.reasons[0]
    # Her own milkings weigh more than the herd: the same ratio to her own usual is stronger.
    assert value(now(conductivity=7.7), usual(), norm) > high.score


def test_a_herd_in_another_unit_is_not_drawn_upon():
    norm = HerdNorm(levels=tuple(math.log(70) for _cow in range(20)))
    assert score(now(), [], norm).level is None


def test_a_quarter_that_rises_is_found_though_it_is_not_the_highest():
    """The left rear is always 15 % lower; when it is as high as the others, it has changed, and they have not."""
    history = [
        Past(
            replace(p.milking, conductivity=None, quarters=tuple(p.milking.conductivity * f for f in (1, 1, 0.85, 1))),
            0,
        )
        for p in usual()
    ]
    same = score(now(conductivity=None, quarters=(5.5, 5.5, 5.5 * 0.85, 5.5)), history, NORM)
    risen = score(now(conductivity=None, quarters=(5.5, 5.5, 5.5, 5.5)), history, NORM)
    assert same.level == "normal"
    assert risen.quarter == "lr"
    assert risen.score > same.score + 20


def test_what_moves_all_quarters_alike_counts_less_than_what_moves_one():
    history = [Past(replace(p.milking, conductivity=None, quarters=(p.milking.conductivity,) * 4), 0) for p in usual()]
    all_up = value(now(conductivity=None, quarters=(6.4,) * 4), history)
    one_up = value(now(conductivity=None, quarters=(5.5, 6.4, 5.5, 5.5)), history)
    assert one_up > all_up


@pytest.mark.parametrize("quarters", [(None, None, None, 7.0), (None,) * 4, (6.0, None, None, 7.0)])
def test_too_few_quarters_are_no_contrast(quarters):
    assert score(now(quarters=quarters), usual(), NORM).score == value(now())


def test_a_herd_that_moves_as_one_is_not_ill():
    """A meter set anew, or a hot day: what all cows show for three days is taken off."""
    rng = random.Random(3)
    rows = []
    for cow in range(30):
        for back in range(28, 0, -1):
            raised = 1.1 if back <= 6 else 1.0
            conductivity = 5.5 * raised * math.exp(rng.gauss(0, 0.02))
            rows.append((cow, Milking(NOW - timedelta(hours=12 * back), 14.0, conductivity)))
    norm = herd_norm(rows, NOW.replace(hour=0))
    assert norm.conductivity.shift > 0.05
    assert value(now(conductivity=6.05), norm=norm) < value(now(conductivity=6.05))


def test_the_norm_knows_the_course_of_the_day():
    rows = []
    for cow in range(20):
        for day in range(1, 14):
            for hour, factor in ((5, 0.96), (17, 1.04)):
                at = NOW.replace(hour=hour) - timedelta(days=day)
                rows.append((cow, Milking(at, 14.0, 5.5 * factor)))
    course = herd_norm(rows, NOW.replace(hour=0)).conductivity
    evening, morning = (course.at(Milking(NOW.replace(hour=hour))) for hour in (17, 5))
    assert evening - morning == pytest.approx(math.log(1.04 / 0.96), rel=0.2)


def test_where_many_milkings_are_cut_short_a_low_yield_says_less():
    rng = random.Random(2)
    cows = [
        (cow, Milking(NOW - timedelta(days=d, hours=h), 14.0 * math.exp(rng.gauss(0, 0.1)), 5.5))
        for cow in range(20)
        for d in range(1, 14)
        for h in (0, 12)
    ]
    cut = [(cow, replace(m, yield_kg=m.yield_kg * 0.5) if rng.random() < 0.1 else m) for cow, m in cows]
    day = NOW.replace(hour=0)
    assert herd_norm(cut, day).milk.tail > 1.3 > herd_norm(cows, day).milk.tail
    low = now(yield_kg=10.0)
    assert value(low, norm=herd_norm(cut, day)) < value(low, norm=herd_norm(cows, day))


def test_the_norm_uses_nothing_of_its_day_or_later():
    day = NOW.replace(hour=0)
    rows = [("a", past.milking) for past in usual()]
    later = [("a", Milking(day + timedelta(hours=n), 1.0, 50.0)) for n in (0, 6, 30)]
    assert herd_norm(rows + later, day) == herd_norm([r for r in rows if r[1].at < day], day)


@pytest.mark.parametrize(("unit", "factor"), [(1.0, 1), (0.001, 1000)])
def test_cells_are_understood_in_both_units(unit, factor):
    rows = [("a", Milking(NOW - timedelta(days=n + 1), scc=90_000 * unit)) for n in range(5)]
    norm = herd_norm(rows, NOW.replace(hour=0))
    assert norm.scc_factor == factor
    verdict = score(Milking(NOW, scc=800_000 * unit), [Past(m) for _cow, m in rows], norm)
    assert "Somatic cells 800,000/mL" in verdict.reasons


def test_a_column_of_blood_that_is_always_set_says_nothing():
    assert value(now(blood=True), usual(blood=True)) == value(now())


def test_the_levels_begin_where_a_farm_sets_them():
    assert score(now(conductivity=6.4), usual(), NORM, Settings(1, 2, 3)).level == "critical"
    assert score(now(), usual(), NORM, Settings(97, 98, 99)).level == "normal"


def test_the_baseline_is_not_moved_by_a_few_ill_values():
    healthy = [0.0] * 12
    assert baseline(healthy + [0.3] * 3, 0.05).center < 0.02
    assert baseline([0.0, 0.1], 0.05).count == 2
    assert baseline([], 0.05) is None


def test_a_cow_that_falls_ill_step_by_step_is_a_warning_within_two_milkings():
    """Conductivity 12 % higher with each milking, as in the simulated herd."""
    history, levels = usual(), []
    for step in (1, 2):
        milking = Milking(NOW + timedelta(hours=12 * (step - 1)), 14.0, 5.5 * (1 + 0.12 * step))
        verdict = score(milking, history, NORM)
        history.append(Past(milking, verdict.evidence))
        levels.append(verdict.level)
    assert levels[-1] in ("warning", "critical")
