"""A worker that says so goes on where the lead is lost with the database, and ends where another process leads."""

import threading
import time
from types import SimpleNamespace

import psycopg2
import pytest

from smart_dairy_iot.bridge import leadership, runner
from smart_dairy_iot.bridge.runner import Bridge
from smart_dairy_iot.bridge.shift import Shift, ThreadEnded
from smart_dairy_iot.bridge.supervisor import CHECKS_WITHOUT_A_TURN, LastingThreads

PATIENCE = 30


class World:
    """The database, and who leads: what the test changes while the bridge runs."""

    def __init__(self):
        self.down = False
        self.led_elsewhere = False
        self.gives_way = False
        self.thread_ended = False


class Connection:
    def __init__(self, world):
        self._world = world
        self.ask()

    def ask(self):
        if self._world.down:
            raise psycopg2.OperationalError("the database is away")

    def try_to_lead(self):
        self.ask()
        return not self._world.led_elsewhere

    def end_holders(self, _lock):
        self.ask()

    def somebody_stands_by(self):
        return True

    def heard(self, timeout):
        time.sleep(min(timeout, 0.01))
        self.ask()
        return set()

    def close(self):
        pass


class FakeShift:
    """Takes its workers into service with its first tick, as a shift does that sees to all."""

    def __init__(self, world, make_workers, lasting, number):
        self._world = world
        self._lasting = lasting
        self._context = SimpleNamespace(number=number)
        self._workers = make_workers(self._context)
        self.client = self

    ever_connected = True

    @property
    def seconds_without_broker(self):
        return 60 if self._world.gives_way else 0

    def start(self):
        pass

    def tick(self, _heard):
        if self._world.thread_ended:
            raise ThreadEnded("the bridge's writer has ended")
        self._lasting.start(self._workers, self._context)

    def stop(self, leads):
        if leads:
            self._lasting.request_stop()
            self._lasting.join(10)


class Worker:
    name = "worker"
    outlives_lead = True

    turns = None

    def __init__(self):
        self.contexts = []
        self.runs = 0
        self.followed_by = None
        self.at_work = threading.Event()

    def successor(self):
        self.followed_by = Worker()
        return self.followed_by

    def use(self, context):
        if context.number not in self.contexts:
            self.contexts.append(context.number)

    def run(self, stop):
        self.runs += 1
        self.at_work.set()
        stop.wait(PATIENCE)
        self.at_work.clear()


@pytest.fixture
def world():
    return World()


@pytest.fixture
def worker():
    return Worker()


@pytest.fixture
def bridge(monkeypatch, world, worker):
    """A bridge at work in a thread: (thread, stop event)."""
    shifts = []

    def make_shift(_dsn, _db_name, _config, _specs, make_workers, _connection, lasting):
        shifts.append(FakeShift(world, make_workers, lasting, len(shifts) + 1))
        return shifts[-1]

    monkeypatch.setattr(runner, "Shift", make_shift)
    monkeypatch.setattr(leadership, "LeaderConnection", lambda *_arguments: Connection(world))
    for name in ("_STAND_BY_INTERVAL", "_OUTAGE_INTERVAL", "_STAND_BACK"):
        monkeypatch.setattr(leadership, name, 0.01)
    stop, failures = threading.Event(), []
    config = SimpleNamespace(bridge_share_group="")
    bridge = Bridge({"dbname": "farm"}, "farm", config, [], lambda _context: [worker])

    def run():
        try:
            bridge.run(stop)
        except ThreadEnded as error:
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert worker.at_work.wait(PATIENCE)
    yield SimpleNamespace(thread=thread, stop=stop, shifts=shifts, failures=failures)
    stop.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def eventually(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.01)


def test_it_works_on_while_the_database_is_away_and_is_given_the_next_shift(world, worker, bridge):
    world.down = True
    time.sleep(0.1)
    assert worker.at_work.is_set()
    world.down = False
    eventually(lambda: worker.contexts == [1, 2])
    assert (worker.runs, worker.at_work.is_set()) == (1, True), "it was never interrupted"


def test_it_ends_where_another_process_leads_after_the_outage_and_begins_again_with_the_next_lead(
    world, worker, bridge
):
    world.down = True
    time.sleep(0.05)
    world.led_elsewhere, world.down = True, False
    eventually(lambda: not worker.at_work.is_set())
    world.led_elsewhere = False
    eventually(worker.at_work.is_set)
    assert (worker.runs, worker.contexts) == (2, [1, 2])


def test_it_ends_where_the_lead_is_let_go_for_another_process(world, worker, bridge):
    world.gives_way = world.led_elsewhere = True
    eventually(lambda: not worker.at_work.is_set())


def test_it_ends_with_the_bridge_also_in_an_outage(world, worker, bridge):
    world.down = True
    time.sleep(0.05)
    bridge.stop.set()
    bridge.thread.join(PATIENCE)
    assert not bridge.thread.is_alive()
    assert not worker.at_work.is_set()


def test_it_ends_where_the_bridge_fails_and_is_put_together_anew(world, worker, bridge):
    world.thread_ended = True
    eventually(lambda: bridge.failures)
    assert not worker.at_work.is_set()


def test_a_worker_that_does_not_say_so_is_none_of_them():
    assert not LastingThreads.wants(SimpleNamespace(name="worker"))
    assert LastingThreads.wants(Worker())


def test_one_that_was_told_to_stop_begins_again_though_its_former_run_is_still_ending():
    threads, worker = LastingThreads(), Worker()
    threads.start([worker], SimpleNamespace(number=1))
    assert worker.at_work.wait(PATIENCE)
    threads.request_stop()
    threads.start([worker], SimpleNamespace(number=2))
    eventually(lambda: worker.runs == 2)
    threads.request_stop()
    threads.join(PATIENCE)
    assert worker.contexts == [1, 2]


def test_a_bridge_of_a_group_that_does_not_see_to_all_is_still_the_way_of_what_its_workers_hold():
    """As one that was relieved in an outage: its workers end, and store what they hold."""
    threads, worker = LastingThreads(), Worker()
    threads.start([worker], SimpleNamespace(number=1))
    assert worker.at_work.wait(PATIENCE)
    shift = object.__new__(Shift)
    shift._leader_connection = SimpleNamespace(try_lock=lambda _lock: False)
    shift._threads, shift._lasting, shift._lasting_workers = [], threads, [worker]
    shift.context = SimpleNamespace(number=2)
    assert not shift._see_to_all()
    assert worker.contexts == [1, 2]
    eventually(lambda: not worker.at_work.is_set())
    assert worker.runs == 1


@pytest.fixture
def checked():
    """A worker at work, and a check of it that says whether it was relieved."""
    threads, worker = LastingThreads(), Worker()
    threads.start([worker], SimpleNamespace(number=1))
    assert worker.at_work.wait(PATIENCE)

    def check(turns):
        worker.turns = turns
        threads.relieve_those_that_hang(SimpleNamespace(number=2))
        return worker.followed_by is not None

    yield SimpleNamespace(worker=worker, check=check, threads=threads)
    threads.request_stop()
    threads.join(PATIENCE)


def test_a_worker_that_hangs_is_relieved_by_its_successor_and_the_log_says_where_it_hangs(checked, caplog):
    assert not any(checked.check(7) for _check in range(CHECKS_WITHOUT_A_TURN))
    assert checked.check(7)
    assert checked.worker.followed_by.at_work.wait(PATIENCE)
    assert checked.worker.followed_by.contexts == [2]
    eventually(lambda: not checked.worker.at_work.is_set())
    assert "worker hangs" in caplog.text and "stop.wait(PATIENCE)" in caplog.text


def test_a_worker_that_turns_or_does_not_work_or_is_to_stop_does_not_hang(checked):
    assert not any(checked.check(turns) for turns in range(3 * CHECKS_WITHOUT_A_TURN))
    assert not any(checked.check(None) for _check in range(3 * CHECKS_WITHOUT_A_TURN))
    checked.threads.request_stop()
    assert not any(checked.check(7) for _check in range(3 * CHECKS_WITHOUT_A_TURN))
