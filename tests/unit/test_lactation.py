"""The lactation curve: found again from what it made, with gaps, noise and illness, and refused of too little."""

import random

import pytest

from smart_dairy_iot_milk import lactation
from smart_dairy_iot_milk.lactation import Curve, fit

TRUE = Curve(38.0, -0.05, -18.0, 1.0, 0)


def milked(days, noise=0.0, seed=1):
    rng = random.Random(seed)
    return [TRUE.daily(day) + rng.gauss(0, noise) for day in days]


def test_a_curve_without_noise_is_found_again():
    days = list(range(1, 200))
    curve = fit(days, milked(days), 2)
    assert (curve.a, curve.b, curve.c) == pytest.approx((38.0, -0.05, -18.0), rel=0.01)
    assert curve.residual_sd == pytest.approx(0.1)
    assert curve.peak_day == pytest.approx(TRUE.peak_day, abs=0.5)


@pytest.mark.parametrize("seed", range(5))
def test_noise_of_two_litres_and_missing_weeks_move_it_by_less_than_one(seed):
    days = [day for day in range(1, 150) if not 40 <= day < 60 and day % 3]
    curve = fit(days, milked(days, 2.0, seed), 3)
    assert all(abs(curve.daily(day) - TRUE.daily(day)) < 1.3 for day in range(10, 150, 10))
    assert curve.residual_sd == pytest.approx(2.0, rel=0.4)


def test_a_week_of_illness_hardly_bends_it():
    days = list(range(5, 120))
    litres = [amount * (0.5 if 60 <= day < 67 else 1) for day, amount in zip(days, milked(days, 1.0), strict=True)]
    assert fit(days, litres, 2).daily(64) == pytest.approx(TRUE.daily(64), abs=1.0)


@pytest.mark.parametrize("days", [range(1, 20), range(100, 125), [1] * 30, []])
def test_too_few_days_or_too_short_a_time_give_no_curve(days):
    days = list(days)
    assert fit(days, milked(days), 2) is None


@pytest.mark.parametrize("parity", [1, 2])
def test_days_late_in_lactation_alone_give_a_curve_that_holds_there(parity):
    days = list(range(150, 250))
    curve = fit(days, milked(days, 1.0), parity)
    assert curve.daily(200) == pytest.approx(TRUE.daily(200), abs=0.5)
    assert curve.daily(260) == pytest.approx(TRUE.daily(260), abs=1.5)


def test_the_herds_curve_fills_what_the_cow_has_not_shown_yet():
    days = list(range(1, 35))
    alone = fit(days, milked(days, 1.5), 2)
    drawn = fit(days, milked(days, 1.5), 2, prior=TRUE)
    assert abs(drawn.daily(250) - TRUE.daily(250)) < abs(alone.daily(250) - TRUE.daily(250))
    assert drawn.daily(250) == pytest.approx(TRUE.daily(250), abs=3)


def test_a_day_of_weight_0_does_not_count():
    days = list(range(1, 60))
    litres = milked(days)
    wrong = [*litres[:-1], 500.0]
    weights = [1.0] * (len(days) - 1) + [0.0]
    assert fit(days, wrong, 2, weights).daily(58) == pytest.approx(TRUE.daily(58), abs=0.1)


def test_no_yield_is_expected_below_none():
    assert Curve(5.0, -1.0, 0.0, 1.0, 30).daily(100) == 0.0


def test_a_curve_that_only_falls_or_only_rises_has_no_peak():
    assert Curve(30.0, -0.1, 5.0, 1.0, 30).peak_day is None
    assert Curve(30.0, 0.1, -5.0, 1.0, 30).peak_day is None


def test_the_total_by_test_intervals_is_the_hand_computed_one():
    # 20 days of 30, 30 days of 31, 30 days of 29, as in a lactation of three tests.
    assert lactation.total_by_test_intervals([20, 50, 80], [30, 32, 26]) == pytest.approx(20 * 30 + 30 * 31 + 30 * 29)
    assert lactation.total_by_test_intervals([20, 50, 320], [30, 32, 26]) == pytest.approx(20 * 30 + 30 * 31)
    assert lactation.total_by_test_intervals([], []) == 0
