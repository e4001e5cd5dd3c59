"""The simulated bulk tank: warm milk in, cooled by ISO 5708, emptied once a day, and hot when its compressor stops."""

from datetime import datetime, timedelta, timezone

import pytest

from simulation.parlour import Schedule
from simulation.tank import COMPRESSOR_WATTS, RATED_LITRES, BulkTank

START = datetime(2026, 3, 1, tzinfo=timezone.utc)
FIRST = timedelta(hours=6)
SECOND = timedelta(hours=18)


class Inflow:
    """A parlour that gives `litres` evenly in the hour after each of the given times."""

    def __init__(self, litres, *starts):
        self.litres = litres
        self.starts = starts

    def inflow(self, begin, end):
        overlaps = (min(end, start + timedelta(hours=1)) - max(begin, start) for start in self.starts)
        return sum(self.litres * max(overlap / timedelta(hours=1), 0) for overlap in overlaps)


def readings(tank, since, hours):
    series = []
    for minute in range(int(hours * 60)):
        at = since + timedelta(minutes=minute)
        tank.advance(at, room=15.0)
        series.append((at, tank.celsius))
    return series


def make_tank(parlour, **options):
    return BulkTank(parlour, Schedule(FIRST, SECOND), START, **options)


def test_a_full_tank_is_cooled_from_35_to_4_degrees_in_three_hours():
    tank = make_tank(Inflow(0))
    tank.litres, tank.celsius = RATED_LITRES, 35.0
    tank.advance(START + timedelta(minutes=179), room=15.0)
    assert tank.celsius > 4.0
    tank.advance(START + timedelta(minutes=181), room=15.0)
    assert tank.celsius < 4.05


def test_what_the_compressor_used_is_told_once():
    tank = make_tank(Inflow(0))
    tank.litres, tank.celsius = RATED_LITRES, 35.0
    tank.advance(START + timedelta(hours=2), room=15.0)
    assert tank.take_energy() == pytest.approx(2 * COMPRESSOR_WATTS)
    assert tank.take_energy() == 0


def test_the_first_milk_into_an_empty_tank_comes_in_warm_and_is_cold_two_hours_after_milking():
    tank = make_tank(Inflow(700, START + FIRST))
    tank.advance(START + FIRST, room=15.0)
    assert tank.litres == 0
    series = readings(tank, START + FIRST, 5)
    assert max(celsius for _at, celsius in series) > 30
    after = dict(series)[START + FIRST + timedelta(hours=3)]
    assert after < 7.0
    assert series[-1][1] < 4.6


def test_later_milk_warms_the_cold_milk_but_stays_below_the_blend_limit():
    tank = make_tank(Inflow(700, START + FIRST, START + SECOND))
    tank.advance(START + SECOND, room=15.0)
    before = tank.celsius
    warmest = max(celsius for _at, celsius in readings(tank, START + SECOND, 3))
    assert before < 4.6
    assert before + 3 < warmest < 16


def test_cold_milk_is_held_between_the_thermostat_s_limits():
    tank = make_tank(Inflow(700, START + FIRST))
    series = readings(tank, START + timedelta(hours=12), 12)
    assert min(celsius for _at, celsius in series) > 3.4
    assert max(celsius for _at, celsius in series) < 4.6


def test_the_lorry_empties_it_before_the_first_milking_of_each_day():
    tank = make_tank(Inflow(700, START + FIRST))
    tank.advance(START + timedelta(hours=4), room=15.0)
    assert tank.litres == 600
    tank.advance(START + timedelta(hours=5), room=15.0)
    assert tank.litres == 0
    tank.advance(START + timedelta(hours=20), room=15.0)
    assert tank.litres == pytest.approx(700)
    tank.advance(START + timedelta(days=1, hours=5), room=15.0)
    assert tank.litres == 0


def test_without_its_compressor_the_milk_stays_hot():
    tank = make_tank(Inflow(700, START + FIRST), broken_from=START + timedelta(hours=1))
    series = readings(tank, START + FIRST, 6)
    assert series[-1][1] > 28


def test_the_size_of_the_steps_does_not_change_the_curve():
    one, many = make_tank(Inflow(700, START + FIRST)), make_tank(Inflow(700, START + FIRST))
    one.advance(START + timedelta(hours=9), room=15.0)
    for minute in range(9 * 60 + 1):
        many.advance(START + timedelta(minutes=minute), room=15.0)
    assert one.celsius == pytest.approx(many.celsius, abs=0.01)
