"""Faults on demand: what a farm's alarms are there for."""

import itertools
import json
from dataclasses import dataclass, replace

from .layout import BULK_TANK, DEVICES
from .messages import encode

KINDS = {
    "silent": "the device sends nothing any more",
    "wrong-payload": "the device's data cannot be used: no JSON, against the schema, another device's id, in turn",
    "hot-tank": f"the bulk tank's ({BULK_TANK}) compressor has stopped",
    "conductivity": "the milk of a cow (her number) shows rising conductivity",
}


class FaultError(ValueError):
    """The fault asked for does not exist, or cannot happen to what was named. The message is for the user."""


@dataclass(frozen=True)
class Fault:
    """One fault: its kind (a key of `KINDS`) and the device id, or cow number, that has it."""

    kind: str
    target: str

    @classmethod
    def parse(cls, text):
        """The fault written as `KIND:DEVICE`, for example `silent:TS003` or `conductivity:17`.

        :raise FaultError: for an unknown kind, or a device or cow that cannot have it
        """
        kind, _colon, target = text.partition(":")
        if kind not in KINDS:
            raise FaultError(f"Unknown fault {kind!r}: one of {', '.join(KINDS)}.")
        if kind == "conductivity":
            if not target.isdigit():
                raise FaultError(f"A cow has a number, which {target!r} is not: write conductivity:17.")
        elif target not in DEVICES:
            raise FaultError(f"There is no device {target!r} on the farm.")
        elif DEVICES[target].is_modbus:
            raise FaultError(f"{target} is a Modbus meter: only devices that publish can be {kind}.")
        elif kind == "hot-tank" and target != BULK_TANK:
            raise FaultError(f"Only the bulk tank, {BULK_TANK}, can run hot.")
        return cls(kind, target)


class Faults:
    """All faults of a run. They begin at `onset` (aware UTC); a cow's began a few milkings before it shows."""

    def __init__(self, faults, onset):
        self.onset = onset
        self._targets = {kind: {fault.target for fault in faults if fault.kind == kind} for kind in KINDS}
        self._turns = {target: itertools.cycle((_cut_off, _against_schema, _foreign)) for target in DEVICES}

    @property
    def tank_broken_from(self):
        """When the bulk tank's compressor stops; None where it does not."""
        return self.onset if self._targets["hot-tank"] else None

    def mastitis(self, since):
        """Cow number → when her udder inflammation begins: with the history, so that a rise can be seen in it."""
        return {int(number): since for number in self._targets["conductivity"]}

    def apply(self, message):
        """The message as the faulty device sends it; None where it sends nothing."""
        if message.at < self.onset:
            return message
        if message.device_id in self._targets["silent"]:
            return None
        if message.device_id in self._targets["wrong-payload"] and message.message_type == "data":
            return replace(message, body=next(self._turns[message.device_id])(message))
        return message


def _cut_off(message):
    return message.body[:-1]


def _against_schema(message):
    payload = json.loads(message.body)
    del payload["timestamp"]
    return encode(payload)


def _foreign(message):
    return encode({**json.loads(message.body), "device_id": "XX999"})
