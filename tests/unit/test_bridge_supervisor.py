"""A worker that fails is started again, after a pause that says how often it has failed of late."""

import threading

import pytest

from smart_dairy_iot.bridge import supervisor
from smart_dairy_iot.bridge.supervisor import CHECKS_WITHOUT_A_TURN, MOST_HANGING, LastingThreads, SupervisedThread


class Clock:
    """Time that passes only where a worker says so."""

    now = 0.0

    def monotonic(self):
        return self.now


class Worker:
    """Fails after each of the given times."""

    name = "worker"

    def __init__(self, clock, seconds):
        self._clock, self._seconds = clock, iter(seconds)

    def run(self, stop):
        try:
            self._clock.now += next(self._seconds)
        except StopIteration:
            stop.set()
            return
        raise ValueError("failed")


@pytest.mark.parametrize(
    ("seconds", "pauses"),
    [
        pytest.param([1, 1, 1, 1], [1, 2, 4, 8], id="one failure after the other"),
        pytest.param([1, 1, 3600, 1], [1, 2, 1, 2], id="failures, an hour of work, failures"),
    ],
)
def test_the_pause_grows_with_failures_in_a_row_and_is_short_again_after_work(monkeypatch, seconds, pauses):
    clock, waited = Clock(), []
    monkeypatch.setattr(supervisor.time, "monotonic", clock.monotonic)
    thread = SupervisedThread(Worker(clock, seconds))
    monkeypatch.setattr(thread._stop_event, "wait", waited.append)
    thread.run()
    assert waited == pauses


class Hanging:
    """Never turns, until it is freed. All of a family are freed together."""

    name = "hanging worker"
    turns = 0

    def __init__(self, family):
        self._family = family
        family.append(self)
        self._freed = threading.Event()

    def use(self, context):
        pass

    def run(self, stop):
        self._freed.wait(60)
        stop.set()

    def free(self):
        self._freed.set()

    def successor(self):
        return Hanging(self._family)


def test_workers_that_hang_one_after_the_other_are_relieved_so_often_and_then_when_one_of_them_has_ended(caplog):
    family, threads = [], LastingThreads()

    def check_for_long():
        for _check in range((MOST_HANGING + 2) * (CHECKS_WITHOUT_A_TURN + 2)):
            threads.relieve_those_that_hang(None)

    try:
        threads.start([Hanging(family)], None)
        check_for_long()
        assert len(family) == MOST_HANGING + 1
        assert caplog.text.count("must be restarted") == 1
        family[0].free()
        threads._hanging[0].join(60)
        threads.relieve_those_that_hang(None)
        assert len(family) == MOST_HANGING + 2
    finally:
        for worker in family:
            worker.free()
    threads.join(60)
