"""The registered devices, as the bridge knows them.

A device is looked up in memory. What the memory would refuse is asked of the database once more first, so that a
device provisioned a moment ago is never turned away, and only devices the database refuses too become dead letters.
"""

import threading
from dataclasses import dataclass

from .topics import DEVICE_TYPE_PATHS

#: States in which a device may publish; in maintenance its readings are stored, marked, and raise no alert.
PUBLISHING_STATES = ("active", "maintenance")

_SELECT = """
    SELECT device.id, device.device_id, device.device_type, device.state, device.farm_id, farm.code
      FROM iot_device device
      JOIN farm_location farm ON farm.id = device.farm_id
     WHERE device.active
"""


@dataclass(frozen=True)
class Device:
    """One row of the registry. `device_id` is the identity on the wire, `id` the row's."""

    id: int
    device_id: str
    device_type: str
    state: str
    farm_id: int
    farm_code: str

    @property
    def in_maintenance(self):
        return self.state == "maintenance"


class DeviceCache:
    """Devices by their device id. Two threads read the registry: what one read earlier must not replace what the
    other read later."""

    def __init__(self):
        self._devices = {}
        self._reading = threading.Lock()

    def __len__(self):
        return len(self._devices)

    def reload(self, cursor):
        """Read the whole registry."""
        with self._reading:
            cursor.execute(_SELECT)
            self._devices = {row[1]: Device(*row) for row in cursor.fetchall()}

    def refresh(self, cursor, device_ids):
        """Read a few devices again; one that is gone is forgotten."""
        device_ids = list(device_ids)
        with self._reading:
            cursor.execute(_SELECT + " AND device.device_id = ANY(%s)", [device_ids])
            found = {row[1]: Device(*row) for row in cursor.fetchall()}
            for device_id in device_ids:
                self._devices.pop(device_id, None)
            self._devices.update(found)

    def get(self, device_id):
        return self._devices.get(device_id)

    def refusal(self, route):
        """Why a message on this route is not let in: (reason, detail), or None where it is."""
        device = self._devices.get(route.device_id)
        if device is None:
            return "unknown_device", f"no device {route.device_id} is registered"
        if device.device_type != route.device_type:
            path = DEVICE_TYPE_PATHS.get(device.device_type, device.device_type)
            return "unknown_device", f"{route.device_id} is registered under {path}, not in this place"
        if device.farm_code != route.farm_code:
            return "wrong_farm", f"{route.device_id} belongs to farm {device.farm_code}, not {route.farm_code}"
        if device.state not in PUBLISHING_STATES:
            return "not_allowed", f"{route.device_id} is {device.state}"
        return None
