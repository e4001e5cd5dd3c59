"""The simulated herd: lactation curves, milk, tags, heat and mastitis are those of cows."""

import math
from collections import Counter
from datetime import date, datetime, timedelta, timezone

import pytest

from simulation.herd import CURVES, Herd, WoodCurve

DAY = date(2026, 3, 1)
MORNING = datetime(2026, 3, 1, 5, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def herd():
    return Herd.generate(1, DAY)


def test_wood_curve_gives_the_values_of_its_formula():
    # a t^b e^(-ct) by hand: 20 * 10^0.2 * e^(-0.04) and 20 * 100^0.2 * e^(-0.4)
    curve = WoodCurve(a=20.0, b=0.2, c=0.004)
    assert curve.daily_yield(10) == pytest.approx(30.4548, abs=1e-3)
    assert curve.daily_yield(100) == pytest.approx(33.6755, abs=1e-3)
    assert curve.peak_day == pytest.approx(50)


@pytest.mark.parametrize("parity", sorted(CURVES))
def test_each_lactation_peaks_where_wood_says_and_persists_to_its_end(parity):
    curve = CURVES[parity]
    best = max(range(1, 306), key=curve.daily_yield)
    assert best == pytest.approx(curve.peak_day, abs=1)
    assert 40 <= best <= 85
    assert 0.4 < curve.daily_yield(305) / curve.daily_yield(best) < 0.8


def test_305_day_yields_are_those_of_a_holstein_herd_and_grow_with_parity():
    totals = [sum(CURVES[parity].daily_yield(day) for day in range(1, 306)) for parity in (1, 2, 3)]
    assert totals == sorted(totals)
    assert totals[0] == pytest.approx(8163, abs=50)
    assert totals[2] == pytest.approx(10515, abs=50)


def test_sixty_cows_stand_in_three_pens_by_lactation_stage(herd):
    pens = Counter(cow.pen for cow in herd.cows.values())
    assert sum(pens.values()) == 60
    assert set(pens) == {"HIGH", "LOW", "DRY"}
    assert min(pens.values()) >= 5
    for cow in herd.cows.values():
        assert cow.calved <= DAY
        assert (cow.pen == "HIGH") == (cow.days_in_milk(DAY) <= 140)
        assert (cow.pen == "DRY") == (cow.days_in_milk(DAY) > 340)


def test_a_milking_is_the_share_of_the_day_since_the_last_one(herd):
    """Over the herd: half a day's interval gives half of the curve's daily yield, within the day-to-day noise."""
    cows = [cow for cow in herd.cows.values() if cow.is_milked]
    expected = sum(CURVES[min(cow.parity, 3)].daily_yield(cow.days_in_milk(DAY)) * cow.yield_factor / 2 for cow in cows)
    given = sum(herd.milk(cow, MORNING, 12).litres for cow in cows)
    assert given == pytest.approx(expected, rel=0.03)
    assert all(2 < herd.milk(cow, MORNING, 12).litres < 35 for cow in cows)


def test_the_tag_is_one_animal_in_both_its_forms(herd):
    cow = herd.cows[17]
    assert cow.tag_decimal == "999100000000017"
    # ISO 11784: animal flag, country 999 in ten bits, 38 bits of number.
    assert cow.tag_code >> 63 == 1
    assert cow.tag_code >> 38 & 0x3FF == 999
    assert cow.tag_code & (1 << 38) - 1 == 100000000017


def test_mastitis_raises_conductivity_and_cells_and_lowers_yield_milking_by_milking():
    healthy = Herd.generate(1, DAY)
    ill = healthy.with_mastitis({17: MORNING})
    cow = healthy.cows[17]
    ratios = []
    for milking in range(6):
        at = MORNING + milking * timedelta(hours=12)
        before, after = healthy.milk(cow, at, 12), ill.milk(cow, at, 12)
        ratios.append(after.conductivity / before.conductivity)
        if milking:
            assert after.litres < before.litres
            assert after.somatic_cells > before.somatic_cells
    assert ratios == sorted(ratios)
    assert ratios[0] == pytest.approx(1.0, abs=0.005)
    assert ratios[-1] == pytest.approx(1.6, abs=0.01)
    assert ill.milk(healthy.cows[1], MORNING, 12) == healthy.milk(healthy.cows[1], MORNING, 12)


def test_a_cow_in_heat_walks_more_and_ruminates_less(herd):
    hours = [MORNING + timedelta(hours=hour) for hour in range(21 * 24)]
    open_cow = next(cow for cow in herd.cows.values() if 40 <= cow.days_in_milk(DAY) <= 90)
    in_heat = [at for at in hours if open_cow.in_heat(at)]
    assert len(in_heat) == pytest.approx(14, abs=1)
    calm = [at - timedelta(days=2) for at in in_heat]

    def mean(field, times):
        return sum(herd.behaviour(open_cow, at)[field] for at in times) / len(times)

    assert mean("steps", in_heat) > 2 * mean("steps", calm)
    assert mean("rumination_minutes", in_heat) < 0.9 * mean("rumination_minutes", calm)


def test_a_day_of_a_cow_has_plausible_rest_and_rumination(herd):
    hours = [MORNING + timedelta(hours=hour) for hour in range(24)]
    behaviours = [herd.behaviour(herd.cows[45], at) for at in hours]
    assert 400 < sum(behaviour["rumination_minutes"] for behaviour in behaviours) < 600
    assert 9 * 60 < sum(behaviour["lying_time_minutes"] for behaviour in behaviours) < 14 * 60
    assert all(b["lying_time_minutes"] + b["standing_time_minutes"] == 60 for b in behaviours)


def test_a_herd_found_in_the_register_keeps_its_calvings(herd):
    moved = herd.with_calvings({17: (date(2026, 2, 1), 4, "HIGH")})
    assert moved.cows[17].days_in_milk(DAY) == 28
    assert moved.cows[17].parity == 4
    assert moved.cows[17].pen == "HIGH"
    assert moved.cows[17].conductivity == herd.cows[17].conductivity
    assert moved.cows[18] == herd.cows[18]


def test_another_seed_is_another_herd():
    cows, others = Herd.generate(1, DAY).cows, Herd.generate(2, DAY).cows
    assert sum(cows[number] != others[number] for number in cows) == 60


def test_cell_counts_are_log_normal_around_a_healthy_median(herd):
    counts = sorted(cow.somatic_cells for cow in herd.cows.values())
    assert 50_000 < counts[30] < 150_000
    assert math.log(counts[-1] / counts[0]) > 2
