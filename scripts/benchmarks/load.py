"""What the benchmarks do with a farm besides asking it: start the bridge, publish, wait until all is stored.

Publishing happens in a process of its own, so that measuring does not slow it down, nor it the measuring.
"""

import itertools
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from datetime import datetime, timedelta, timezone
from pathlib import Path

from stack.service import Service
from stack.shell import StackError

from .account import Account
from .farm import BenchFarm
from .steady import Sent, publish_steadily
from .traffic import messages

_PATIENCE_SECONDS = 300
_START_SECONDS = 180
_CONNECTIONS = 4
_LOWEST_PRIORITY = 19
_AUTOGROUP = Path("/proc/self/autogroup")


def utc_now() -> datetime:
    """The wall clock, naive UTC, in whole seconds."""
    return datetime.now(timezone.utc).replace(tzinfo=None, microsecond=0)


def memory_mb(service: Service) -> float:
    """What a server has in memory now, in units of 1,000,000 bytes."""
    status = Path(f"/proc/{service.pid()}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024 / 1_000_000


def start_bridge(farm: BenchFarm) -> None:
    """Start the farm's bridge, unless it runs, and wait until it stores what the first device publishes, a day ago."""
    if farm.bridge.running():
        wait_until_still(farm)
        return
    farm.bridge.start()
    began, already = utc_now() - timedelta(days=1), farm.accepted()
    end = time.monotonic() + _START_SECONDS
    for number in itertools.count():
        farm.publisher.publish(messages(farm.devices, 1, began + timedelta(seconds=number), timedelta()))
        time.sleep(0.3)
        if farm.accepted() > already:
            break
        if time.monotonic() > end or not farm.bridge.running():
            raise StackError(f"The bridge does not receive.\n{farm.bridge.log_tail()}")
    # What was published meanwhile must not count as the benchmark's.
    wait_until_still(farm)


def wait_until_still(farm: BenchFarm) -> None:
    """Wait until no message is stored any more."""
    before = -1
    while before != (before := farm.accepted()):
        time.sleep(0.5)


def wait_accepted(farm: BenchFarm, count: int, seconds: float = _PATIENCE_SECONDS) -> float:
    """Wait until the bridge has committed so many messages in all; returns when, by `time.monotonic`.

    :raises StackError: where they are missing after so many seconds
    """
    end = time.monotonic() + seconds
    while (accepted := farm.accepted()) < count:
        if time.monotonic() > end:
            raise StackError(f"{count - accepted:,} messages are missing.\n{farm.bridge.log_tail()}")
        time.sleep(0.02)
    return time.monotonic()


def leave_the_cores_to_the_others() -> None:
    """Of a process that publishes, as its initializer: it takes of the cores what nobody else wants.

    It does what on a farm the devices do, each on a processor of its own.
    """
    os.setsid()
    os.nice(_LOWEST_PRIORITY)
    # Linux shares cores out to sessions first, and `nice` counts but within one: see sched(7), "The autogroup feature".
    if _AUTOGROUP.exists():
        _AUTOGROUP.write_text(str(_LOWEST_PRIORITY))


class Load:
    """Publishes a farm's messages at a rate in another process.

    :param executor: of that process
    """

    def __init__(self, farm: BenchFarm, executor: ProcessPoolExecutor):
        self._farm = farm
        self._executor = executor

    def start(self, begin: datetime, rate: float, count: int, connections: int = _CONNECTIONS, moments: bool = False):
        """Publish ``count`` messages, each device as often as the rate gives it.

        :param begin: the timestamp of the first, naive UTC; the others' follow as they are published
        :return: `Future` of `Sent`
        """
        return self._executor.submit(
            _publish, self._farm.publisher, self._farm.devices, begin, rate, count, connections, moments
        )

    def burst(self, begin: datetime, count: int) -> float:
        """Publish as fast as the broker takes it; returns messages a second from the first sent to the last committed.

        :param begin: the timestamp of the first, naive UTC
        :raises StackError: where some were not stored, or not once
        """
        already = self._farm.accepted()
        account = Account(self._farm)
        began, _ended = self._executor.submit(_burst, self._farm.publisher, self._farm.devices, begin, count).result()
        ended = wait_accepted(self._farm, already + count)
        account.check(count)
        return count / (ended - began)


def watch(future: Future, look: Callable[[], object], every: float) -> Iterator[object]:
    """What ``look`` returns, every so many seconds, as long as the future is not done; raises what went wrong there."""
    due = time.monotonic()
    while not future.done():
        yield look()
        due += every
        wait([future], max(0.0, due - time.monotonic()))
    future.result()


def _publish(publisher, devices, begin, rate, count, connections, moments) -> Sent:
    step = timedelta(seconds=len(devices) / rate)
    return publish_steadily(publisher, messages(devices, count, begin, step), rate, connections, moments)


def _burst(publisher, devices, begin, count) -> tuple[float, float]:
    return publisher.publish(messages(devices, count, begin, timedelta(seconds=1)))
