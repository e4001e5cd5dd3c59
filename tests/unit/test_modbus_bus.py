"""Whose turn it is on a line: fair to all, whatever one of the meters does."""

import asyncio
import heapq
import itertools
import math
from datetime import datetime, timezone

import pytest

from modbus_testing import NOW, meter
from smart_dairy_iot_milk.modbus import bus as bus_module
from smart_dairy_iot_milk.modbus.activity import IDLE_AFTER, FarmActivity
from smart_dairy_iot_milk.modbus.bus import LONGEST_BACKOFF, SLOWDOWN, Bus
from smart_dairy_iot_milk.modbus.client import MeterError, RegisterReading
from smart_dairy_iot_milk.modbus.endpoint import Endpoint
from smart_dairy_iot_milk.modbus.health import HealthBook
from smart_dairy_iot_milk.modbus.meters import Point, place_points

LINE = Endpoint("serial", device="/dev/ttyUSB0")


class FakeTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to what is due next: hours take as long as there is to do in them."""

    def __init__(self):
        super().__init__()
        self.now = 0.0
        self._clock_resolution = 0.0

    def time(self):
        return self.now

    def _run_once(self):
        while self._scheduled and self._scheduled[0]._cancelled:
            heapq.heappop(self._scheduled)._scheduled = False
        if not self._ready and self._scheduled:
            self.now = max(self.now, math.nextafter(self._scheduled[0]._when, math.inf))
        super()._run_once()


class Line:
    """What answers on a line in place of meters: unit -> seconds, or `MeterError` kind after `timeout` seconds."""

    timeout = 0.5

    def __init__(self, answers):
        self.answers = answers
        self.read_at = {}

    def connection(self, _endpoint):
        return self

    async def read(self, unit, _profile, offset=0):
        asked_at = asyncio.get_running_loop().time()
        self.read_at.setdefault((unit, offset), []).append(asked_at)
        answer = self.answers[unit]
        await asyncio.sleep(self.timeout if isinstance(answer, str) else answer)
        if isinstance(answer, str):
            raise MeterError(f"no answer from unit {unit}", answer)
        return RegisterReading({}, {"yield_liters": 0.0}, {}, asyncio.get_running_loop().time() - asked_at)

    def close(self):
        pass

    def count(self, unit, since=0.0, offset=0):
        return sum(moment >= since for moment in self.read_at.get((unit, offset), []))


@pytest.fixture
def rig(monkeypatch):
    """Runs a bus with meters on a fake clock: `rig(answers, seconds, act=…)`; gives line, health and readings."""

    def run(answers, seconds, act=None, **values):
        line, loop = Line(answers), FakeTimeLoop()
        monkeypatch.setattr(bus_module, "Connection", line.connection)
        values = {"interval": 1.0, "idle_interval": 3.0, **values}
        meters = [meter(LINE, f"MM-{unit}", unit=unit, **values) for unit in answers]
        health = HealthBook(lambda: datetime.fromtimestamp(NOW.timestamp() + loop.time(), timezone.utc))
        activity, readings = FarmActivity(loop.time), []

        async def poll():
            bus = Bus(LINE, lambda meter, point, values: readings.append((meter.unit, point.channel)), health, activity)
            bus.follow(meters)
            task = asyncio.create_task(bus.run())
            if act:
                await act(bus, line, activity)
            await asyncio.sleep(seconds - loop.time())
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        try:
            loop.run_until_complete(poll())
        finally:
            loop.close()
        return line, {unit: health.of(meter) for unit, meter in zip(answers, meters, strict=True)}, readings

    return run


def gaps(line, unit):
    moments = line.read_at[unit, 0]
    return [later - earlier for earlier, later in itertools.pairwise(moments)]


def test_each_meter_is_read_at_its_interval_whatever_its_answer_takes(rig):
    line, health, _readings = rig({1: 0.1, 2: 0.02}, 60)
    assert all(line.count(unit) == pytest.approx(60, abs=1) for unit in (1, 2))
    assert all(gap == pytest.approx(1, abs=0.11) for unit in (1, 2) for gap in gaps(line, unit))
    assert health[1].overruns == health[2].overruns == 0


def test_meters_do_not_speak_all_at_once(rig):
    line, *_rest = rig(dict.fromkeys(range(1, 17), 0.0), 5)
    phases = sorted(moments[0] for moments in line.read_at.values())
    assert max(later - earlier for earlier, later in itertools.pairwise(phases)) < 0.15


def test_every_point_of_a_meter_is_read_with_its_own_offset(rig):
    points = (Point(1, 0), Point(2, 100), Point(3, 200))
    line, _health, readings = rig({1: 0.02}, 10, points=points)
    assert [line.count(1, offset=point.offset) for point in points] == pytest.approx([10, 10, 10], abs=1)
    assert set(readings) == {(1, 1), (1, 2), (1, 3)}


def test_on_a_line_that_is_too_busy_turns_are_fair_and_those_that_are_left_out_are_counted(rig):
    line, health, _readings = rig(dict.fromkeys(range(1, 17), 0.08), 130)
    counts = [line.count(unit) for unit in range(1, 17)]
    # 16 answers of 80 ms take 1.28 s.
    assert min(counts) > 90 and max(counts) - min(counts) <= 12
    assert all(meter.overruns > 10 and not meter.is_slow for meter in health.values())
    assert max(max(gaps(line, unit)) for unit in range(1, 17)) < 3


def test_a_dead_meter_costs_its_neighbours_one_time_out_ever_more_rarely(rig):
    line, health, _readings = rig({1: "silent", 2: 0.02, 3: 0.02}, 300)
    assert line.count(1) < 300 / LONGEST_BACKOFF + 10
    assert max(max(gaps(line, unit)) for unit in (2, 3)) < 1.6
    assert all(line.count(unit) > 295 for unit in (2, 3))
    assert health[1].state().state == "silent"
    assert health[1].state().since == health[1].state().since.replace(tzinfo=timezone.utc)


def test_of_many_dead_meters_one_at_a_time_is_tried_between_the_turns_of_those_that_live(rig):
    answers = {**dict.fromkeys(range(1, 8), "silent"), 8: 0.02}
    line, _health, _readings = rig(answers, 120)
    assert max(gaps(line, 8)) < 2
    assert line.count(8) > 110 - 10
    assert all(line.count(unit, since=60) >= 2 for unit in range(1, 8)), "each is still tried"


def test_a_dead_meter_is_tried_even_where_the_line_has_no_time_left(rig):
    line, _health, _readings = rig({1: "silent", **dict.fromkeys(range(2, 16), 0.1)}, 120)
    assert line.count(1, since=30) >= 3


def test_a_dead_meter_comes_back_by_itself(rig):
    async def revive(_bus, line, _activity):
        await asyncio.sleep(60)
        line.answers[1] = 0.02

    line, health, _readings = rig({1: "unreachable", 2: 0.02}, 120, act=revive)
    assert line.count(1, since=75) > 40
    assert health[1].state().state == "polled" and not health[1].failures


def test_a_meter_that_answers_slowly_leaves_the_line_to_its_neighbours_until_it_is_fast_again(rig):
    async def mend(_bus, line, _activity):
        await asyncio.sleep(120)
        line.answers[1] = 0.02

    line, health, _readings = rig({1: 0.6, **dict.fromkeys(range(2, 10), 0.02)}, 400, act=mend)
    slowly = [moment for moment in line.read_at[1, 0] if 30 < moment < 120]
    assert len(slowly) == pytest.approx(90 / SLOWDOWN, abs=3)
    assert line.count(1, since=300) > 90
    assert health[1].state().state == "polled"


def test_while_nobody_is_milked_meters_are_asked_at_their_idle_interval(rig):
    async def come_and_go(bus, _line, activity):
        activity.note_milking(1)
        await asyncio.sleep(IDLE_AFTER + 300)
        assert activity.note_milking(1), "the farm was idle"
        bus.hurry()

    line, *_rest = rig({1: 0.02}, IDLE_AFTER + 400, act=come_and_go)
    moments = line.read_at[1, 0]

    def count(begin, end):
        return sum(begin <= moment < end for moment in moments)

    assert count(0, IDLE_AFTER) == pytest.approx(IDLE_AFTER, abs=5)
    assert count(IDLE_AFTER + 5, IDLE_AFTER + 300) == pytest.approx(295 / 3, abs=3)
    woken = min(moment for moment in moments if moment >= IDLE_AFTER + 300)
    assert woken <= IDLE_AFTER + 301.1, "the first cow of a shift ends it at once"
    assert count(IDLE_AFTER + 301, IDLE_AFTER + 400) == pytest.approx(99, abs=2)


def test_the_registers_of_points_lie_where_the_profile_says_or_where_the_points_do():
    points = [Point(3), Point(4), Point(6)]
    assert place_points(points, 50) == ((Point(3, 0), Point(4, 50), Point(6, 150)), [])
    assert place_points([Point(1), Point(2, 120)], 50) == ((Point(1, 0), Point(2, 120)), [])
    assert place_points(points, 0) == ((Point(3, 0),), [4, 6])
    assert place_points([], 50) == ((Point(1, 0),), [])
