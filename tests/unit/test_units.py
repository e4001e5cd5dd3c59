"""Litres and kilograms of milk."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smart_dairy_iot_milk.exchange.units import to_kilograms, to_liters


def test_a_litre_of_milk_weighs_1_03_kilograms():
    assert to_kilograms(10) == 10.3
    assert to_liters(10.3) == 10


@given(st.integers(0, 100_000), st.floats(0.9, 1.1))
def test_a_millilitre_survives_the_way_there_and_back(milliliters, density):
    assert to_liters(to_kilograms(milliliters / 1000, density), density) == pytest.approx(milliliters / 1000, abs=1e-9)
