"""The simulated farm's time: from the past to the wall clock, never beyond."""

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation.clock import SimulationClock

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


class Wall:
    """A wall clock that is set by hand, and an Event whose waiting moves it."""

    def __init__(self, at=NOON):
        self.at = at
        self.waited = 0.0
        self.stopped = False

    def __call__(self):
        return self.at

    def is_set(self):
        return self.stopped

    def wait(self, seconds):
        self.waited += seconds
        self.at += timedelta(seconds=seconds)


def test_a_day_at_1440_times_is_caught_up_with_in_a_minute():
    wall = Wall()
    clock = SimulationClock(NOON - timedelta(days=1), 1440, wall)
    assert clock.now() == NOON - timedelta(days=1)
    wall.at += timedelta(seconds=30)
    assert clock.now() == NOON - timedelta(hours=12)
    assert not clock.is_live
    wall.at += timedelta(seconds=31)
    assert clock.is_live
    assert clock.now() == wall.at


@given(
    days=st.floats(0, 30),
    speed=st.floats(1.01, 100_000),
    steps=st.lists(st.floats(-5, 5_000), max_size=20),
)
def test_simulated_time_never_passes_the_wall_clock_even_when_that_is_set_back(days, speed, steps):
    wall = Wall()
    clock = SimulationClock(NOON - timedelta(days=days), speed, wall)
    for step in steps:
        wall.at += timedelta(seconds=step)
        assert clock.now() <= wall.at


def test_a_clock_without_history_is_live_at_once():
    assert SimulationClock(NOON, 1440, Wall()).is_live


def test_waiting_for_a_time_in_the_past_takes_its_share_of_real_time():
    wall = Wall()
    clock = SimulationClock(NOON - timedelta(days=1), 1440, wall)
    assert clock.wait_until(NOON - timedelta(hours=12), wall)
    assert wall.waited == pytest.approx(30)
    assert clock.now() >= NOON - timedelta(hours=12)


def test_waiting_for_a_live_time_ends_at_that_time_of_the_wall_clock():
    wall = Wall()
    clock = SimulationClock(NOON - timedelta(days=1), 1440, wall)
    assert clock.wait_until(NOON + timedelta(minutes=5), wall)
    assert wall.at == NOON + timedelta(minutes=5)


def test_a_stopped_wait_ends_at_once_and_says_so():
    wall = Wall()
    clock = SimulationClock(NOON - timedelta(days=1), 1440, wall)
    wall.stopped = True
    assert not clock.wait_until(NOON + timedelta(days=1), wall)
    assert wall.waited == 0


@pytest.mark.parametrize(("start", "speed"), [(NOON + timedelta(seconds=1), 10), (NOON, 1), (NOON, 0.5)])
def test_a_start_in_the_future_or_a_speed_that_never_catches_up_is_refused(start, speed):
    with pytest.raises(ValueError):
        SimulationClock(start, speed, Wall())
