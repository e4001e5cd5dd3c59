"""A register map as a JSON document, to hand from one farm to another.

    {"format": "smart-dairy-modbus-profile", "version": 1, "name": "Parlour meters", "manufacturer": "other",
     "milking_from": "status", "flow_from": 0.2, "idle_seconds": 20, "point_stride": 0, "largest_gap": 0, "notes": "",
     "registers": [{"name": "Milk yield", "quantity": "yield_liters", "register_type": "holding", "address": 0,
                    "data_type": "float32", "byte_order": "ABCD", "length": 1, "bit": 0, "scale": 1.0, "offset": 0.0,
                    "unit": "L", "minimum": 0.0, "maximum": 50.0, "unavailable": ["0xFFFFFFFF"]}, …]}

What is read comes from anywhere: each key is known, each value of its kind, and the whole a map that meters can be read
with, or the document is refused with a sentence that says what is wrong with it.
"""

import json

from .profile import Profile, ProfileError, line_from_columns

FORMAT = "smart-dairy-modbus-profile"
VERSION = 1

#: More than any map has; what is larger is no register map.
MAX_BYTES = 1_000_000

#: Names of data types that makers use as well.
_TYPE_NAMES = {"i16": "int16", "u16": "uint16", "i32": "int32", "u32": "uint32", "i64": "int64", "u64": "uint64"}

#: Keys of a profile -> kind of value, default; a key without a default is required.
_PROFILE_KEYS = {
    "name": ("text",),
    "manufacturer": ("text", "other"),
    "milking_from": ("text", "status"),
    "flow_from": ("number", 0.2),
    "idle_seconds": ("integer", 20),
    "point_stride": ("integer", 0),
    "largest_gap": ("integer", 0),
    "notes": ("text", ""),
}
_LINE_KEYS = {
    "name": ("text", ""),
    "quantity": ("text",),
    "register_type": ("text", "holding"),
    "address": ("integer",),
    "data_type": ("text",),
    "byte_order": ("text", "ABCD"),
    "length": ("integer", 1),
    "bit": ("integer", 0),
    "scale": ("number", 1.0),
    "offset": ("number", 0.0),
    "unit": ("text", ""),
    "minimum": ("number or null", None),
    "maximum": ("number or null", None),
    "unavailable": ("list of numbers", ()),
}
_LONGEST_TEXT = 10_000
_LARGEST_INTEGER = 2**31 - 1
_LARGEST_NUMBER = 1e300


def write_document(profile, lines):
    """A register map as JSON text.

    :param profile: dict of the fields of `iot.modbus.profile`
    :param lines: list of dicts of the fields of `iot.modbus.profile.line`; a range from 0 to 0 is none
    :return: str
    """
    document = {"format": FORMAT, "version": VERSION}
    document |= {key: profile[key] or _empty(kind) for key, (kind, *_default) in _PROFILE_KEYS.items()}
    document["registers"] = [_line_document(line) for line in lines]
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_document(raw):
    """What a JSON document says, as values of records.

    :param raw: bytes
    :return: dict of the fields of `iot.modbus.profile`, list of dicts of the fields of `iot.modbus.profile.line`
    :raise ProfileError: it is no register map, or none that meters can be read with
    """
    document = _parsed(raw)
    if document.pop("format", None) != FORMAT:
        raise ProfileError(f"This is no register map: its format is not {FORMAT}.")
    version = document.pop("version", None)
    if version != VERSION or isinstance(version, bool):
        raise ProfileError(f"Version {version} of a register map is not known, only {VERSION} is.")
    registers = document.pop("registers", None)
    if not isinstance(registers, list) or not all(isinstance(register, dict) for register in registers):
        raise ProfileError("registers is not a list of registers.")
    profile = _checked(document, _PROFILE_KEYS, "the register map")
    lines = [_line_values(register, number) for number, register in enumerate(registers, 1)]
    _as_profile(profile, lines)
    return profile, lines


def _line_document(line):
    has_range = bool(line["minimum"] or line["maximum"])
    document = {}
    for key, (kind, *_default) in _LINE_KEYS.items():
        if key in ("minimum", "maximum"):
            document[key] = (line[key] or 0.0) if has_range else None
        elif key == "unavailable":
            document[key] = [part.strip() for part in (line[key] or "").split(",") if part.strip()]
        else:
            document[key] = line["value_offset" if key == "offset" else key] or _empty(kind)
    return document


def _line_values(register, number):
    values = _checked(register, _LINE_KEYS, f"register {number}")
    values["data_type"] = _TYPE_NAMES.get(values["data_type"], values["data_type"])
    values["value_offset"] = values.pop("offset")
    values["unavailable"] = ", ".join(map(str, values["unavailable"]))
    minimum, maximum = values["minimum"], values["maximum"]
    if (minimum is None) != (maximum is None):
        raise ProfileError(f"register {number}: a range has a minimum and a maximum.")
    if minimum is not None and minimum == maximum:
        raise ProfileError(f"register {number}: the range ends where it begins.")
    values["minimum"], values["maximum"] = minimum or 0.0, maximum or 0.0
    return values


def _as_profile(profile, lines):
    """Raises ProfileError where meters cannot be read with it."""
    columns = [{key: value for key, value in line.items() if key != "unit"} for line in lines]
    settings = {key: profile[key] for key in profile if key not in ("manufacturer", "notes")}
    Profile(lines=tuple(line_from_columns(**line) for line in columns), **settings)


def _parsed(raw):
    if len(raw) > MAX_BYTES:
        raise ProfileError(f"A register map has {MAX_BYTES} bytes at most.")
    try:
        document = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        if isinstance(error, ProfileError):
            raise
        raise ProfileError("This is no JSON document.") from error
    if not isinstance(document, dict):
        raise ProfileError("This is no register map but a list or a single value.")
    return document


def _once(pairs):
    document = dict(pairs)
    if len(document) < len(pairs):
        raise ProfileError("A key stands twice in the same place.")
    return document


def _no_constant(name):
    raise ProfileError(f"{name} is no number.")


def _checked(document, keys, where):
    unknown = sorted(document.keys() - keys.keys())
    if unknown:
        raise ProfileError(f"{where}: {', '.join(unknown)} is not known.")
    values = {}
    for key, (kind, *default) in keys.items():
        if key not in document and not default:
            raise ProfileError(f"{where}: {key} is missing.")
        values[key] = document.get(key, default[0] if default else None)
        if not _is(values[key], kind):
            raise ProfileError(f"{where}: {key} is no {kind}.")
    if not values.get("name", "") and "name" in keys and len(keys["name"]) == 1:
        raise ProfileError(f"{where}: it has no name.")
    return values


def _is(value, kind):
    if kind == "text":
        return isinstance(value, str) and len(value) <= _LONGEST_TEXT and "\0" not in value
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST_INTEGER
    if kind == "number":
        # Neither infinite nor NaN; a whole number of any length can be compared, but not made a float of.
        return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= _LARGEST_NUMBER
    if kind == "number or null":
        return value is None or _is(value, "number")
    # What a person writes as 0x… is text in JSON; `line_from_columns` reads it.
    return isinstance(value, (list, tuple)) and all(_is(part, "number") or _is_number_text(part) for part in value)


def _is_number_text(part):
    return isinstance(part, str) and len(part) <= 32 and "," not in part


def _empty(kind):
    return {"text": "", "integer": 0, "number": 0.0}[kind]
