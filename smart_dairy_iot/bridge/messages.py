"""What travels through the bridge: the message as received, and what it turns out to be."""

from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime

#: Outcomes of a message; each message has exactly one, so that
#: received = stored + duplicates + dead letters.
STORED, DUPLICATE, DEAD_LETTER = "stored", "duplicate", "dead_letter"

#: How a message came in: over the broker, over HTTP, or made by the process itself of what it had read from a device.
MQTT, HTTP, OWN = "mqtt", "http", "own"

#: Reasons of a dead letter -> what the person who looks at it reads.
DEAD_LETTER_REASONS = {
    "topic": "Topic not recognised",
    "invalid_json": "Invalid JSON",
    "schema": "Schema violation",
    "unknown_device": "Unknown device",
    "wrong_farm": "Wrong farm in the topic",
    "device_mismatch": "Payload of another device",
    "not_allowed": "Device not allowed to publish",
    "clock": "Time stamp out of range",
    "database": "Refused by the database",
}


@dataclass(eq=False)
class Message:
    """One message as it came in.

    `epoch` and `mid` identify the delivery to the broker; a message submitted inside the process has none, and
    somebody who waits for its `future` instead. `received_at` is naive UTC. `retained`: the broker kept it, it says
    nothing about whether the device lives. `transport` is one of the three above; None where nobody knows any more.
    """

    topic: str
    payload: bytes
    received_at: datetime
    epoch: int = 0
    mid: int = 0
    qos: int = 0
    retained: bool = False
    future: "Future | None" = None
    dead_letter_id: "int | None" = None
    transport: "str | None" = None


@dataclass(eq=False)
class Accepted:
    """A message that passed every check, with its device and its parsed payload.

    `timestamp` is the device's, naive UTC; `channel` tells readings of one instant apart.
    """

    message: Message
    device: object
    message_type: str
    timestamp: datetime
    channel: int
    payload: dict

    @property
    def key(self):
        return (self.device.id, self.timestamp, self.channel)


@dataclass(eq=False)
class Refused:
    """A message that becomes a dead letter: its reason (a key of `DEAD_LETTER_REASONS`) and the detail."""

    message: Message
    reason: str
    detail: str
    device: object = None


@dataclass
class Counters:
    """How many messages the bridge has seen since it started, by outcome; `dropped` ones are not among the received."""

    received: int = 0
    stored: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    dropped: int = 0

    def add(self, outcomes):
        """Count one committed batch.

        :param outcomes: list of outcome names
        """
        self.received += len(outcomes)
        self.stored += outcomes.count(STORED)
        self.duplicates += outcomes.count(DUPLICATE)
        self.dead_letters += outcomes.count(DEAD_LETTER)

    def as_dict(self):
        return {
            "received": self.received,
            "stored": self.stored,
            "duplicates": self.duplicates,
            "dead_letters": self.dead_letters,
            "dropped": self.dropped,
        }
