"""The messages of a herd's devices, and what they are made for: each reading once, in the order of each device.

A mix as a farm has it: collars and temperature sensors speak most, a twentieth are milk meters, whose readings also go
to the inbox, and a twentieth of all messages are statuses.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

_SHARES = (("collar", 0.5), ("temperature", 0.45), ("milk_meter", 0.05))
_STATUS_EVERY = 20
_PATHS = {"collar": "collars", "temperature": "temperature", "milk_meter": "milk_meters"}
#: Table by device type.
TABLES = {
    "collar": "iot_activity_reading",
    "temperature": "iot_temperature_reading",
    "milk_meter": "milk_production_realtime",
}


@dataclass(frozen=True)
class BenchDevice:
    """One device of the farm; ``number`` makes its values differ from those of the others."""

    number: int
    device_id: str
    device_type: str
    farm_code: str

    def topic(self, message_type: str) -> str:
        return f"dairy/{self.farm_code}/{_PATHS[self.device_type]}/{self.device_id}/{message_type}"


def make_devices(count: int, farms: int = 1) -> list[BenchDevice]:
    """Devices of all types in turn rather than type by type, the first on the first farm, the last on the last."""
    devices, quotas = [], {device_type: 0.0 for device_type, _share in _SHARES}
    for number in range(count):
        for device_type, share in _SHARES:
            quotas[device_type] += share
        device_type = max(quotas, key=quotas.get)
        quotas[device_type] -= 1
        farm_code = f"BENCH{number * farms // count + 1}"
        devices.append(BenchDevice(number, f"B{number:05}", device_type, farm_code))
    return devices


def messages(devices: list[BenchDevice], count: int, begin: datetime, step: timedelta) -> Iterator[tuple[str, bytes]]:
    """``count`` pairs of topic and payload: all devices in turn, each a ``step`` later than at its last turn.

    :param begin: naive UTC, of the first turn
    """
    for number in range(count):
        turn, index = divmod(number, len(devices))
        device = devices[index]
        timestamp = f"{(begin + turn * step).isoformat(timespec='milliseconds')}Z"
        # By turns too, so that it is not always the same devices.
        if (number + turn) % _STATUS_EVERY == 0:
            yield device.topic("status"), _status(device, timestamp)
        else:
            yield device.topic("data"), _DATA[device.device_type](device, timestamp, number)


def _body(payload: dict) -> bytes:
    return json.dumps(payload, separators=(",", ":")).encode()


def _status(device: BenchDevice, timestamp: str) -> bytes:
    return _body(
        {
            "device_id": device.device_id,
            "timestamp": timestamp,
            "status": "online",
            "battery_level": 80,
            "firmware_version": "1.4.2",
        }
    )


def _collar(device: BenchDevice, timestamp: str, number: int) -> bytes:
    return _body(
        {
            "device_id": device.device_id,
            "timestamp": timestamp,
            "activity_level": number % 100,
            "rumination_minutes": number % 60,
            "lying_time_minutes": 20,
            "standing_time_minutes": 40,
            "steps": number % 500,
            "battery_level": 75,
        }
    )


def _temperature(device: BenchDevice, timestamp: str, number: int) -> bytes:
    return _body(
        {
            "device_id": device.device_id,
            "timestamp": timestamp,
            "temperature": number % 400 / 10,
            "humidity": number % 1000 / 10,
            "location": "north barn",
            "location_type": "barn",
            "battery_level": 91,
            "signal_strength": -67,
        }
    )


def _milk_meter(device: BenchDevice, timestamp: str, number: int) -> bytes:
    return _body(
        {
            "device_id": device.device_id,
            "timestamp": timestamp,
            "session_id": f"S{device.number}",
            "milking": True,
            "yield_liters": number % 300 / 10,
            "flow_rate": 3.2,
            # Longer than the pause between two messages: a clock that began since the last one is another milking's.
            "duration_seconds": 1800,
            "quality": {"fat_percentage": 3.9, "protein_percentage": 3.3, "conductivity": 4.8},
        }
    )


_DATA = {"collar": _collar, "temperature": _temperature, "milk_meter": _milk_meter}
