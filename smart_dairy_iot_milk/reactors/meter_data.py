"""Milk-meter messages, and what a milking is once they are put together.

Messages come at least once and in any order; the milking they make is the same. Its yield is the largest that was
reported, since a meter counts up and may clear its display at the end; of other values the latest counts.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from odoo.addons.smart_dairy_farm.tools.rfid import RfidError, normalize

#: Silence after which a milking is over: milkings without a name of their own are told apart by it too.
SILENCE = timedelta(minutes=5)

# A meter's clock counts whole seconds, so that the start told by each of its messages wanders by one.
_START_TOLERANCE = timedelta(seconds=2)

# A session's yield is stored with three decimals: the same one told again may be smaller than what was made of it.
_YIELD_TOLERANCE_LITERS = 0.001

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
}


@dataclass(frozen=True)
class MeterData:
    """One milk-meter data message. Times are naive UTC, `values` are session field -> value.

    :param tag: the animal's tag in its canonical form; empty where `sent_tag`, the text as it came, is none
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
        )

    @property
    def started_at(self):
        """When the milking began by this message, to the second."""
        return (self.timestamp - timedelta(seconds=self.duration_seconds)).replace(microsecond=0)


def canonical(tag):
    """A tag in its canonical form; empty for what is no animal's tag, such as a reader's sign that it read none."""
    try:
        return normalize(tag or "")
    except RfidError:
        return ""


def fold(session, readings):
    """Put readings into a milking.

    :param session: dict of the session's fields as they are; empty for a new one
    :param readings: its `MeterData`, in any order
    :return: dict of the fields that change; `ended` True where one of the readings says that the milking is over
    """
    new = dict(session)
    for reading in sorted(readings, key=lambda reading: reading.timestamp):
        _add(new, reading)
    return {name: value for name, value in new.items() if name not in session or session[name] != value}


def _add(new, reading):
    is_latest = not new.get("last_message_at") or reading.timestamp >= new["last_message_at"]
    if is_latest:
        new["last_message_at"] = reading.timestamp
        new.update(reading.values)
    else:
        new.update({name: value for name, value in reading.values.items() if not new.get(name)})
    if not new.get("start_time") or reading.started_at < new["start_time"] - _START_TOLERANCE:
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


@dataclass
class Milking:
    """A milking that messages without a session id may belong to.

    :param ended: the meter said that it was over
    """

    session_id: str
    first: datetime
    last: datetime
    yield_liters: float
    tag: str
    ended: bool

    def takes(self, reading):
        """Whether a message is one of this milking's."""
        if self.tag and reading.tag and self.tag != reading.tag:
            return False
        if not self.first - SILENCE <= reading.timestamp <= self.last + SILENCE:
            return False
        still_filling = reading.yield_liters >= self.yield_liters - _YIELD_TOLERANCE_LITERS
        return reading.timestamp <= self.last or (not self.ended and still_filling)

    def extend(self, reading):
        self.first = min(self.first, reading.timestamp)
        self.tag = self.tag or reading.tag
        self.yield_liters = max(self.yield_liters, reading.yield_liters)
        if reading.timestamp >= self.last:
            self.last = reading.timestamp
            self.ended = not reading.milking


def name_milkings(readings, milkings, prefix):
    """Find the milking of each message that names none: the next without a gap, of the same cow, and still filling.

    :param readings: `MeterData` of one milking point
    :param milkings: the known `Milking`s there around that time; new ones are added
    :param prefix: of the session ids of new milkings
    :return: list of (session id, `MeterData`)
    """
    named = []
    for reading in sorted(readings, key=lambda reading: reading.timestamp):
        milking = next((milking for milking in milkings if milking.takes(reading)), None)
        if milking is None:
            start = f"{reading.timestamp:%Y%m%dT%H%M%S}{reading.timestamp.microsecond // 1000:03d}Z"
            milking = Milking(
                f"{prefix}-{start}", reading.timestamp, reading.timestamp, reading.yield_liters, reading.tag, False
            )
            milkings.append(milking)
        milking.extend(reading)
        named.append((milking.session_id, reading))
    return named


def _value(payload, path):
    for step in path:
        if not isinstance(payload, dict):
            return None
        payload = payload.get(step)
    return payload
