"""A meter against a scale: figures worked out by hand, at and beside each limit."""

import pytest

from smart_dairy_iot_milk.calibration import Limits, figures


def test_three_pairs_give_bias_spread_and_mean_per_cent():
    # +0.3, -0.1 and +0.1 kg on 10 kg each.
    found = figures([(10.3, 10.0), (9.9, 10.0), (10.1, 10.0)])
    assert found.pairs == 3
    assert found.bias_kg == pytest.approx(0.1)
    assert found.sd_kg == pytest.approx(0.2)
    assert found.mean_percent == pytest.approx(1.0)
    assert found.passed


def test_the_mean_of_the_per_cent_is_not_the_per_cent_of_the_mean():
    found = figures([(2.2, 2.0), (20.0, 20.0), (20.0, 20.0)])
    assert found.mean_percent == pytest.approx(10 / 3)


def test_two_pairs_say_nothing():
    assert figures([(10.0, 10.0)] * 2) is None


def test_a_weight_of_nothing_is_refused():
    with pytest.raises(ValueError, match="greater than 0"):
        figures([(10.0, 10.0), (10.0, 0.0), (10.0, 10.0)])


@pytest.mark.parametrize(("weight", "limit"), [(2.0, 0.2), (10.0, 0.2), (10.5, 0.21), (20.0, 0.4)])
def test_the_limit_of_the_bias_is_200_grams_up_to_10_kg_and_2_per_cent_above(weight, limit):
    assert Limits().bias(weight) == pytest.approx(limit)
    assert figures([(weight + limit, weight)] * 3).passed
    assert figures([(weight - limit, weight)] * 3).passed
    assert not figures([(weight + limit + 0.002, weight)] * 3).bias_holds
    assert not figures([(weight - limit - 0.002, weight)] * 3).passed


@pytest.mark.parametrize(("weight", "limit"), [(4.0, 0.5), (10.0, 0.5), (20.0, 1.0)])
def test_the_limit_of_the_spread_is_500_grams_up_to_10_kg_and_5_per_cent_above(weight, limit):
    def spread(sd):
        # Three values a, 0, -a have the standard deviation a.
        return figures([(weight + sd, weight), (weight, weight), (weight - sd, weight)])

    assert spread(limit).sd_kg == pytest.approx(limit)
    assert spread(limit).passed
    assert not spread(limit + 0.002).sd_holds
    assert spread(limit + 0.002).bias_holds
    assert not spread(limit + 0.002).passed


def test_the_limits_are_the_farm_s():
    strict = Limits(bias_kg=0.05, bias_percent=0.5, sd_kg=0.1, sd_percent=1.0)
    assert figures([(10.1, 10.0)] * 3).passed
    assert not figures([(10.1, 10.0)] * 3, strict).passed


@pytest.mark.parametrize(("shown", "before", "after"), [(10.0, 1.0, 1.0), (10.2, 1.0, 0.98039), (9.5, 1.1, 1.15789)])
def test_the_new_factor_makes_the_meter_show_what_was_weighed(shown, before, after):
    found = figures([(shown, 10.0)] * 3)
    assert found.factor(before) == pytest.approx(after, abs=1e-5)
    assert shown / before * found.factor(before) == pytest.approx(10.0)
