"""Milk-meter messages, and what a milking is once they are put together.

Messages come at least once and in any order; the milking they make is the same (`milkings` says which that is). Its
yields, of the quarters too, are the largest that were reported, since a meter counts up and may clear its display at
the end; of other values the latest counts.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from odoo.addons.smart_dairy_farm.tools.rfid import RfidError, normalize
from odoo.addons.smart_dairy_iot.bridge.messages import OWN

from .milkings import START_TOLERANCE

#: Quarters of the udder: left and right, front and rear.
QUARTERS = ("lf", "rf", "lr", "rr")

#: Path in the payload -> field of the session that takes the latest value.
_LATEST = {
    ("flow_rate",): "current_flow_rate",
    ("quality", "fat_percentage"): "fat_percentage",
    ("quality", "protein_percentage"): "protein_percentage",
    ("quality", "lactose_percentage"): "lactose_percentage",
    ("quality", "somatic_cell_count"): "somatic_cell_count",
    ("quality", "temperature_celsius"): "milk_temperature",
    ("quality", "conductivity"): "conductivity",
    ("equipment", "vacuum_pressure"): "vacuum_level",
    ("equipment", "pulsation_rate"): "pulsation_rate",
    ("equipment", "pulsation_ratio"): "pulsation_ratio",
    **{("quality", "quarters", quarter, "conductivity"): f"conductivity_{quarter}" for quarter in QUARTERS},
    **{("quality", "quarters", quarter, "yield_liters"): f"yield_{quarter}" for quarter in QUARTERS},
}

#: Session fields that take their value from messages.
FOLDED_FIELDS = (
    "start_time",
    "last_message_at",
    "last_received_at",
    "current_yield",
    "peak_flow_rate",
    "blood_detected",
    *_LATEST.values(),
)

_QUARTER_YIELDS = frozenset(f"yield_{quarter}" for quarter in QUARTERS)

# What a calibration factor applies to, beside the yield.
_VOLUMES = _QUARTER_YIELDS | {"current_flow_rate"}
#: Fields of a session that a calibration factor applies to while it runs.
VOLUME_FIELDS = _VOLUMES | {"current_yield", "peak_flow_rate"}


@dataclass(frozen=True)
class MeterData:
    """One milk-meter data message. Times are naive UTC, `values` are session field -> value.

    :param tag: the animal's tag in its canonical form; empty where `sent_tag`, the text as it came, is none
    :param transport: how the message came in, see `bridge.messages`; None where nobody knows
    :param factor: the calibration factor by which the volumes are corrected already, None where they are not: the
        platform's own poller does that, and no device is believed it
    """

    iot_device_id: int
    channel: int
    timestamp: datetime
    received_at: datetime
    session_id: str
    tag: str
    sent_tag: str
    animal_ref: str
    milking: bool
    yield_liters: float
    duration_seconds: int
    blood_detected: bool
    values: dict = field(default_factory=dict)
    transport: "str | None" = None
    factor: "float | None" = None

    @classmethod
    def parse(cls, message):
        """:param message: `InboxMessage` whose payload has passed the schema"""
        payload = message.payload
        values = {name: _value(payload, path) for path, name in _LATEST.items()}
        return cls(
            message.iot_device_id,
            message.channel,
            message.timestamp,
            message.received_at,
            payload.get("session_id") or "",
            canonical(payload.get("rfid_tag")),
            payload.get("rfid_tag") or "",
            payload.get("animal_id") or "",
            payload.get("milking", True),
            payload["yield_liters"],
            payload.get("duration_seconds") or 0,
            bool(_value(payload, ("quality", "blood_detected"))),
            {name: value for name, value in values.items() if value is not None},
            message.transport,
            payload.get("flow_calibration_factor") if message.transport == OWN else None,
        )

    @property
    def has_clock(self):
        """Whether the message says for how long the milking has lasted. A clock that never leaves 0 is none."""
        return self.duration_seconds > 0

    @property
    def started_at(self):
        """When the milking began by this message, to the second."""
        return (self.timestamp - timedelta(seconds=self.duration_seconds)).replace(microsecond=0)

    def scaled(self, factor):
        """The same message of a meter whose volumes are to be multiplied."""
        if factor == 1:
            return self
        values = {name: value * factor if name in _VOLUMES else value for name, value in self.values.items()}
        return replace(self, yield_liters=self.yield_liters * factor, values=values)


def canonical(tag):
    """A tag in its canonical form; empty for what is no animal's tag, such as a reader's sign that it read none."""
    try:
        return normalize(tag or "")
    except RfidError:
        return ""


def fold(session, readings, typed=()):
    """Put readings into a milking.

    :param session: dict of the session's fields as they are; empty for a new one
    :param readings: its `MeterData`, in any order
    :param typed: names of the fields that a person typed: they stay
    :return: dict of the fields that change; `ended` True where one of the readings says that the milking is over
    """
    new = dict(session)
    for reading in sorted(readings, key=lambda reading: reading.timestamp):
        _add(new, reading)
    return {
        name: value
        for name, value in new.items()
        if name not in typed and (name not in session or session[name] != value)
    }


def _add(new, reading):
    is_latest = not new.get("last_message_at") or reading.timestamp >= new["last_message_at"]
    if is_latest:
        new["last_message_at"] = reading.timestamp
        new.update({**reading.values, **_largest_yields(new, reading)})
    else:
        new.update({name: value for name, value in reading.values.items() if not new.get(name)})
        new.update(_largest_yields(new, reading))
    if not new.get("start_time") or reading.started_at < new["start_time"] - START_TOLERANCE:
        new["start_time"] = reading.started_at
    new["current_yield"] = max(new.get("current_yield") or 0.0, reading.yield_liters)
    flow = reading.values.get("current_flow_rate") or 0.0
    new["peak_flow_rate"] = max(new.get("peak_flow_rate") or 0.0, flow)
    received = [moment for moment in (new.get("last_received_at"), reading.received_at) if moment]
    new["last_received_at"] = max(received, default=reading.timestamp)
    if reading.blood_detected:
        new["blood_detected"] = True
    if not reading.milking:
        new["ended"] = True


def _largest_yields(new, reading):
    yields = {name: value for name, value in reading.values.items() if name in _QUARTER_YIELDS}
    return {name: max(new.get(name) or 0.0, value) for name, value in yields.items()}


def _value(payload, path):
    for step in path:
        if not isinstance(payload, dict):
            return None
        payload = payload.get(step)
    return payload
