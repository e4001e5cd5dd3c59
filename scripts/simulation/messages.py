"""What a simulated device puts on the wire, and the reproducible randomness behind it."""

import heapq
import json
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter


def stream(seed, *names):
    """A random stream of its own for everything that varies, so that one more sensor leaves the others' data alone."""
    return random.Random("/".join(str(part) for part in (seed, *names)))


def timestamp(at):
    """`at` (aware UTC) as the wire's ISO 8601 text with milliseconds: `2026-01-31T05:00:00.000Z`."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def encode(payload):
    """A payload's bytes; the same dict always gives the same bytes."""
    return json.dumps(payload, separators=(",", ":"), sort_keys=True).encode()


@dataclass(frozen=True)
class Message:
    """One publication of one device: when (simulated, aware UTC), by whom, and the bytes of the payload.

    `message_type` is the topic's last segment: `data`, `acks` or `status` (which is retained).
    """

    at: datetime
    device_id: str
    message_type: str
    body: bytes

    @classmethod
    def build(cls, at, device_id, message_type, **fields):
        """The message whose payload is `fields` with the device's id and the time put in front."""
        payload = {"device_id": device_id, "timestamp": timestamp(at), **fields}
        return cls(at, device_id, message_type, encode(payload))

    @property
    def payload(self):
        """The decoded payload (dict); raises ValueError where the bytes are no JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Cadence:
    """How often a device reports: seldom while the past is caught up with, often once the clock is live."""

    history: timedelta
    live: timedelta
    live_from: datetime

    def after(self, at):
        """The time of the report that follows one at `at`."""
        step = self.live if at + self.history >= self.live_from else self.history
        return at + step

    def times(self, first):
        """Endless report times, the first of them `first`."""
        at = first
        while True:
            yield at
            at = self.after(at)


def in_order(*sources):
    """Merge message iterators, each in time order, into one in time order (ties by device, so always the same)."""
    return heapq.merge(*sources, key=attrgetter("at", "device_id"))
