"""The demo farm's fixed facts: its pens, and its devices with what each is for."""

from dataclasses import dataclass

from .parlour import Stall

FARM_CODE = "MEADOW"
FARM_NAME = "Meadow Farm"
# Milking times and the day's temperatures are this zone's.
FARM_TZ = "UTC"

# code → (name, pen type, capacity)
PENS = {
    "HIGH": ("Early lactation", "milking", 30),
    "LOW": ("Late lactation", "milking", 40),
    "DRY": ("Dry cows", "dry", 20),
    "PARLOUR": ("Milking parlour", "parlour", 10),
    "DAIRY": ("Milk room", "other", 0),
}

# device type → the path segment of its topics
TOPIC_SEGMENTS = {
    "milk_meter": "milk_meters",
    "temperature": "temperature",
    "collar": "collars",
    "feeder": "feeders",
}


@dataclass(frozen=True)
class Device:
    """A device of the demo farm: id on the wire, name and type in the register, code of its pen.

    `location_type` is a temperature sensor's; `stalls` are a milk meter's milking points, and `is_modbus` tells that it
    is polled instead of publishing.
    """

    device_id: str
    name: str
    device_type: str
    pen: str
    location_type: str = ""
    stalls: int = 0
    is_modbus: bool = False


BULK_TANK = "TS001"

MILK_METERS = (
    Device("MM001", "Milk meter, left side", "milk_meter", "PARLOUR", stalls=4),
    Device("MM002", "Milk meter, right side", "milk_meter", "PARLOUR", stalls=4),
    Device("MM003", "Milk meter, left side, first stall", "milk_meter", "PARLOUR", stalls=1, is_modbus=True),
    Device("MM004", "Milk meter, right side, first stall", "milk_meter", "PARLOUR", stalls=1, is_modbus=True),
)
TEMPERATURE_SENSORS = (
    Device(BULK_TANK, "Bulk tank", "temperature", "DAIRY", "bulk_tank"),
    Device("TS002", "Milk room", "temperature", "DAIRY", "processing"),
    Device("TS003", "Colostrum fridge", "temperature", "DAIRY", "cold_storage"),
    Device("TS004", "Sample fridge", "temperature", "DAIRY", "cold_storage"),
    Device("TS005", "Parlour pit", "temperature", "PARLOUR", "barn"),
    Device("TS006", "Early lactation, north", "temperature", "HIGH", "barn"),
    Device("TS007", "Early lactation, south", "temperature", "HIGH", "barn"),
    Device("TS008", "Late lactation, north", "temperature", "LOW", "barn"),
    Device("TS009", "Late lactation, south", "temperature", "LOW", "barn"),
    Device("TS010", "Dry cows", "temperature", "DRY", "barn"),
)
# A collar carries the number of the cow that wears it.
COLLARS = tuple(Device(f"AC{number:03d}", f"Collar of cow {number}", "collar", "") for number in range(1, 21))
FEEDERS = (
    Device("FD001", "Concentrate feeder 1", "feeder", "HIGH"),
    Device("FD002", "Concentrate feeder 2", "feeder", "HIGH"),
    Device("FD003", "Concentrate feeder 3", "feeder", "LOW"),
    Device("FD004", "Concentrate feeder 4", "feeder", "LOW"),
)
DEVICES = {device.device_id: device for device in (*MILK_METERS, *TEMPERATURE_SENSORS, *COLLARS, *FEEDERS)}


def collar_wearer(device_id):
    """The number of the cow that wears a collar."""
    return int(device_id.removeprefix("AC"))


def stalls():
    """The parlour's stalls in order of attaching, side by side."""
    return [
        Stall(side, f"{side}{number}", meter_id, channel, is_modbus)
        for side, mqtt_meter, modbus_meter in (("L", "MM001", "MM003"), ("R", "MM002", "MM004"))
        for number, (meter_id, channel, is_modbus) in enumerate(
            [(modbus_meter, 1, True)] + [(mqtt_meter, channel, False) for channel in range(1, 5)], start=1
        )
    ]
