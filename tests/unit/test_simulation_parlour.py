"""The simulated parlour: flow, order of milking, who measures what, and what the meters say."""

from collections import defaultdict
from datetime import datetime, timedelta, timezone
from itertools import pairwise

import pytest

from simulation.herd import Herd
from simulation.layout import stalls
from simulation.messages import Cadence
from simulation.parlour import FlowCurve, Parlour, Schedule

START = datetime(2026, 3, 1, tzinfo=timezone.utc)
LIVE = datetime(2026, 3, 2, 5, tzinfo=timezone.utc)


@pytest.fixture
def parlour():
    herd = Herd.generate(1, START.date())
    schedule = Schedule(timedelta(hours=17), timedelta(hours=5))
    return Parlour(herd, stalls(), schedule, START, Cadence(timedelta(seconds=30), timedelta(seconds=2), LIVE))


def shift(parlour, start):
    return [m for m in parlour.milkings(start + timedelta(seconds=1)) if start <= m.start < start + timedelta(hours=6)]


@pytest.mark.parametrize("litres", [0.5, 3.0, 12.0, 25.0])
def test_the_volume_is_the_integral_of_the_flow_and_ends_at_the_yield(litres):
    curve = FlowCurve.for_yield(litres, peak_flow=4.2)
    seconds = [tenth / 10 for tenth in range(int(curve.duration * 10) + 1)]
    assert sum(curve.flow(second) / 600 for second in seconds) == pytest.approx(litres, rel=0.01)
    assert curve.volume(curve.duration) == pytest.approx(litres)
    assert max(curve.flow(second) for second in seconds) <= 4.2 + 1e-9


def test_a_usual_milking_takes_some_minutes():
    assert 180 < FlowCurve.for_yield(14.0, 4.2).duration < 420


def test_every_milked_cow_is_milked_once_per_shift_and_no_dry_cow(parlour):
    milked = sorted(m.cow.number for m in shift(parlour, LIVE))
    herd = Herd.generate(1, START.date())
    assert milked == sorted(cow.number for cow in herd.cows.values() if cow.is_milked)


def test_a_stall_holds_one_cow_at_a_time_and_a_side_leaves_together(parlour):
    by_stall = defaultdict(list)
    by_side = defaultdict(list)
    for milking in shift(parlour, LIVE):
        by_stall[milking.stall].append(milking)
        by_side[milking.stall.side].append(milking)
    assert len(by_stall) == 10
    for milkings in by_stall.values():
        for earlier, later in pairwise(milkings):
            assert later.start > earlier.end
    for milkings in by_side.values():
        first, second = milkings[:5], milkings[5:10]
        assert min(m.start for m in second) > max(m.end for m in first)


def test_modbus_meters_take_part_only_once_the_clock_is_live(parlour):
    past = shift(parlour, START + timedelta(hours=17))
    live = shift(parlour, LIVE)
    assert len(past) == len(live)
    assert not any(m.stall.is_modbus for m in past)
    assert {m.stall.meter_id for m in live if m.stall.is_modbus} == {"MM003", "MM004"}


def test_a_shift_that_is_running_when_the_clock_goes_live_takes_the_modbus_meters_in():
    herd = Herd.generate(1, START.date())
    schedule = Schedule(timedelta(hours=17), timedelta(hours=5))
    live = LIVE + timedelta(minutes=20)
    parlour = Parlour(herd, stalls(), schedule, START, Cadence(timedelta(seconds=30), timedelta(seconds=2), live))
    modbus = [m for m in shift(parlour, LIVE) if m.stall.is_modbus]
    assert modbus
    assert all(m.start >= live for m in modbus)


def test_no_milking_begins_before_the_simulation(parlour):
    assert min(m.start for m in parlour.milkings(LIVE)) == START + timedelta(hours=5)


def sessions(parlour, until):
    found = defaultdict(list)
    for message in parlour.messages():
        if message.at > until:
            return found
        found[message.payload["session_id"]].append(message)
    raise AssertionError("the messages ended")


def test_each_session_on_mqtt_grows_and_ends_with_one_final_message(parlour):
    end = START + timedelta(hours=12)
    found = sessions(parlour, end)
    milkings = {m.session_id: m for m in parlour.milkings(end)}
    assert found.keys() == milkings.keys()
    for session_id, messages in found.items():
        payloads = [message.payload for message in messages]
        yields = [payload["yield_liters"] for payload in payloads]
        assert yields == sorted(yields)
        assert [payload["milking"] for payload in payloads] == [True] * (len(payloads) - 1) + [False]
        milking = milkings[session_id]
        assert yields[-1] == pytest.approx(milking.milk.litres, abs=0.001)
        assert payloads[-1]["quality"]["somatic_cell_count"] == milking.milk.somatic_cells
        assert payloads[-1]["rfid_tag"] == milking.cow.tag_decimal
        assert payloads[-1]["duration_seconds"] == round(milking.curve.duration)


def test_messages_are_thirty_seconds_apart_in_the_past_and_two_when_live(parlour):
    found = sessions(parlour, LIVE + timedelta(hours=1))
    for messages in found.values():
        gaps = [later.at - earlier.at for earlier, later in pairwise(messages)]
        expected = timedelta(seconds=2 if messages[0].at >= LIVE else 30)
        assert set(gaps[:-1]) == {expected}
        assert gaps[-1] <= expected


def test_a_modbus_meter_shows_the_cow_in_its_stall_then_her_final_yield(parlour):
    milking = next(m for m in shift(parlour, LIVE) if m.stall.meter_id == "MM003")
    middle = milking.start + (milking.end - milking.start) / 2
    running = parlour.on_meter("MM003", middle).registers(middle)
    assert running["milking"] is True
    assert running["rfid"] == milking.cow.tag_code
    assert 0 < running["yield_liters"] < milking.milk.litres
    after = milking.end + timedelta(seconds=10)
    ended = parlour.on_meter("MM003", after).registers(after)
    assert ended["milking"] is False
    assert ended["flow_rate"] == 0
    assert ended["yield_liters"] == pytest.approx(milking.milk.litres)
    assert parlour.on_meter("MM003", LIVE - timedelta(seconds=1)) is None


def test_what_flows_to_the_tank_is_what_the_cows_give(parlour):
    given = sum(m.milk.litres for m in shift(parlour, LIVE))
    steps = [LIVE + minute * timedelta(minutes=1) for minute in range(121)]
    received = sum(parlour.inflow(begin, end) for begin, end in pairwise(steps))
    assert received == pytest.approx(given, rel=1e-3)


def test_a_milking_around_a_time_begins_then_and_twelve_hours_before():
    schedule = Schedule.around(LIVE + timedelta(hours=2, minutes=7))
    starts = schedule.starts(START)
    assert [next(starts) for _ in range(3)] == [
        START + timedelta(hours=7, minutes=7),
        START + timedelta(hours=19, minutes=7),
        LIVE + timedelta(hours=2, minutes=7),
    ]


def test_milkings_less_than_six_hours_apart_are_refused():
    with pytest.raises(ValueError):
        Schedule(timedelta(hours=5), timedelta(hours=10))


def test_the_interval_before_a_milking_follows_the_schedule():
    schedule = Schedule(timedelta(hours=5), timedelta(hours=16))
    assert schedule.hours_before(START + timedelta(hours=16)) == 11
    assert schedule.hours_before(START + timedelta(hours=5)) == 13
