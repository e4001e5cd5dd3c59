"""The database is stopped for minutes while the devices go on: the bridge's memory stays as it is, nothing is lost."""

import time

from stack.shell import StackError, say

from .scene import Scene

RATE = 500
MOST_GROWTH_MB = 60
MOST_MEMORY_MB = 300
_SAVING = ("seconds", 30)  # the whole queue is saved each time, and it becomes long


def hold_back(scene: Scene, seconds: float, rate: int = RATE) -> dict:
    """Stop the database for so long under load.

    :param rate: messages a second
    :return: {"stopped_s", "published", "stored", "lost", "memory_mb", "growth_mb", "recovery_s", "complaints"}
    """
    scene.restart_broker(_SAVING)
    scene.ensure_bridges(1)
    with scene.loaded(rate):
        before = scene.bridge.memory_mb()
        scene.disconnect()
        scene.bed.postgres.stop()
        most = _watch_memory(scene, seconds)
        scene.bed.postgres.start()
        recovery = scene.recovery()
        most = max(most, scene.bridge.memory_mb())
        account = scene.settle()
    complaints = account.complaints()
    if most - before > MOST_GROWTH_MB or most > MOST_MEMORY_MB:
        complaints.append(f"the bridge grew from {before:.0f} to {most:.0f} MB")
    say(f"database stopped for {seconds:.0f} s: {before:.0f} MB before, at most {most:.0f} MB")
    return {
        "stopped_s": seconds,
        "published": account.published,
        "stored": len(account.stored),
        "lost": len(account.lost_by_bridge | account.lost_by_broker),
        "memory_mb": round(most, 1),
        "growth_mb": round(most - before, 1),
        "recovery_s": round(recovery, 2),
        "complaints": complaints,
    }


def _watch_memory(scene, seconds):
    """The most that the bridge had in memory in that time, in MB."""
    most, deadline = 0.0, time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not scene.bridge.running():
            raise StackError(f"The bridge has ended.\n{scene.logs()}")
        most = max(most, scene.bridge.memory_mb())
        time.sleep(0.2)
    return most
