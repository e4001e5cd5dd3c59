"""Whether every message that was published is in the store, once: where some are missing no figure says anything."""

import time

from stack.shell import StackError

from .farm import BenchFarm

_PATIENCE_SECONDS = 10
_NONE = {"stored": 0, "duplicates": 0, "dead_letters": 0, "dropped": 0}


class Account:
    """What becomes, by the bridge's own count, of the messages that are published from now on: all of them are new."""

    def __init__(self, farm: BenchFarm):
        self._farm = farm
        self._before = farm.bridge.outcomes()

    def check(self, published: int, rows: int | None = None) -> dict[str, int]:
        """{"published", "stored", "duplicates", "dead_letters"}, once the bridge has committed them all.

        :param rows: how many more messages are in the store, where they have been counted: told as "stored"
        :raises StackError: unless each was stored, once
        """
        end = time.monotonic() + _PATIENCE_SECONDS
        # The bridge counts a batch a moment after its commit.
        while sum((found := self._found()).values()) < published and time.monotonic() < end:
            time.sleep(0.02)
        stored = found["stored"] if rows is None else rows
        complain(published, stored, found)
        return {
            "published": published,
            "stored": stored,
            "duplicates": found["duplicates"],
            "dead_letters": found["dead_letters"],
        }

    def _found(self) -> dict[str, int]:
        now = self._farm.bridge.outcomes()
        return {outcome: now.get(outcome, 0) - self._before.get(outcome, 0) for outcome in _NONE}


def complain(published: int, stored: int, found: dict[str, int]) -> None:
    """:param stored: messages in the store
    :param found: how many messages had each outcome, by the bridge's count
    :raises StackError: unless each that was published was stored, once
    """
    if stored != published or found != {**_NONE, "stored": published}:
        outcomes = ", ".join(f"{outcome} {count:,}" for outcome, count in found.items())
        raise StackError(f"Of {published:,} messages {stored:,} are in the store; by the bridge: {outcomes}.")
