"""Simulated milking points milk every cow once, whatever happens to one of them."""

import asyncio

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


def test_a_dead_point_s_cows_go_to_the_others_and_who_stands_there_is_milked_so_far():
    one, clock = bank(herd(6))
    run(one, clock, 4)
    one.die(0)
    run(one, clock, 90)
    assert not one.left
    (died,) = [milked for milked in one.milked if milked.point == 0]
    assert 3 < died.ended - died.began < 4
    assert len(one.milked) == 6


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


def test_while_it_is_held_a_cow_is_let_out_when_she_is_done_and_another_one_let_in():
    one, clock = bank(herd(4))
    run(one, clock, 2)
    one.hold()
    one.let_out(1)
    run(one, clock, 4)
    assert set(one.standing) == {0, 1}, "she is not done"
    run(one, clock, 20)
    assert [(milked.point, milked.cow.tag - TAG) for milked in one.milked] == [(1, 1)]
    one.let_in(1, CowAtPoint(TAG + 9, 8.0, 10.0))
    run(one, clock, 20)
    assert [cow.tag - TAG for cow, _seconds in one.standing.values()] == [0, 9]
    one.release()
    run(one, clock, 60)
    assert sorted(milked.cow.tag - TAG for milked in one.milked) == [0, 1, 2, 3, 9]


def test_a_reader_misreads_as_it_is_told_to():
    late, garbled, never = (CowAtPoint(TAG, 8.0, 10.0, misread) for misread in ("late", "garbled", "never"))
    assert (late.tag_at(LATE_SECONDS - 0.1), late.tag_at(LATE_SECONDS)) == (0, TAG)
    assert garbled.tag_at(GARBLED_SECONDS - 0.1) not in (0, TAG)
    assert garbled.tag_at(GARBLED_SECONDS) == TAG
    assert never.tag_at(8.0) == 0


def test_a_reader_that_sees_the_next_point_shows_the_tag_of_whoever_stands_there():
    meters = [MeterRegisters(), MeterRegisters()]
    clock = Clock()
    cows = [CowAtPoint(TAG, 8.0, 10.0, "neighbour"), CowAtPoint(TAG + 1, 4.0, 10.0)]
    one = PointBank(meters, cows, lambda: 1.0, clock)
    run(one, clock, 3)
    assert tag_shown(meters[0]) == TAG + 1
    run(one, clock, 3)
    assert tag_shown(meters[0]) == 0, "the neighbour has gone"


def test_a_tag_that_is_lost_is_read_at_no_other_point_either():
    meters, clock = [MeterRegisters(), MeterRegisters()], Clock()
    cows = [CowAtPoint(TAG, 8.0, 10.0, "neighbour"), CowAtPoint(TAG + 1, 8.0, 10.0, "never")]
    run(PointBank(meters, cows, lambda: 1.0, clock), clock, 3)
    assert tag_shown(meters[0]) == 0


def tag_shown(meter):
    registers = []
    asyncio.run(meter.answer(3, 0, 0, 17, registers, None))
    return int.from_bytes(b"".join(word.to_bytes(2, "big") for word in registers[10:14]), "big")


def test_the_yield_rises_to_what_the_cow_gives_and_no_further():
    cow = CowAtPoint(TAG, 8.0, 10.0)
    assert [cow.registers(seconds)["yield_liters"] for seconds in (0, 4, 8, 60)] == [0.0, 5.0, 10.0, 10.0]
