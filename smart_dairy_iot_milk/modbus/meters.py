"""The meters that are to be polled, as the register of devices has them."""

from collections import defaultdict
from dataclasses import dataclass

from . import statements
from .endpoint import Endpoint, parse_endpoint
from .profile import Profile, line_from_columns

#: Capability flag of a meter -> quantities it does not have without; their registers then hold nothing to report.
_CAPABILITIES = {
    "has_rfid_reader": ("rfid_tag",),
    "has_conductivity": ("conductivity", *(f"conductivity_{quarter}" for quarter in ("lf", "rf", "lr", "rr"))),
    "has_temperature": ("temperature_celsius",),
    "has_flow_sensor": ("flow_rate",),
    "has_milk_quality": ("fat_percentage", "protein_percentage", "lactose_percentage", "somatic_cell_count"),
}


@dataclass(frozen=True)
class Point:
    """A milking point of a meter.

    :param channel: its number, as in the meter's messages
    :param offset: registers from the addresses of the profile to those of the point
    :param reader: id of its RFID reader; empty where it has none of its own
    """

    channel: int
    offset: int = 0
    reader: str = ""


@dataclass(frozen=True)
class Meter:
    """A meter to poll.

    :param id: of `iot.milk_meter`
    :param iot_device_id: of `iot.device`, as in telemetry
    :param device_id: the identity on the wire
    :param data_topic, status_topic: where it would publish if it spoke MQTT
    :param points: tuple of `Point`
    :param factor: what yield and flow are multiplied with, from the meter's calibration
    :param interval: seconds between two readings of a point; `idle_interval` the same while the farm milks nobody
    :param problem: why it cannot be polled; what is missing for that is None then
    :param remark: what is to be mended though it is polled
    """

    id: int
    iot_device_id: int
    device_id: str
    farm_id: int
    data_topic: str
    status_topic: str
    endpoint: Endpoint
    unit: int
    profile: Profile
    points: tuple = (Point(1),)
    factor: float = 1.0
    interval: float = 1.0
    idle_interval: float = 3.0
    problem: str = ""
    remark: str = ""


def load_meters(cursor):
    """The meters that are to be polled now.

    :param cursor: DB-API cursor
    :return: list of `Meter`; one that cannot be polled says so in `problem`
    """
    cursor.execute(statements.METERS)
    rows = [_Row(*row[:15], dict(zip(_CAPABILITIES, row[15:], strict=True))) for row in cursor.fetchall()]
    points = _load_points(cursor, [row.id for row in rows])
    profiles = _load_profiles(cursor, [row.profile_id for row in rows])
    lines, meters = {}, []
    for row in rows:
        try:
            meter = _meter(row, points[row.id], profiles)
            endpoint, other = lines.setdefault(meter.endpoint.line, (meter.endpoint, meter))
            if endpoint != meter.endpoint:
                raise ValueError(f"its line is read with other settings by {other.device_id}: {endpoint}")
        except ValueError as error:
            meter = Meter(*row.identity, endpoint=None, unit=row.unit, profile=None, problem=str(error))
        meters.append(meter)
    return meters


@dataclass(frozen=True)
class _Row:
    id: int
    iot_device_id: int
    device_id: str
    farm_id: int
    data_topic: str
    status_topic: str
    communication_type: str
    port: str
    baudrate: str
    parity: str
    unit: int
    profile_id: int
    factor: float
    interval: float
    idle_interval: float
    has: dict

    @property
    def identity(self):
        return self.id, self.iot_device_id, self.device_id, self.farm_id, self.data_topic, self.status_topic


def _meter(row, points, profiles):
    if not all(row.identity):
        raise ValueError("it has no farm, and so no topic for data or status")
    if row.profile_id not in profiles:
        raise ValueError("it has no Modbus profile with registers")
    settings, lines = profiles[row.profile_id]
    absent = {name for flag, names in _CAPABILITIES.items() if not row.has[flag] for name in names}
    lines = tuple(line_from_columns(*columns) for columns in lines if columns[0] not in absent)
    profile = Profile(settings[0], lines, *settings[1:])
    points, unread = place_points(points, profile.point_stride)
    return Meter(
        *row.identity,
        endpoint=parse_endpoint(row.communication_type, row.port, row.baudrate, row.parity),
        unit=row.unit,
        profile=profile,
        points=points,
        factor=row.factor,
        interval=row.interval or Meter.interval,
        idle_interval=max(row.idle_interval or 0.0, row.interval or Meter.interval),
        remark=f"no registers are known of point {', '.join(map(str, unread))}" if unread else "",
    )


def place_points(points, stride):
    """Where the registers of a meter's points lie: at an offset of their own, else one stride after the other.

    :param points: list of `Point` with the offsets of their own, 0 where there is none; in order of their channels
    :param stride: registers from one point to the next; 0 where the profile knows of one point
    :return: (tuple of `Point`, list of the channels whose registers are not known)
    """
    points = points or [Point(1)]
    placed = {}
    for point in points:
        offset = point.offset or (point.channel - points[0].channel) * stride
        placed.setdefault(offset, Point(point.channel, offset, point.reader))
    known = {point.channel for point in placed.values()}
    return tuple(placed.values()), [point.channel for point in points if point.channel not in known]


def _load_points(cursor, meter_ids):
    """:return: dict meter id -> list of `Point` with the offsets of their own"""
    cursor.execute(statements.POINTS, [meter_ids])
    points = defaultdict(list)
    for meter_id, *point in cursor.fetchall():
        points[meter_id].append(Point(*point))
    return points


def _load_profiles(cursor, profile_ids):
    """:return: dict id -> (name and settings in the order of `Profile`, list of a line's columns)"""
    wanted = [profile_id for profile_id in set(profile_ids) if profile_id]
    cursor.execute(statements.PROFILES, [wanted])
    profiles = {profile_id: (settings, []) for profile_id, *settings in cursor.fetchall()}
    cursor.execute(statements.LINES, [wanted])
    for profile_id, *columns in cursor.fetchall():
        profiles[profile_id][1].append(columns)
    return {profile_id: found for profile_id, found in profiles.items() if found[1]}
