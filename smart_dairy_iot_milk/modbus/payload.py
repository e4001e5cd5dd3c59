"""A reading in the form of the messages that a milk meter publishes over MQTT."""

from .tracker import Reading

_QUARTERS = ("lf", "rf", "lr", "rr")

#: Quantity -> path in the payload. What has none, such as the meter's own number of a milking, is of use here alone.
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
    **{f"conductivity_{quarter}": ("quality", "quarters", quarter, "conductivity") for quarter in _QUARTERS},
    **{f"yield_{quarter}": ("quality", "quarters", quarter, "yield_liters") for quarter in _QUARTERS},
    "vacuum_pressure": ("equipment", "vacuum_pressure"),
    "pulsation_rate": ("equipment", "pulsation_rate"),
    "pulsation_ratio": ("equipment", "pulsation_ratio"),
}


def data_payload(meter, point, reading: Reading):
    """A `tracker.Reading` at a milking point as a milk-meter data message; it has the calibrated values."""
    payload = _head(meter, reading.timestamp)
    payload |= {"channel": point.channel, "session_id": reading.session_id, "milking": reading.milking}
    # The milking keeps it: by the time the message is reacted to, another one may be in force.
    payload["flow_calibration_factor"] = reading.factor
    for quantity, value in reading.calibrated.items():
        if quantity in _PATHS:
            *groups, key = _PATHS[quantity]
            target = payload
            for group in groups:
                target = target.setdefault(group, {})
            target[key] = value
    return payload


def online_payload(meter, timestamp):
    """The status message of a meter that answers and milks nobody."""
    return _head(meter, timestamp) | {"status": "online"}


def _head(meter, timestamp):
    text = timestamp.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"device_id": meter.device_id, "timestamp": text}
