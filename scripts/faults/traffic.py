"""What is published while things break: messages of a few devices, each known by its number wherever it turns up.

Message `n` belongs to device `n % len(devices)` and is stamped `n` milliseconds after the beginning: its row, its dead
letter and the packet that carried it all lead back to the number.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

_PATHS = {"temperature": "temperature", "collar": "collars"}
#: Table by device type.
TABLES = {"temperature": "iot_temperature_reading", "collar": "iot_activity_reading"}
DEVICES = (("temperature", 5), ("collar", 3))
_STATUS_EVERY = 21  # no multiple of the number of devices, so that each sends some
_STEP = timedelta(milliseconds=1)
#: Ways of being no reading. `database` passes all checks of the bridge; PostgreSQL refuses the NUL in it.
POISONS = ("database", "cut_short", "bytes", "stranger", "nested")
_DEEP = 2000


@dataclass(frozen=True)
class FaultDevice:
    """A device of the farm with code ``farm``."""

    device_id: str
    device_type: str
    farm: str

    def topic(self, message_type: str) -> str:
        return f"dairy/{self.farm}/{_PATHS[self.device_type]}/{self.device_id}/{message_type}"


def make_devices(farm: str) -> list[FaultDevice]:
    """The devices that speak, of all types."""
    return [
        FaultDevice(f"FT{device_type[:2].upper()}{number}", device_type, farm)
        for device_type, count in DEVICES
        for number in range(count)
    ]


class Traffic:
    """The messages of one trial.

    :param begin: naive UTC, whole milliseconds; of two trials no two messages have the same time
    :param poison: {number: one of `POISONS`}
    """

    def __init__(self, devices: list[FaultDevice], begin: datetime, poison: dict[int, str] | None = None):
        self.devices = devices
        self.begin = begin
        self.poison = poison or {}

    def message(self, number: int) -> tuple[str, bytes]:
        """Topic and payload."""
        device = self.devices[number % len(self.devices)]
        stamp = {"device_id": device.device_id, "timestamp": f"{self.time_of(number).isoformat('T', 'milliseconds')}Z"}
        if number in self.poison:
            return device.topic("data"), _poisoned(self.poison[number], stamp, number)
        if self.is_status(number):
            return device.topic("status"), _body({**stamp, "status": "online", "battery_level": 80})
        values = {"temperature": 4.5, "humidity": 70} if device.device_type == "temperature" else {"steps": number}
        return device.topic("data"), _body({**stamp, **values})

    def is_status(self, number: int) -> bool:
        return number % _STATUS_EVERY == 0 and number not in self.poison

    def time_of(self, number: int) -> datetime:
        return self.begin + number * _STEP

    def number_at(self, timestamp: datetime) -> int:
        return round((timestamp - self.begin) / _STEP)


def _body(payload: dict) -> bytes:
    return json.dumps(payload).encode()


def _poisoned(kind: str, stamp: dict, number: int) -> bytes:
    if kind == "database":
        return _body({**stamp, "temperature": 4.5, "location": "\0", "animal_id": "\0"})
    if kind == "cut_short":
        return _body({**stamp, "number": number})[:-1]
    if kind == "bytes":
        return b"\xff\x00\xc3\x28" + number.to_bytes(4, "big")
    if kind == "stranger":
        return _body({**stamp, "device_id": "NOBODY", "number": number})
    return b'{"number": %d, "deep": %s}' % (number, b"[" * _DEEP + b"]" * _DEEP)
