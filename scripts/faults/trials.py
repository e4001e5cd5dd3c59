"""Runs a fault again and again, each time with a seed of its own, and says what came of it."""

import contextlib
import statistics
import time
from dataclasses import dataclass

from stack.shell import StackError, say

from .kinds import FAULTS, Chance, Fault, poison
from .scene import Scene


@dataclass(frozen=True)
class Outcome:
    """One trial.

    :param complaints: what is wrong with what became of the messages, empty where nothing is
    :param recovery: seconds
    :param late: that it took too long, in a sentence
    """

    seed: str
    counts: dict[str, int]
    recovery: float | None
    complaints: list[str]
    late: str | None = None

    @property
    def wrong(self) -> list[str]:
        """All that is not as it has to be."""
        return [*self.complaints, *([self.late] if self.late else [])]


def run_fault(scene: Scene, name: str, times: int, seed: int) -> list[Outcome]:
    """So many trials of a fault.

    :param seed: together with the fault's name and the trial's number it is the trial's seed
    :raises CannotBreak: where the fault cannot be had on this machine
    """
    fault = FAULTS[name]
    outcomes = []
    with fault.around(scene) if fault.around else contextlib.nullcontext():
        for number in range(times):
            outcomes.append(_try(scene, fault, seed, number))
            say(f"{name} {number + 1} of {times}: {_sentence(outcomes[-1])}")
    return outcomes


def summary(outcomes: list[Outcome]) -> dict:
    """The trials of one fault in figures: sums, and the recovery's median and most."""
    recoveries = [outcome.recovery for outcome in outcomes if outcome.recovery is not None]
    names = outcomes[0].counts
    return {
        "runs": len(outcomes),
        "failed": sum(bool(outcome.wrong) for outcome in outcomes),
        **{name: sum(outcome.counts[name] for outcome in outcomes) for name in names},
        "recovery_s": {
            "median": round(statistics.median(recoveries), 2),
            "most": round(max(recoveries), 2),
        }
        if recoveries
        else None,
        "complaints": [f"{outcome.seed}: {complaint}" for outcome in outcomes for complaint in outcome.wrong],
    }


def _try(scene: Scene, fault: Fault, run_seed: int, number: int) -> Outcome:
    seed = f"{run_seed}/{fault.name}/{number}"
    rng = Chance(seed)
    rng.turn = run_seed + number
    placed = poison(rng) if fault.poisoned else {}
    recovery = None
    try:
        scene.ensure_bridges(fault.bridges)
        with scene.loaded(poison=placed):
            time.sleep(rng.uniform(0.2, 1.2))
            recovery = fault.run(scene, rng)
            account = scene.settle()
    except StackError as error:
        # The parts are as the fault left them: the next trial shall not suffer for this one.
        scene.pick_up()
        say(f"{seed}: {error}")
        return Outcome(seed, _counts(None), recovery, [str(error).splitlines()[0]])
    complaints = account.complaints(fault.broker_may_lose)
    if placed.keys() != account.dead_letters and fault.poisoned:
        complaints.append(f"dead letters are {sorted(account.dead_letters)}, not {sorted(placed)}")
    if account.disordered and not fault.broker_may_lose:
        complaints.append(f"{account.disordered} readings were stored after later ones of their device")
    late = f"recovered in {recovery:.1f} s, not in {fault.limit:.0f}" if recovery > fault.limit else None
    return Outcome(seed, _counts(account), recovery, complaints, late)


def _counts(account) -> dict[str, int]:
    names = ("published", "delivered", "redelivered", "stored", "dead_letters", "duplicate_rows")
    if account is None:
        return dict.fromkeys((*names, "lost_by_bridge", "lost_by_broker"), 0)
    return {
        "published": account.published,
        "delivered": len(account.delivered),
        "redelivered": account.redelivered,
        "stored": len(account.stored),
        "dead_letters": len(account.dead_letters),
        "duplicate_rows": account.duplicate_rows,
        "lost_by_bridge": len(account.lost_by_bridge),
        "lost_by_broker": len(account.lost_by_broker),
    }


def _sentence(outcome: Outcome) -> str:
    counts = ", ".join(f"{name} {value}" for name, value in outcome.counts.items())
    wrong = "".join(f"\n    WRONG: {complaint}" for complaint in outcome.wrong)
    recovery = "no recovery" if outcome.recovery is None else f"recovered in {outcome.recovery:.2f} s"
    return f"{recovery}; {counts}{wrong}"
