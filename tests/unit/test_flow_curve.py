"""The flow of a milking over its time."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smart_dairy_iot_milk.flow_curve import MOST_STEPS, features, make_curve

START = datetime(2026, 3, 1, 4, 30)


def after(seconds):
    return START + timedelta(seconds=seconds)


def curve_of(flows, every=1):
    """A curve of flows that were read every so many seconds."""
    points = [(after(number * every), flow) for number, flow in enumerate(flows)]
    return make_curve(points, START, after(len(flows) * every))


def test_a_short_milking_has_a_step_each_second():
    assert curve_of([0.0, 1.0, 2.5]) == {"step_seconds": 1, "flow_lpm": [0.0, 1.0, 2.5]}


def test_a_step_is_the_mean_of_what_was_read_in_it():
    curve = make_curve([(after(0), 1.0), (after(1), 2.0), (after(2), 4.0)], START, after(4), most=2)
    assert curve == {"step_seconds": 2, "flow_lpm": [1.5, 4.0]}


def test_where_nothing_was_read_there_is_nothing():
    curve = make_curve([(after(0), 1.0), (after(3), 2.0)], START, after(4))
    assert curve["flow_lpm"] == [1.0, None, None, 2.0]


def test_order_repetitions_and_what_is_no_flow_of_the_milking_make_no_difference():
    points = [(after(0), 1.0), (after(1), 2.0)]
    others = [(after(1), 2.0), (after(-1), 9.0), (after(3), 9.0), (after(0.5), None), (after(1.5), -1.0)]
    assert make_curve([*reversed(points), *others], START, after(2)) == make_curve(points, START, after(2))


def test_without_any_reading_there_is_no_curve():
    assert make_curve([], START, after(300)) is None
    assert features(None) == {"time_to_peak_seconds": 0, "low_flow_seconds": 0, "kick_off_count": 0}


def test_a_reading_at_the_very_end_belongs_to_the_last_step():
    assert make_curve([(after(2), 0.4)], START, after(2))["flow_lpm"] == [None, 0.4]


def test_a_milking_without_any_length_has_one_step():
    assert make_curve([(START, 0.4)], START, START) == {"step_seconds": 1, "flow_lpm": [0.4]}


@pytest.mark.parametrize("seconds", [1, 239, 240, 241, 300, 480, 481, 3600, 7200])
def test_a_curve_never_has_more_steps_than_are_shown(seconds):
    curve = make_curve([(after(seconds), 1.0)], START, after(seconds))
    assert len(curve["flow_lpm"]) <= MOST_STEPS
    assert len(curve["flow_lpm"]) * curve["step_seconds"] >= seconds


def test_time_to_the_peak():
    rising = [0.1 * second for second in range(41)] + [4.0] * 60 + [0.2] * 10
    assert features(curve_of(rising), peak=4.0)["time_to_peak_seconds"] == 38  # 3.8 of 4.0 L/min


def test_a_peak_that_only_the_meter_saw_is_reached_at_the_highest_step():
    assert features(curve_of([1.0, 2.0, 3.0, 2.0]), peak=6.0)["time_to_peak_seconds"] == 2


def test_seconds_of_low_flow_are_those_before_the_end():
    assert features(curve_of([0.3] * 10 + [3.0] * 60 + [0.4] * 25))["low_flow_seconds"] == 25
    assert features(curve_of([3.0] * 60 + [0.4] * 5, every=4))["low_flow_seconds"] == 20
    assert features(curve_of([3.0] * 60))["low_flow_seconds"] == 0


def test_a_milking_that_never_flowed_has_no_low_flow_at_its_end():
    assert features(curve_of([0.0] * 60))["low_flow_seconds"] == 0


@pytest.mark.parametrize(
    ("flows", "count"),
    [
        ([3.0] * 30 + [0.0] * 20 + [3.0] * 30, 1),
        ([3.0] * 30 + [0.0] * 20 + [3.0] * 30 + [0.05] * 6 + [0.6] * 30, 2),
        ([3.0] * 30 + [0.0] * 4 + [3.0] * 30, 0),  # a flutter
        ([3.0] * 30 + [0.0] * 5 + [3.0] * 30, 1),
        ([3.0] * 30 + [0.0] * 20, 0),  # the end
        ([3.0] * 30 + [0.0] * 20 + [0.4] * 10, 0),  # nothing came back
        ([3.0] * 30 + [0.0] * 20 + [0.4] * 2 + [2.0] * 10, 1),  # it came back slowly
        ([3.0, 2.0, 0.9, 0.5] + [0.0] * 20 + [3.0] * 30, 0),  # it dried up
        ([0.0] * 30 + [3.0] * 30, 0),  # before the first drop
        ([3.0] * 30 + [0.1] * 20 + [3.0] * 30, 0),
    ],
)
def test_kick_offs(flows, count):
    assert features(curve_of(flows))["kick_off_count"] == count


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0, 10), min_size=1, max_size=2000))
def test_what_flowed_is_the_yield(flows):
    """The mean flow times the time is the milk, but for what one step may hold."""
    curve = curve_of(flows)
    liters = sum(curve["flow_lpm"]) * curve["step_seconds"] / 60
    assert abs(liters - sum(flows) / 60) <= 10 * curve["step_seconds"] / 60 + 0.0005 * len(flows) / 60
