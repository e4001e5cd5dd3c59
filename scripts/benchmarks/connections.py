"""Ten thousand devices, each with a TLS connection of its own and a message every ten seconds; the bridge behind them.

The clients are bare connections in a process of their own; the broker's memory is what it has more with them than
without.
"""

import asyncio
import contextlib
import multiprocessing
import resource
from collections.abc import Iterator
from datetime import timedelta
from multiprocessing.connection import Connection

from stack.shell import StackError, say

from .account import Account
from .farm import SMOKE, BenchFarm, plan
from .load import memory_mb, start_bridge, utc_now, wait_accepted
from .results import median_of
from .steady import open_connections
from .traffic import messages

FARM = plan("connections", 10_000)
CONNECTIONS = FARM.devices
PERIOD_SECONDS = 1 if SMOKE else 10
#: Messages of each device in a round.
TURNS = 2 if SMOKE else 6
ROUNDS = 1 if SMOKE else 3
#: The bridge keeps up if it has committed everything so soon after the broker's last acknowledgement.
MOST_LAG_SECONDS = 60 if SMOKE else 2
# Of the broker's and the clients' process, besides one per connection.
_OTHER_FILES = 200
_END_SECONDS = 30
_FORK = multiprocessing.get_context("fork")


def measure(farm: BenchFarm) -> dict:
    """The medians of the rounds, see `docs/benchmarks.md`.

    :raises StackError: where the system lets a process have too few files, the bridge does not keep up, or some
        messages are not stored once
    """
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if most != resource.RLIM_INFINITY and most < CONNECTIONS + _OTHER_FILES:
        raise StackError(f"{CONNECTIONS + _OTHER_FILES:,} open files are needed, and the system allows {most:,}.")
    start_bridge(farm)
    before = memory_mb(farm.broker)
    say(f"connecting {CONNECTIONS:,} clients")
    with _clients(farm) as clients:
        _answer(clients)
        say(f"connected; {_kb_each(farm, before):.1f} kB each before the first message")
        rounds = [_round(farm, clients, before) for _number in range(ROUNDS)]
    return {"bench": "connections"} | median_of(rounds)


def _round(farm: BenchFarm, clients: Connection, before: float) -> dict:
    count, already, account = CONNECTIONS * TURNS, farm.accepted(), Account(farm)
    clients.send(utc_now())
    began, acknowledged = _answer(clients)
    committed = wait_accepted(farm, already + count)
    account.check(count)
    lag = committed - acknowledged
    say(f"{count:,} messages, the last committed {lag:.2f} s after the broker's last acknowledgement")
    if lag > MOST_LAG_SECONDS:
        raise StackError(f"The bridge does not keep up: it lags {lag:.1f} s behind.")
    return {
        "connections": CONNECTIONS,
        "rate": round(count / (committed - began)),
        "kb_per_connection": round(_kb_each(farm, before), 1),
    }


def _kb_each(farm: BenchFarm, before: float) -> float:
    return 1000 * (memory_mb(farm.broker) - before) / CONNECTIONS


@contextlib.contextmanager
def _clients(farm: BenchFarm) -> Iterator[Connection]:
    """The process with the clients: it says when all are connected, and then, of each moment it is sent, when it began
    to publish and when all was acknowledged. None ends it."""
    ours, theirs = _FORK.Pipe()
    process = _FORK.Process(target=_live, args=(theirs, farm.publisher, farm.devices))
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        with contextlib.suppress(OSError):  # it has ended already
            ours.send(None)
        process.join(_END_SECONDS)
        process.kill()


def _answer(clients: Connection):
    try:
        return clients.recv()
    except EOFError:
        raise StackError("The clients' process has ended; what it said stands above.") from None


def _live(pipe: Connection, publisher, devices: list) -> None:
    """In the clients' process: connect, and publish a round from each moment that is received."""

    async def live() -> None:
        async with open_connections(publisher, CONNECTIONS) as connections:
            pipe.send("connected")
            while begin := await asyncio.to_thread(pipe.recv):
                traffic = messages(devices, CONNECTIONS * TURNS, begin, timedelta(seconds=PERIOD_SECONDS))
                sent = await connections.publish(traffic, CONNECTIONS / PERIOD_SECONDS)
                pipe.send((sent.began, sent.ended))

    asyncio.run(live())
