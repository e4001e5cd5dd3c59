"""What milkings tell of the machine: norms at their limits, slow milkers, and meters that drift."""

import random
from dataclasses import replace
from math import exp

import pytest

from smart_dairy_iot_milk.equipment import (
    DRIFT_COWS,
    LEAST_MILKINGS,
    Milking,
    Norms,
    drifts,
    own_flows,
    point_figures,
    problems,
)

GOOD = Milking("p1", "c1", "am", 12.0, 38.0, 60, 62.0, 0, 2.5)


def kinds(milking, own_flow=None, norms=None):
    return [problem.kind for problem in problems(milking, norms or Norms(), own_flow)]


def test_a_milking_within_the_norms_is_fine():
    assert kinds(GOOD, own_flow=2.4) == []


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("vacuum", (32.0, 42.0), (31.99, 42.01)),
        ("pulsation_rate", (55, 65), (54, 66)),
        ("pulsation_ratio", (60.0, 65.0), (59.9, 65.1)),
        ("kick_offs", (0, 2), (3, 4)),
    ],
)
def test_a_norm_includes_its_limits(name, inside, outside):
    for value in inside:
        assert kinds(replace(GOOD, **{name: value})) == []
    for value in outside:
        assert kinds(replace(GOOD, **{name: value})) == [name]


def test_what_was_not_measured_is_not_judged():
    assert kinds(Milking("p1", "c1", "am", 12.0), own_flow=2.4) == []
    assert kinds(replace(GOOD, vacuum=None, pulsation_rate=None, pulsation_ratio=None, kick_offs=None)) == []


def test_the_norms_are_the_farm_s():
    assert kinds(replace(GOOD, vacuum=45.0), norms=Norms(vacuum=(40.0, 50.0))) == []


@pytest.mark.parametrize(
    ("flow", "own", "slow"),
    [
        (0.99, 2.0, True),
        (1.0, 2.0, False),
        (0.61, 1.0, False),
        (0.59, 1.0, True),
        (0.5, None, False),
        (0.0, 2.0, False),
    ],
)
def test_a_cow_is_slow_below_1_l_per_minute_and_well_below_her_own_flow(flow, own, slow):
    assert ("slow" in kinds(replace(GOOD, mean_flow=flow), own_flow=own)) is slow


def test_a_cow_s_own_flow_takes_five_milkings():
    flows = [("c1", flow) for flow in (1.0, 2.0, 3.0, 9.0, 2.5)] + [("c2", 2.0)] * 4 + [(None, 1.0)] * 9 + [("c1", 0.0)]
    assert own_flows(flows) == {"c1": 2.5}


def test_a_point_is_to_be_checked_from_a_tenth_of_twenty_milkings_on():
    low = replace(GOOD, vacuum=30.0)

    def to_check(outside, all_together=LEAST_MILKINGS):
        return point_figures([low] * outside + [GOOD] * (all_together - outside), Norms())["p1"].to_check

    assert to_check(1) == {}
    assert to_check(2) == {"vacuum": 0.1}
    assert to_check(19, 19) == {}


def test_a_point_s_figures_are_means_of_what_was_measured():
    milkings = [GOOD, replace(GOOD, cow="c2", vacuum=40.0, kick_offs=3), Milking("p1"), Milking("p2")]
    figures = point_figures(milkings, Norms())
    assert (figures["p1"].milkings, figures["p1"].cows, figures["p1"].kick_offs) == (3, {"c1", "c2"}, 3)
    assert (figures["p1"].vacuum, figures["p1"].pulsation_rate) == (39.0, 60)
    assert figures["p1"].outside_share == pytest.approx(1 / 3)
    assert (figures["p2"].vacuum, figures["p2"].to_check) == (None, {})


def parlour(off, seed=6, cows=120, points=16, days=14, spread=0.10, place=None):
    """A fortnight of milkings: cows differ by half, mornings give more, and point 3 shows `off` too much."""
    rng = random.Random(seed)
    for cow in range(cows):
        level = 13.0 * exp(rng.gauss(0, 0.25))
        for _day in range(days):
            for half, share in (("am", 1.1), ("pm", 0.9)):
                point = place(cow, rng) if place else rng.randrange(points)
                liters = level * share * exp(rng.gauss(0, spread)) * (1 + off if point == 3 else 1)
                yield Milking(point, cow + 1, half, liters)


def drifting(milkings):
    return {point for point, drift in drifts(milkings).items() if drift.drifts}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("off", [0.05, -0.05])
def test_a_meter_that_is_off_by_5_per_cent_is_found_among_sixteen(off, seed):
    found = drifts(parlour(off, seed))
    assert {point for point, drift in found.items() if drift.drifts} == {3}
    assert found[3].ratio == pytest.approx(off, abs=3 * found[3].error)


def test_a_meter_that_is_off_by_4_per_cent_is_found_in_most_fortnights():
    assert sum(3 in drifting(parlour(0.04, seed)) for seed in range(10)) >= 7


@pytest.mark.parametrize("seed", range(5))
def test_a_meter_that_is_off_by_1_per_cent_is_not(seed):
    assert drifting(parlour(0.01, seed)) == set()


def test_one_odd_cow_is_no_drift():
    # She gives thrice as much wherever point 3 is concerned: an udder that was let go for a day.
    milkings = [
        replace(milking, liters=milking.liters * (3 if milking.cow == 1 and milking.point == 3 else 1))
        for milking in parlour(0.0)
    ]
    assert drifting(milkings) == set()


def test_good_cows_at_one_point_do_not_make_its_meter_drift():
    """Of the cows that are milked at point 3 too, the best are milked there most often."""

    def place(cow, rng):
        return 3 if cow < 40 and rng.random() < 0.5 else rng.randrange(16)

    milkings = [replace(m, liters=m.liters * (1.5 if m.cow <= 40 else 1)) for m in parlour(0.0, place=place)]
    assert drifting(milkings) == set()


def test_cows_that_are_always_milked_at_the_same_point_tell_nothing():
    found = drifts(parlour(0.5, place=lambda cow, rng: cow % 16))
    assert not any(drift.is_known or drift.drifts for drift in found.values())
    assert len(found) == 16


def test_a_few_cows_tell_nothing():
    found = drifts(parlour(0.5, cows=DRIFT_COWS - 1))
    assert not any(drift.is_known for drift in found.values())


def test_milkings_without_a_cow_or_without_milk_are_left_out():
    assert drifts([Milking(1, None, "am", 9.0), Milking(2, 7, "am", 0.0)]) == {}
