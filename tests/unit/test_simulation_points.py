"""Simulated milking points milk every cow once, whatever happens to one of them."""

from simulation.modbus_meter import MeterRegisters
from simulation.points import GARBLED_SECONDS, LATE_SECONDS, CowAtPoint, PointBank

TAG = 0x8000F9DCBE991A14


class Clock:
    now = 1_000_000.0

    def __call__(self):
        return self.now


def bank(cows, points=2):
    clock = Clock()
    return PointBank([MeterRegisters() for _number in range(points)], cows, lambda: 1.0, clock), clock


def run(one, clock, seconds):
    for _tick in range(int(seconds * 10)):
        clock.now += 0.1
        one.tick()


def herd(count):
    return [CowAtPoint(TAG + number, 8.0, 10.0) for number in range(count)]


def test_each_cow_is_milked_once_at_the_next_point_that_is_free():
    one, clock = bank(herd(7))
    run(one, clock, 60)
    assert not one.left
    assert [milked.cow.tag - TAG for milked in sorted(one.milked, key=lambda milked: milked.began)] == list(range(7))
    assert {milked.point for milked in one.milked} == {0, 1}


def test_a_dead_point_s_cows_go_to_the_others():
    one, clock = bank(herd(6))
    run(one, clock, 2)
    assert not one.take_out(0), "a cow stands there still"
    run(one, clock, 90)
    assert one.take_out(0)
    assert not one.left
    assert [milked.point for milked in one.milked].count(0) == 1


def test_while_it_is_held_nobody_comes_or_goes():
    one, clock = bank(herd(4))
    run(one, clock, 2)
    one.hold()
    run(one, clock, 60)
    assert (one.left, one.milked) == (4, [])
    one.release()
    run(one, clock, 30)
    assert not one.left
    assert all(milked.ended - milked.began > 60 for milked in one.milked[:2])


def test_a_reader_misreads_as_it_is_told_to():
    late, garbled, never = (CowAtPoint(TAG, 8.0, 10.0, misread) for misread in ("late", "garbled", "never"))
    assert (late.tag_at(LATE_SECONDS - 0.1), late.tag_at(LATE_SECONDS)) == (0, TAG)
    assert garbled.tag_at(GARBLED_SECONDS - 0.1) not in (0, TAG)
    assert garbled.tag_at(GARBLED_SECONDS) == TAG
    assert never.tag_at(8.0) == 0


def test_the_yield_rises_to_what_the_cow_gives_and_no_further():
    cow = CowAtPoint(TAG, 8.0, 10.0)
    assert [cow.registers(seconds)["yield_liters"] for seconds in (0, 4, 8, 60)] == [0.0, 5.0, 10.0, 10.0]
