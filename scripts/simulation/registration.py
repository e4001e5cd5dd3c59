"""Brings the demo farm into the product as a user would: farm, pens, cows, devices; then provisions each device.

What is there already is found again, by the farm's code, the cows' numbers and the devices' ids, so that a second start
changes nothing. A device keeps the password it was issued in a file of its own, as a real one does, because the product
shows it only once; a device whose password is not in the file gets a new one by rotation.
"""

import json
import os
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

from .devices import Credentials
from .farm import INTERVALS
from .layout import DEVICES, FARM_CODE, FARM_NAME, FARM_TZ, PENS
from .rpc import RpcError

FIRST_CALVING_AGE = timedelta(days=730)
CALVING_INTERVAL = timedelta(days=400)


class CredentialFile:
    """The devices' own memory of their credentials: a JSON file that only its owner can read."""

    def __init__(self, path):
        self._path = Path(path)
        stored = json.loads(self._path.read_text()) if self._path.exists() else {}
        self._credentials = {device_id: Credentials(**values) for device_id, values in stored.items()}

    def get(self, device_id):
        """The device's `Credentials`, or None."""
        return self._credentials.get(device_id)

    def put(self, device_id, credentials):
        """Keep the device's `Credentials`, on disk at once: they are not shown a second time."""
        self._credentials[device_id] = credentials
        self._path.parent.mkdir(parents=True, exist_ok=True)
        content = json.dumps({name: vars(value) for name, value in self._credentials.items()}, indent=1)
        new = self._path.with_suffix(".new")
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(content)
        new.replace(self._path)


class Registration:
    """The demo farm's side of the register.

    :param client: an `OdooClient` whose user may manage farms and devices
    :param credentials: a `CredentialFile`
    :param modbus_ports: meter id → TCP port of its Modbus server
    """

    def __init__(self, client, credentials, modbus_ports):
        self._client = client
        self._credentials = credentials
        self._modbus_ports = modbus_ports
        self._farm_id = None
        self._pen_ids = {}
        self._records = {}

    def ensure_herd(self, herd):
        """Create farm, pens and cows where they are missing.

        :return: the herd with the calvings and pens that the register holds
        """
        self._farm_id = self._ensure("farm.location", [("code", "=", FARM_CODE)], self._farm_values())
        for code, (name, pen_type, capacity) in PENS.items():
            domain = [("farm_id", "=", self._farm_id), ("code", "=", code)]
            values = {"name": name, "code": code, "farm_id": self._farm_id, "pen_type": pen_type}
            self._pen_ids[code] = self._ensure("farm.pen", domain, {**values, "capacity": capacity})
        registered = self._registered_cows()
        missing = [self._cow_values(cow) for cow in herd.cows.values() if cow.name not in registered]
        if missing:
            self._client.call("farm.animal", "create", missing)
            registered = self._registered_cows()
        return herd.with_calvings(self._calvings(registered))

    def ensure_devices(self):
        """Register what is missing, provision it, and start polling the Modbus meters.

        :return: device id → `Credentials` of every publishing device
        """
        missing = [device for device in DEVICES.values() if device.device_id not in self._find_devices()]
        meters = [self._meter_values(device) for device in missing if device.device_type == "milk_meter"]
        others = [self._device_values(device) for device in missing if device.device_type != "milk_meter"]
        for model, values in (("iot.milk_meter", meters), ("iot.device", others)):
            if values:
                self._client.call(model, "create", values)
        self._records = self._find_devices()
        for device in DEVICES.values():
            self._ensure_provisioned(device)
        self._start_polling()
        return {device.device_id: self._credentials.get(device.device_id) for device in _publishing()}

    def rotate(self, device_id):
        """Have a new password issued to a device; returns its `Credentials`."""
        action = self._client.call("iot.device", "action_rotate_password", [self._records[device_id]["id"]])
        return self._keep(device_id, action)

    def last_message(self):
        """When the last message that the product has of this farm's devices was made (aware UTC); None without any."""
        times = [record["last_message_timestamp"] for record in self._records.values()]
        latest = max((text for text in times if text), default=None)
        return latest and datetime.fromisoformat(latest).replace(tzinfo=timezone.utc)

    def _ensure_provisioned(self, device):
        record = self._records[device.device_id]
        if record["state"] == "provisioning":
            action = self._client.call("iot.device", "action_provision", [record["id"]])
            # A meter that is polled has no user at the broker, and nothing to keep.
            if not device.is_modbus:
                self._keep(device.device_id, action)
        elif record["state"] not in ("active", "maintenance"):
            raise RpcError(
                f"{device.device_id} is {record['state']} in the register: reactivate it, or leave it out of the demo "
                "by removing the farm's devices."
            )
        elif not device.is_modbus and self._credentials.get(device.device_id) is None:
            self.rotate(device.device_id)

    def _keep(self, device_id, action):
        """Take the credentials from the wizard that shows them once."""
        context = action["context"]
        issued = Credentials(
            context["default_mqtt_username"], context["default_mqtt_client_id"], context["default_mqtt_password"]
        )
        self._credentials.put(device_id, issued)
        return issued

    def _start_polling(self):
        meters = self._client.search_read(
            "iot.milk_meter", [("device_id", "in", list(self._modbus_ports))], ["device_id", "modbus_port"]
        )
        for meter in meters:
            endpoint = self._endpoint(meter["device_id"])
            if meter["modbus_port"] != endpoint:
                self._client.call("iot.milk_meter", "write", [meter["id"]], {"modbus_port": endpoint})
        self._client.call("iot.milk_meter", "action_start_polling", [meter["id"] for meter in meters])

    def _endpoint(self, meter_id):
        return f"127.0.0.1:{self._modbus_ports[meter_id]}"

    def _ensure(self, model, domain, values):
        found = self._client.search_read(model, domain, ["id"])
        return found[0]["id"] if found else self._client.call(model, "create", [values])[0]

    def _registered_cows(self):
        fields = ["name", "last_calving_date", "lactation_number", "pen_id"]
        rows = self._client.search_read("farm.animal", [("farm_id", "=", self._farm_id)], fields)
        return {row["name"]: row for row in rows}

    def _calvings(self, registered):
        codes = {pen_id: code for code, pen_id in self._pen_ids.items()}
        return {
            int(name): (
                date.fromisoformat(row["last_calving_date"]),
                row["lactation_number"],
                codes.get(row["pen_id"] and row["pen_id"][0], "DRY"),
            )
            for name, row in registered.items()
            if name.isdigit() and row["last_calving_date"] and row["lactation_number"]
        }

    def _find_devices(self):
        rows = self._client.search_read(
            "iot.device", [("device_id", "in", list(DEVICES))], ["device_id", "state", "last_message_timestamp"]
        )
        return {row["device_id"]: row for row in rows}

    def _farm_values(self):
        return {
            "name": FARM_NAME,
            "code": FARM_CODE,
            "tz": FARM_TZ,
            "city": "Meadowbrook",
            "latitude": 52.09,
            "longitude": 5.12,
        }

    def _cow_values(self, cow):
        return {
            "name": cow.name,
            "farm_id": self._farm_id,
            "pen_id": self._pen_ids[cow.pen],
            "breed": "Holstein",
            "sex": "female",
            "birth_date": str(cow.calved - FIRST_CALVING_AGE - (cow.parity - 1) * CALVING_INTERVAL),
            "status": "lactating" if cow.is_milked else "dry",
            "lactation_number": cow.parity,
            "last_calving_date": str(cow.calved),
            "conductivity_baseline": cow.conductivity,
            "rfid_tag": cow.tag_decimal,
        }

    def _device_values(self, device):
        values = {
            "name": device.name,
            "device_id": device.device_id,
            "device_type": device.device_type,
            "farm_id": self._farm_id,
            "location_id": self._pen_ids.get(device.pen, False),
        }
        if device.device_type in INTERVALS:
            # The longer one, of the past that is caught up with: of that nothing is to be missed either.
            longest = max(INTERVALS[device.device_type])
            values["config_json"] = json.dumps({"interval_seconds": longest.total_seconds()})
        return values

    def _meter_values(self, device):
        points = [
            {"point_number": number, "name": f"Stall {number}", "pen_id": self._pen_ids[device.pen]}
            for number in range(1, device.stalls + 1)
        ]
        values = {
            **self._device_values(device),
            "manufacturer": "delaval",
            "communication_type": "modbus_tcp" if device.is_modbus else "mqtt",
            "milking_point_count": device.stalls,
            "milking_point_ids": [(0, 0, point) for point in points],
        }
        if device.is_modbus:
            values["modbus_port"] = self._endpoint(device.device_id)
        return values


def _publishing():
    return [device for device in DEVICES.values() if not device.is_modbus]
