"""Milking visits of ICAR's Animal Data Exchange (ADE) <-> what a milking session holds.

ADE counts in kilograms, in thousands of cells, in conductivity at 25 °C; sessions in litres, in cells, and in
conductivity as the meter gives it. `visit_resource` writes what `read_visit` reads.
"""

import math
import re
from dataclasses import dataclass, field
from datetime import datetime, timezone

from dateutil.parser import isoparse

from .ade_schema import QUARTERS, RESOURCE_TYPE
from .units import DENSITY_KG_PER_L, to_kilograms, to_liters

_NUMBER = re.compile(r"-?\d{1,12}(\.\d{1,12})?([eE][+-]?\d)?")
_EARLIEST = datetime(2000, 1, 1)


class AdeError(ValueError):
    """A milking visit that has the right fields, and a value in them that cannot be.

    :param field: its place, e.g. `milkCharacteristics.FAT`
    """

    def __init__(self, place, sentence):
        super().__init__(f"{place}: {sentence}")
        self.field = place
        self.sentence = sentence


@dataclass(frozen=True)
class Identifier:
    """An id, unique in its scheme."""

    scheme: str
    id: str

    def resource(self):
        """As ADE writes it."""
        return {"id": self.id, "scheme": self.scheme}


@dataclass(frozen=True)
class Visit:
    """One milking of one animal. Moments are naive UTC. None and "" stand for what is not known.

    `measured` has what the milk was like by the names of `milk.session`: fat, protein and lactose in per cent, cells
    per mL, blood, flow in L/min, temperature in °C, and `conductivity_25` in mS/cm at 25 °C. `quarters` has by its name
    (LF, RF, LR, RR) what was measured of each: `yield` in litres and `conductivity_25`.
    """

    source: str
    source_id: str
    modified: datetime
    animal: Identifier
    start: datetime
    yield_liters: float
    created: datetime | None = None
    is_deleted: bool = False
    location: Identifier | None = None
    duration_seconds: int | None = None
    is_automated: bool | None = None
    is_complete: bool | None = None
    parlour_unit: str = ""
    box_number: str = ""
    milking_device_id: str = ""
    measure_device_id: str = ""
    measured: dict = field(default_factory=dict)
    quarters: dict = field(default_factory=dict)
    remarks: tuple = ()


@dataclass(frozen=True)
class _Characteristic:
    """One of ICAR's codes.

    :param name: in `Visit.measured`
    :param unit: UN/CEFACT code, the one that ICAR takes where none is given
    :param factor: ICAR's number / ours; `density` stands for the milk's
    :param most: the largest that can be, in ICAR's unit
    """

    code: str
    name: str
    unit: str
    most: float
    factor: float | str = 1.0

    def scale(self, density):
        return density if self.factor == "density" else self.factor


_CHARACTERISTICS = (
    _Characteristic("SCC", "somatic_cell_count", "NCL", 99_999, 0.001),
    _Characteristic("FAT", "fat_percentage", "VP", 100),
    _Characteristic("PROTEIN", "protein_percentage", "VP", 100),
    _Characteristic("LAC", "lactose_percentage", "VP", 100),
    _Characteristic("AVGCOND", "conductivity_25", "H61", 100),
    _Characteristic("AVGFLWR", "avg_flow_rate", "F31", 100, "density"),
    _Characteristic("MAXFLWR", "peak_flow_rate", "F31", 100, "density"),
    _Characteristic("TEMPERATURE", "milk_temperature", "CEL", 100),
)
_BY_CODE = {characteristic.code: characteristic for characteristic in _CHARACTERISTICS}
_BLOOD_UNIT = "A99"


# ---------------------------------------------------------------------- out


def format_moment(moment):
    """RFC 3339 of a naive UTC datetime."""
    return f"{moment.isoformat()}Z"


def visit_resource(visit, density=DENSITY_KG_PER_L):
    """A visit as ADE writes it: a dict without any null, which ICAR's schema would not take.

    :param density: kg per litre
    """
    location = visit.location and visit.location.resource()
    duration = visit.duration_seconds and {"unitCode": "SEC", "value": visit.duration_seconds}
    resource = {
        "resourceType": RESOURCE_TYPE,
        "id": visit.source_id,
        "meta": _meta(visit),
        "location": location,
        "animal": visit.animal.resource(),
        "milkingStartingDateTime": format_moment(visit.start),
        "milkingDuration": duration,
        "milkingType": {True: "Automated", False: "Manual"}.get(visit.is_automated),
        "milkingMilkWeight": _weight(visit.yield_liters, density),
        "milkingComplete": visit.is_complete,
        "milkingParlourUnit": visit.parlour_unit,
        "milkingBoxNumber": visit.box_number,
        "milkingDeviceId": visit.milking_device_id,
        "measureDeviceId": visit.measure_device_id,
        "quarterMilkings": [
            _quarter(name, visit.quarters[name], density) for name in QUARTERS if name in visit.quarters
        ],
        "milkCharacteristics": _characteristics(visit.measured, density),
        "milkingRemarks": list(visit.remarks),
    }
    return {name: value for name, value in resource.items() if value is False or value}


def deleted_resource(resource, moment):
    """A visit that was told and has been deleted since, as ADE writes it.

    :param resource: what `visit_resource` gave before
    :param moment: when it was deleted, naive UTC
    """
    return {**resource, "meta": {**resource["meta"], "isDeleted": True, "modified": format_moment(moment)}}


def _meta(visit):
    meta = {
        "source": visit.source,
        "sourceId": visit.source_id,
        "isDeleted": visit.is_deleted,
        "modified": format_moment(visit.modified),
    }
    return {**meta, "created": format_moment(visit.created)} if visit.created else meta


def _weight(liters, density):
    return {"unitCode": "KGM", "value": to_kilograms(liters, density)}


def _quarter(name, values, density):
    quarter = {"icarQuarterId": name}
    if values.get("yield"):
        quarter["quarterMilkingWeight"] = _weight(values["yield"], density)
    characteristics = _characteristics(values, density)
    return {**quarter, "icarQuarterCharacteristics": characteristics} if characteristics else quarter


def _characteristics(measured, density):
    """What was measured; 0 and False of the session stand for what was not."""
    found = [
        {"characteristic": each.code, "value": _digits(measured[each.name] * each.scale(density))}
        for each in _CHARACTERISTICS
        if measured.get(each.name)
    ]
    if measured.get("blood_detected"):
        found.append({"characteristic": "BLOOD", "value": "true"})
    return found


def _digits(number):
    """A number as ADE wants it, a text: without exponent and without zeros that say nothing."""
    return f"{number:.4f}".rstrip("0").rstrip(".")


# ---------------------------------------------------------------------- in


def read_visit(resource, density=DENSITY_KG_PER_L):
    """The visit that a resource is.

    :param resource: dict that `ade_schema.VISIT` has found good
    :param density: kg per litre
    :raises AdeError: for a value that cannot be
    """
    meta = resource["meta"]
    types = {"Automated": True, "Manual": False}
    created = meta.get("created")
    location = resource.get("location")
    return Visit(
        source=meta["source"],
        source_id=meta["sourceId"],
        modified=_moment("meta.modified", meta["modified"]),
        created=_moment("meta.created", created) if created else None,
        is_deleted=bool(meta.get("isDeleted")),
        animal=_identifier(resource["animal"]),
        location=_identifier(location) if location else None,
        start=_moment("milkingStartingDateTime", resource["milkingStartingDateTime"]),
        yield_liters=to_liters(resource["milkingMilkWeight"]["value"], density),
        duration_seconds=_seconds(resource.get("milkingDuration")),
        is_automated=types.get(resource.get("milkingType")),
        is_complete=resource.get("milkingComplete"),
        parlour_unit=resource.get("milkingParlourUnit") or "",
        box_number=resource.get("milkingBoxNumber") or "",
        milking_device_id=resource.get("milkingDeviceId") or "",
        measure_device_id=resource.get("measureDeviceId") or "",
        measured=_measured("milkCharacteristics", resource.get("milkCharacteristics"), density),
        quarters=_quarters(resource.get("quarterMilkings"), density),
        remarks=tuple(resource.get("milkingRemarks") or ()),
    )


def parse_moment(text):
    """The naive UTC datetime, cut to microseconds, of an RFC 3339 text.

    :raises ValueError: for what is no moment with an offset, or none that a calendar here has
    """
    try:
        moment = isoparse(text)
        if moment.tzinfo is None:
            raise ValueError(text)
        return moment.astimezone(timezone.utc).replace(tzinfo=None)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text} is no time with date and offset, such as 2026-05-04T04:31:07Z") from error


def _moment(place, text):
    try:
        moment = parse_moment(text)
    except ValueError as error:
        raise AdeError(place, str(error)) from error
    if moment < _EARLIEST:
        raise AdeError(place, f"{text} is before 2000")
    return moment


def _identifier(resource):
    return Identifier(resource["scheme"], resource["id"])


def _seconds(duration):
    """Of icarMilkDuration; ICAR requires neither its value nor its unit, so without either it is not known."""
    if not duration or duration.get("value") is None or not duration.get("unitCode"):
        return None
    seconds = round(duration["value"] * {"SEC": 1, "MIN": 60}[duration["unitCode"]])
    if seconds > 86_400:
        raise AdeError("milkingDuration", "a milking does not take more than a day")
    return seconds


def _measured(place, characteristics, density):
    """dict name of `milk.session` -> value, of the characteristics that sessions have; others are left out."""
    measured = {}
    for given in characteristics or ():
        code, text = given["characteristic"], given["value"]
        where = f"{place}.{code}"
        if code == "BLOOD":
            _check_unit(where, given, _BLOOD_UNIT)
            measured["blood_detected"] = _truth(where, text)
        elif code in _BY_CODE:
            known = _BY_CODE[code]
            _check_unit(where, given, known.unit)
            measured[known.name] = _value(known, _number(where, text, known.most), density)
    return measured


def _value(known, number, density):
    value = number / known.scale(density)
    return round(value) if known.name == "somatic_cell_count" else round(value, 3)


def _quarters(milkings, density):
    quarters = {}
    for milking in milkings or ():
        name = milking["icarQuarterId"]
        place = f"quarterMilkings.{name}"
        if name in quarters:
            raise AdeError(place, "the quarter is there twice")
        weight = milking.get("quarterMilkingWeight")
        values = {"yield": to_liters(weight["value"], density)} if weight else {}
        measured = _measured(place, milking.get("icarQuarterCharacteristics"), density)
        quarters[name] = {**values, **{key: measured[key] for key in measured if key == "conductivity_25"}}
    return quarters


def _check_unit(place, given, unit):
    if given.get("unit") and given["unit"] != unit:
        raise AdeError(place, f"it is in {given['unit']}, and has to be in {unit}")


def _truth(place, text):
    if text.lower() not in ("true", "false"):
        raise AdeError(place, f"{text} is neither true nor false")
    return text.lower() == "true"


def _number(place, text, most):
    if not _NUMBER.fullmatch(text.strip()) or not math.isfinite(float(text)):
        raise AdeError(place, f"{text[:40]} is no number")
    number = float(text)
    if not 0 <= number <= most:
        raise AdeError(place, f"{text} is not between 0 and {most}")
    return number
