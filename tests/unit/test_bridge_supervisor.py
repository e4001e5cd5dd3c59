"""A worker that fails is started again, after a pause that says how often it has failed of late."""

import pytest

from smart_dairy_iot.bridge import supervisor
from smart_dairy_iot.bridge.supervisor import SupervisedThread


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
