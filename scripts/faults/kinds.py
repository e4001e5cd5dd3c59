"""The faults. Each breaks something while messages flow, mends it, and says how long recovery took.

That is from the moment when all is whole again, or from when the leader is gone and a stand-by has to take over, until
something is stored that was published after it.
"""

import contextlib
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from stack.postgres import PostgresCluster
from stack.shell import StackError

from .clock import FakeClock
from .disk import SmallDisk
from .scene import Scene
from .traffic import DEVICES, POISONS

_TAKE_OVER_SECONDS = 10
_FIRST_POISON, _LAST_POISON = 100, 600
_UNACKNOWLEDGED = 100


class Chance(random.Random):
    """What is random in a trial, by its seed. ``turn`` goes up by one from trial to trial, for what comes in turn."""

    turn = 0


@dataclass(frozen=True)
class Fault:
    """:param run: callable(scene, `Chance`) -> seconds of recovery
    :param bridges: how many run
    :param limit: seconds in which it has to recover
    :param broker_may_lose: the broker is killed, and may lose what it had acknowledged to the publisher
    :param poisoned: some of the messages are no readings
    :param around: callable(scene) -> context manager around all trials of this fault
    """

    name: str
    run: Callable[[Scene, Chance], float]
    bridges: int = 1
    limit: float = 60
    broker_may_lose: bool = False
    poisoned: bool = False
    around: Callable | None = None


def poison(rng: random.Random) -> dict[int, str]:
    """Where the poison of a trial is: one of each kind, and a row of them."""
    numbers = rng.sample(range(_FIRST_POISON, _LAST_POISON), len(POISONS))
    placed = dict(zip(numbers, POISONS, strict=True))
    first = rng.randrange(_FIRST_POISON, _LAST_POISON)
    return placed | {first + offset: "database" for offset in range(sum(count for _type, count in DEVICES))}


def _bridge_killed(scene, rng):
    scene.bridge.kill()
    scene.pause(rng, 0, 1)
    scene.bridge.start()
    return scene.recovery()


def _postgres_killed(scene, rng):
    server = _own_server(scene)
    server.kill()
    scene.pause(rng, 0, 3)
    server.start()
    return scene.recovery()


def _broker_killed(scene, rng):
    scene.broker.kill()
    scene.pause(rng, 0, 2)
    scene.broker.start()
    return scene.recovery()


def _broken(wire_name: str, how: str, least: float, most: float):
    """A fault that breaks the bridge's only way to one of its neighbours for a while."""

    def run(scene, rng):
        wire = getattr(scene.bridge, wire_name)
        getattr(wire, how)()
        scene.pause(rng, least, most)
        wire.mend()
        return scene.recovery()

    return run


def _database_slow(scene, rng):
    scene.bridge.database_wire.slow(rng.uniform(0.05, 0.3))
    scene.pause(rng, 3, 6)
    scene.bridge.database_wire.mend()
    return scene.recovery()


def _disk_full(scene, rng):
    disk = SmallDisk.of(scene)
    disk.fill()
    try:
        # The last pages take a few more.
        scene.wait(lambda: scene.bridge.tap.unacknowledged > _UNACKNOWLEDGED, "nothing can be stored")
        scene.pause(rng, 0.5, 4)
    finally:
        disk.free()
    return scene.recovery()


def _leader_killed(scene, _rng):
    scene.leader().kill()
    return scene.recovery()


def _leader_stopped(scene, rng):
    leader = scene.leader()
    leader.signal(signal.SIGSTOP)
    recovery = scene.recovery()
    scene.pause(rng, 0, 2)
    # It wakes up with everything that it held, and believes that it leads.
    leader.signal(signal.SIGCONT)
    scene.pause(rng, 1, 2)
    return recovery


def _leader_cut_off(scene, rng):
    leader = scene.leader()
    how = rng.choice(("cut", "stall"))
    for wire in (leader.database_wire, leader.broker_wire):
        getattr(wire, how)()
    recovery = scene.recovery()
    scene.pause(rng, 0, 2)
    leader.mend()
    scene.pause(rng, 1, 2)
    return recovery


def _leadership_fight(scene, rng):
    """The leader's session at the database is ended again and again, and both are after the lead."""
    ended = []
    for _turn in range(4):
        ended += scene.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database"
            " WHERE locktype = 'advisory' AND granted AND datname = current_database()"
        )
        scene.pause(rng, 0.2, 2)
    if not ended:
        raise StackError("Nobody held the lead's lock: nothing was shown.")
    return scene.recovery()


def _clock_jump(scene, rng):
    clock = FakeClock.of(scene)
    clock.jump(FakeClock.JUMPS[rng.turn % len(FakeClock.JUMPS)] * rng.uniform(0.8, 1.2))
    scene.pause(rng, 1, 3)
    clock.jump(timedelta())
    return scene.recovery()


def _poisoned(scene, _rng):
    scene.wait(lambda: scene.load.published > _LAST_POISON + 10, "the poison is published")
    return scene.recovery()


def _broker_set_back(scene, rng):
    """The broker forgets what the bridge holds and has not acknowledged: nobody but the bridge has it then."""
    with _holding_what_is_forgotten(scene, rng):
        pass
    return scene.recovery()


def _stale_acknowledgement(scene, rng):
    """The broker forgets what the bridge holds, and gives the packet ids out again.

    The first acknowledgement over the new connection is the bridge's last deed: if it stands for a message of the old
    connection, the broker takes it for a new one, which nobody has stored and nobody will deliver again. What it holds
    of the old connection goes with it: nobody could keep that.
    """
    bridge = scene.bridge
    with _holding_what_is_forgotten(scene, rng) as held:
        scene.wait(lambda: bridge.tap.unacknowledged > held, "the bridge holds messages of both connections")
        bridge.tap.note_amnesia()
        bridge.tap.on_acknowledgement = lambda: bridge.signal(signal.SIGKILL)
    scene.wait(lambda: bridge.process.poll() is not None, "the bridge acknowledges something")
    bridge.start()
    return scene.recovery()


@contextlib.contextmanager
def _holding_what_is_forgotten(scene, rng):
    """Nothing can be stored in the block, and the bridge holds what it was given before the broker was killed.

    :return: at least how many messages
    """
    bridge = scene.bridge
    earlier = scene.broker.saved_state()
    held = rng.randrange(_UNACKNOWLEDGED, 3 * _UNACKNOWLEDGED)
    with scene.locked_tables():
        scene.wait(lambda: bridge.tap.unacknowledged > held, "the bridge holds messages")
        scene.broker.kill()
        # What a broker that was killed comes back with: nothing, or what it had saved some time ago.
        scene.broker.go_back_to(rng.choice((None, earlier)))
        scene.broker.start()
        scene.wait(lambda: bridge.tap.receiving, "the bridge has a new connection")
        yield held


def _own_server(scene):
    if not isinstance(scene.bed.postgres, PostgresCluster):
        raise StackError("The PostgreSQL server is not our own to kill (PGHOST).")
    return scene.bed.postgres


_TWO = {"bridges": 2, "limit": _TAKE_OVER_SECONDS}

FAULTS = {
    fault.name: fault
    for fault in (
        Fault("bridge_killed", _bridge_killed),
        Fault("postgres_killed", _postgres_killed),
        Fault("broker_killed", _broker_killed, broker_may_lose=True),
        Fault("broker_cut", _broken("broker_wire", "cut", 0.5, 4)),
        Fault("broker_stalled", _broken("broker_wire", "stall", 0.5, 6)),
        Fault("database_cut", _broken("database_wire", "cut", 0.5, 4)),
        Fault("database_stalled", _broken("database_wire", "stall", 0.5, 6)),
        Fault("database_slow", _database_slow),
        Fault("poison", _poisoned, poisoned=True),
        Fault("broker_set_back", _broker_set_back, broker_may_lose=True),
        Fault("stale_acknowledgement", _stale_acknowledgement, broker_may_lose=True),
        Fault("disk_full", _disk_full, around=SmallDisk.around),
        Fault("clock_jump", _clock_jump, around=FakeClock.around),
        Fault("leader_killed", _leader_killed, **_TWO),
        Fault("leader_stopped", _leader_stopped, **_TWO),
        Fault("leader_cut_off", _leader_cut_off, **_TWO),
        Fault("leadership_fight", _leadership_fight, **_TWO),
    )
}
