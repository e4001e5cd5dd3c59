"""What Mosquitto itself loses when it is killed: messages that it had acknowledged and delivered to nobody.

For each way of saving there are two cases: the bridge receives, or it is away and all that is published is queued. What
the broker had saved when it was killed is chance: the moment is drawn over a whole interval, after at least one save.
"""

import random
import time

from stack.shell import say

from .scene import RATE, Scene

SAVINGS = (("changes", 1), ("changes", 200), ("seconds", 5), ("seconds", 30))
_SHORTEST, _LONGEST = 1.0, 4.0  # seconds of load before the kill, where saving goes by changes
# Where it goes by seconds, so long after one interval: what a broker loses that never saves is then far more.
_BEYOND = 7.0


def measure_broker_loss(scene: Scene, saving: tuple[str, int], away: bool, times: int, seed: int) -> dict:
    """So many kills with one way of saving.

    :param away: whether the bridge is cut off from the broker meanwhile
    :return: {"saving", "bridge", "runs", "rate", "acknowledged", "lost", "most_lost", "complaints"}: messages that the
        broker acknowledged a second before it was killed, messages in all, those lost in all and by the worst kill
    """
    scene.restart_broker(saving)
    rng = random.Random(f"{seed}/{saving}/{away}")
    rates, acknowledged, lost, complaints = [], 0, [], []
    for number in range(times):
        rate, account = _kill_once(scene, away, rng, *_moments(saving))
        rates.append(rate)
        acknowledged += len(account.acknowledged)
        lost.append(len(account.lost_by_broker))
        complaints += account.complaints(broker_may_lose=True)
        say(f"broker killed, saves every {saving[1]} {saving[0]}, kill {number + 1} of {times}: lost {lost[-1]}")
    return {
        "saving": f"{saving[1]} {saving[0]}",
        "bridge": "away" if away else "receives",
        "runs": times,
        "rate": round(sum(rates) / times),
        "acknowledged": acknowledged,
        "lost": sum(lost),
        "most_lost": max(lost),
        "complaints": complaints,
    }


def _moments(saving):
    """(least, most) seconds of load before the kill."""
    unit, number = saving
    return (number + _BEYOND, 2 * number + _BEYOND) if unit == "seconds" else (_SHORTEST, _LONGEST)


def _kill_once(scene, away, rng, least, most):
    scene.ensure_bridges(1)
    # A session is months old, and was saved long ago.
    scene.broker.saved_state()
    with scene.loaded(RATE) as load:
        before, began = len(load.acknowledged()), time.monotonic()
        if away:
            scene.bridge.broker_wire.unplug()
        scene.pause(rng, least, most)
        rate = (len(load.acknowledged()) - before) / (time.monotonic() - began)
        scene.broker.kill()
        scene.broker.start()
        scene.bridge.mend()
        return rate, scene.settle()
