"""What is done every so often, and what is said of silent devices, goes by no clock that somebody may set."""

from datetime import datetime, timedelta

import pytest

from smart_dairy_iot.bridge.liveness import Listening
from smart_dairy_iot.bridge.schedule import Schedule

NOON = datetime(2026, 3, 1, 12)


class Clocks:
    """The one that counts seconds, and the one on the wall, which can be set."""

    def __init__(self):
        self.seconds = 1000.0
        self.now = NOON

    def go_on(self, seconds):
        self.seconds += seconds
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clocks():
    return Clocks()


def test_it_is_due_at_first_and_then_every_interval(clocks):
    schedule = Schedule(lambda: clocks.seconds)
    found = []
    for _second in range(7):
        found.append(schedule.is_due("health", 3))
        clocks.go_on(1)
    assert found == [True, False, False, True, False, False, True]
    assert schedule.is_due("outbox", 3), "each by itself"


@pytest.fixture
def listening(clocks):
    return Listening(lambda: clocks.seconds)


def test_one_listens_from_the_first_moment_to_the_next_break(clocks, listening):
    assert listening.since(False, clocks.now) is None
    clocks.go_on(1)
    assert listening.since(True, clocks.now) == NOON + timedelta(seconds=1)
    clocks.go_on(3600)
    assert listening.since(True, clocks.now) == NOON + timedelta(seconds=1)
    assert listening.since(False, clocks.now) is None
    clocks.go_on(1)
    assert listening.since(True, clocks.now) == clocks.now


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(minutes=-2)], ids=str)
def test_where_the_clock_is_set_one_begins_to_listen_anew(clocks, listening, jump):
    listening.since(True, clocks.now)
    clocks.go_on(3600)
    clocks.now += jump
    assert listening.since(True, clocks.now) == clocks.now
    since = clocks.now
    clocks.go_on(3600)
    assert listening.since(True, clocks.now) == since


def test_a_clock_that_is_slowly_set_right_is_the_same_clock(clocks, listening):
    listening.since(True, clocks.now)
    for _minute in range(60):
        clocks.go_on(60)
        clocks.now += timedelta(seconds=1)
        assert listening.since(True, clocks.now) == NOON
