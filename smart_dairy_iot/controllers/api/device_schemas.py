"""How a device looks in the API's answers, and what may be said of one that is registered."""

from ...models.iot_device import TOPIC_FIELDS
from ...models.iot_topic_hierarchy import DEVICE_TYPES
from .operations import COUNT, DATABASE_ID, DATE, LARGEST_ID, NULLABLE_TEXT, TIMESTAMP

STATES = ("provisioning", "active", "inactive", "maintenance", "decommissioned")
TYPE = {"type": "string", "enum": [code for code, _label in DEVICE_TYPES]}
STATE = {"type": "string", "enum": list(STATES)}
NULLABLE_ID = {"type": ["integer", "null"], "minimum": 1, "maximum": LARGEST_ID}
TOPICS = {
    "type": "object",
    "description": "Where the device publishes and what it subscribes to, by message type; null while it has no farm.",
    "required": list(TOPIC_FIELDS),
    "properties": dict.fromkeys(TOPIC_FIELDS, NULLABLE_TEXT),
}

_SUMMARY = {
    "id": DATABASE_ID,
    "device_id": {"type": "string", "description": "Its identity on the wire, and in the API's addresses."},
    "name": {"type": "string"},
    "device_type": TYPE,
    "state": STATE,
    "is_online": {"type": "boolean"},
    "last_seen": TIMESTAMP,
    "farm_id": NULLABLE_ID,
    "farm_name": NULLABLE_TEXT,
}
_DETAILS = {
    "manufacturer": NULLABLE_TEXT,
    "model": NULLABLE_TEXT,
    "serial_number": NULLABLE_TEXT,
    "firmware_version": NULLABLE_TEXT,
    "hardware_version": NULLABLE_TEXT,
    "mac_address": NULLABLE_TEXT,
    "ip_address": NULLABLE_TEXT,
    "latitude": {"type": "number", "description": "Degrees, north positive; 0 with a longitude of 0: not known."},
    "longitude": {"type": "number", "description": "Degrees, east positive."},
    "location_id": {**NULLABLE_ID, "description": "The pen."},
    "location_description": NULLABLE_TEXT,
    "calibration_status": {"type": "string", "enum": ["valid", "due", "overdue"]},
    "calibration_date": DATE,
    "next_calibration_date": DATE,
    "messages_received": COUNT,
    "messages_sent": COUNT,
    "error_count": COUNT,
    "topics": TOPICS,
}

DEVICE = {"type": "object", "required": list(_SUMMARY), "properties": _SUMMARY}
DETAILED_DEVICE = {
    "type": "object",
    "required": [*_SUMMARY, *_DETAILS],
    "properties": {**_SUMMARY, **_DETAILS},
}


def _text(most=200, **more):
    return {"type": "string", "minLength": 1, "maxLength": most, **more}


NEW_DEVICE = {
    "type": "object",
    "required": ["name", "device_id", "device_type", "farm_id"],
    "additionalProperties": False,
    "properties": {
        "name": _text(pattern=r"\S"),
        "device_id": _text(
            64,
            pattern="^[A-Za-z0-9_-]+$",
            description="Letters, digits, _ and -; the settings may ask a narrower pattern of its type.",
        ),
        "device_type": TYPE,
        "farm_id": DATABASE_ID,
        "location_id": {**DATABASE_ID, "description": "A pen of that farm."},
        "location_description": _text(),
        "manufacturer": _text(),
        "model": _text(),
        "serial_number": _text(description="Unique for a manufacturer and type."),
        "mac_address": _text(30, description="In any printed form, e.g. 00:1A:2B:3C:4D:5E."),
        "ip_address": _text(45, description="IPv4 or IPv6."),
        "firmware_version": _text(64),
        "hardware_version": _text(64),
        "latitude": {"type": "number", "minimum": -90, "maximum": 90},
        "longitude": {"type": "number", "minimum": -180, "maximum": 180},
        "calibration_date": {"type": "string", "format": "date"},
        "next_calibration_date": {"type": "string", "format": "date"},
        "notes": _text(10_000),
    },
    "examples": [
        {"name": "Parlour meter 1", "device_id": "MM001", "device_type": "milk_meter", "farm_id": 1, "model": "MM27BC"}
    ],
}


def topics(device):
    """{message type: topic or None}"""
    return {message_type: device[name] or None for message_type, name in TOPIC_FIELDS.items()}


def summary(device):
    """What lists say of a device."""
    return {
        **{name: device[name] for name in ("id", "device_id", "name", "device_type", "state", "is_online")},
        "last_seen": device.last_seen or None,
        "farm_id": device.farm_id.id or None,
        "farm_name": device.farm_id.name or None,
    }


def details(device):
    """Everything that is said of one device."""
    plain = ("latitude", "longitude", "calibration_status", "messages_received", "messages_sent", "error_count")
    others = [name for name in _DETAILS if name not in (*plain, "location_id", "topics")]
    return {
        **summary(device),
        **{name: device[name] for name in plain},
        **{name: device[name] or None for name in others},
        "location_id": device.location_id.id or None,
        "topics": topics(device),
    }
