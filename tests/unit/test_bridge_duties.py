"""A table that somebody locks puts off what needs it, and nothing else."""

import logging

import psycopg2
import pytest
from psycopg2.errors import LockNotAvailable

from smart_dairy_iot.bridge.duties import Duties


class Table:
    """Counts how often it was seen to."""

    def __init__(self):
        self.locked, self.tries, self.done = False, 0, []

    def see_to(self, what):
        self.tries += 1
        if self.locked:
            raise LockNotAvailable("canceling statement due to lock timeout")
        self.done.append(what)


@pytest.fixture
def beats():
    return []


@pytest.fixture
def duties(beats):
    return Duties(lambda: beats.append("beat"))


def test_a_duty_is_done_when_it_is_due(duties, beats):
    table = Table()
    duties.see_to("outbox", False, table.see_to, 1)
    duties.see_to("outbox", True, table.see_to, 2)
    duties.see_to("outbox", False, table.see_to, 3)
    assert table.done == [2]
    assert beats == []


def test_what_waits_for_a_lock_is_put_off_to_the_next_time_with_a_beat_and_the_others_are_done(duties, beats):
    outbox, figures = Table(), Table()
    outbox.locked = True
    for number in range(5):
        duties.see_to("outbox", number == 0, outbox.see_to, number)
        duties.see_to("figures", True, figures.see_to, number)
    assert (outbox.tries, len(beats), figures.done) == (5, 5, [0, 1, 2, 3, 4])
    outbox.locked = False
    for number in (5, 6):
        duties.see_to("outbox", False, outbox.see_to, number)
    assert outbox.done == [5], "once, though it was not due by then"


def test_a_lock_that_is_held_for_long_is_told_once_and_so_is_its_end(duties, caplog):
    caplog.set_level(logging.INFO)
    table = Table()
    for _lock in range(2):
        table.locked = True
        for _number in range(10):
            duties.see_to("outbox", True, table.see_to, None)
        table.locked = False
        duties.see_to("outbox", True, table.see_to, None)
    assert [(record.levelname, "outbox" in record.getMessage()) for record in caplog.records] == [
        ("WARNING", True),
        ("INFO", True),
    ] * 2


def test_a_lock_that_is_held_for_a_moment_is_not_told(duties, caplog):
    caplog.set_level(logging.INFO)
    table = Table()
    table.locked = True
    duties.see_to("outbox", True, table.see_to, None)
    table.locked = False
    duties.see_to("outbox", False, table.see_to, None)
    assert (table.tries, caplog.records) == (2, [])


def test_a_connection_that_dies_is_nothing_to_put_off(duties):
    def die():
        raise psycopg2.OperationalError("server closed the connection unexpectedly")

    with pytest.raises(psycopg2.OperationalError):
        duties.see_to("outbox", True, die)
