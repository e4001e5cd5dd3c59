"""Threads that are started again when they fail, so that none can die while its process lives on."""

import logging
import sys
import threading
import time
import traceback

_logger = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
#: A worker that has not turned between so many checks hangs. They are counted, not timed: while the process is stopped,
#: or the machine suspended, nobody checks.
CHECKS_WITHOUT_A_TURN = 6
#: Each that hangs keeps its threads and connections. Where so many do, one more would hang at the same place.
MOST_HANGING = 3


class SupervisedThread(threading.Thread):
    """Runs `worker.run(stop)` until it is told to stop.

    :param worker: object with a `name` and a `run(stop: threading.Event)` that returns when the event is set
    """

    def __init__(self, worker):
        super().__init__(name=f"smart_dairy_iot {worker.name}", daemon=True)
        self._worker = worker
        self._stop_event = threading.Event()

    def run(self):
        pause = _FIRST_PAUSE
        while not self._stop_event.is_set():
            started = time.monotonic()
            try:
                self._worker.run(self._stop_event)
                pause = _FIRST_PAUSE
            except Exception:
                if time.monotonic() - started > _LONGEST_PAUSE:
                    # It has worked since: a failure every week must not add up to a minute's pause.
                    pause = _FIRST_PAUSE
                _logger.exception("%s failed and is started again in %.0f s", self._worker.name, pause)
                self._stop_event.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    def request_stop(self):
        self._stop_event.set()

    @property
    def is_to_stop(self):
        """Whether it has been told to stop, though it may be at work still."""
        return self._stop_event.is_set()


class LastingThreads:
    """Those of workers that go on where the lead is lost, since what they wait for would be gone: until another process
    leads, or this one is told to stop.

    A worker says by `outlives_lead = True` that it is one of them. With each shift it is given the new context, by its
    `use(context)`; between shifts what it submits to the former one's pipeline is cancelled, and is its own to store.
    Told to stop it goes on until all that it holds is stored, though another run of it may have begun; a process that
    ends does not wait for longer than it is told to.

    By `turns`, a number that grows for as long as it works and is None while it does not, a worker shows that it does
    not hang, and by `successor()` it gives another one that has all that it holds. No more than `MOST_HANGING` are
    relieved until one of them ends.
    """

    def __init__(self):
        self._threads = {}
        self._seen = {}
        self._hanging = []

    @staticmethod
    def wants(worker):
        """Whether a worker is to be one of them."""
        return getattr(worker, "outlives_lead", False)

    def start(self, workers, context):
        """Let workers work with this context from now on, those that are at work already with no break."""
        self.use(workers, context)
        for worker in workers:
            thread = self._threads.get(worker)
            if thread is None or thread.is_to_stop or not thread.is_alive():
                thread = self._threads[worker] = SupervisedThread(worker)
                thread.start()

    @staticmethod
    def use(workers, context):
        """Give workers this context, whether they are at work or not."""
        for worker in workers:
            worker.use(context)

    def relieve_those_that_hang(self, context):
        """Put a successor in the place of each worker that has not turned for some checks. To be called regularly."""
        for worker, thread in list(self._threads.items()):
            turns, times = worker.turns, 1
            if turns is not None and not thread.is_to_stop and turns == self._seen.get(worker, (None, 0))[0]:
                times += self._seen[worker][1]
            self._seen[worker] = turns, times
            if times <= CHECKS_WITHOUT_A_TURN:
                continue
            self._hanging = [hanging for hanging in self._hanging if hanging.is_alive()]
            if len(self._hanging) < MOST_HANGING:
                _logger.error("%s hangs and is relieved by another one. It hangs at:\n%s", worker.name, _stack(thread))
                thread.request_stop()
                self._hanging.append(thread)
                del self._threads[worker], self._seen[worker]
                self.start([worker.successor()], context)
            elif times == CHECKS_WITHOUT_A_TURN + 1:
                _logger.critical(
                    "%s hangs, as %d before it do. The process must be restarted. It hangs at:\n%s",
                    worker.name,
                    len(self._hanging),
                    _stack(thread),
                )

    def request_stop(self):
        for thread in self._threads.values():
            thread.request_stop()

    def join(self, timeout):
        """Wait for the end of each for so many seconds."""
        for thread in self._threads.values():
            thread.join(timeout)


def _stack(thread):
    """Where a thread is, as a traceback says it."""
    frame = sys._current_frames().get(thread.ident)
    return "".join(traceback.format_stack(frame)) if frame else "nowhere"
