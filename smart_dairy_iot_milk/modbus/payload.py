"""A reading in the form of the messages that a milk meter publishes over MQTT."""

from .tracker import Reading

#: Quantity -> path in the payload.
_PATHS = {
    "yield_liters": ("yield_liters",),
    "flow_rate": ("flow_rate",),
    "duration_seconds": ("duration_seconds",),
    "rfid_tag": ("rfid_tag",),
    "fat_percentage": ("quality", "fat_percentage"),
    "protein_percentage": ("quality", "protein_percentage"),
    "lactose_percentage": ("quality", "lactose_percentage"),
    "somatic_cell_count": ("quality", "somatic_cell_count"),
    "temperature_celsius": ("quality", "temperature_celsius"),
    "conductivity": ("quality", "conductivity"),
    "blood_detected": ("quality", "blood_detected"),
    "vacuum_pressure": ("equipment", "vacuum_pressure"),
    "pulsation_rate": ("equipment", "pulsation_rate"),
}


def data_payload(meter, reading: Reading):
    """A `tracker.Reading` as a milk-meter data message."""
    payload = _head(meter, reading.timestamp)
    payload |= {"channel": meter.channel, "session_id": reading.session_id, "milking": reading.milking}
    for quantity, value in reading.values.items():
        *group, key = _PATHS[quantity]
        target = payload.setdefault(group[0], {}) if group else payload
        target[key] = value
    return payload


def online_payload(meter, timestamp):
    """The status message of a meter that answers and milks nobody."""
    return _head(meter, timestamp) | {"status": "online"}


def _head(meter, timestamp):
    text = timestamp.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"device_id": meter.device_id, "timestamp": text}
