"""From registers to values. What is no value of the quantity gets no further than here."""

import math
import struct

from .profile import QUANTITIES, UNITS

#: Data type -> `struct` code of its bytes in the order ABCD.
_CODES = {
    "int16": ">h",
    "uint16": ">H",
    "int32": ">i",
    "uint32": ">I",
    "int64": ">q",
    "uint64": ">Q",
    "float32": ">f",
    "float64": ">d",
    "bool": ">H",
    "bit": ">H",
}
_SWAPPED_BYTES = ("BADC", "DCBA")
_LITTLE_WORDS = ("CDAB", "DCBA")

# A float32 of 12.3 is 12.300000190734863: more digits than these are an artefact of the type, not a measurement.
_DECIMALS = 4

# A reader's register is all zeros, or all ones, where there is no tag.
_NO_TAG = (0, 0xFFFFFFFFFFFFFFFF)
_LARGEST_DECIMAL_TAG = 999_999_999_999_999
_SMALLEST_DECIMAL_TAG = 10**12

NOT_AVAILABLE = "not available"
OUT_OF_RANGE = "out of range"
NOT_DECODED = "cannot be decoded"


class DecodeError(ValueError):
    """Registers that hold no value of the quantity; the text is what is wrong, beginning with one of the above."""


def decode(line, registers):
    """The value of one line.

    :param registers: its `line.count` words; of a coil or discrete input its bool
    :return: float, int, bool or str by the quantity; None where there is nothing to have a value of (no tag)
    :raise DecodeError: not available, out of range, or nothing of the line's type
    """
    if isinstance(registers[0], bool):
        return registers[0]
    octets = _octets(line, registers)
    raw = _raw(line, octets)
    if line.unavailable and (int.from_bytes(octets, "big") in line.unavailable or _stands_for(line, raw)):
        raise DecodeError(NOT_AVAILABLE)
    kind = QUANTITIES[line.quantity]
    if kind == "tag":
        return _tag(raw)
    if isinstance(raw, float) and not math.isfinite(raw):
        raise DecodeError(NOT_AVAILABLE)
    if kind == "boolean":
        return bool(raw >> line.bit & 1 if line.data_type == "bit" else raw)
    return _in_range(line, _scaled(line, raw, kind))


def decode_profile(profile, words, offset=0):
    """All values of a register map.

    :param words: dict (register type, address) -> word, or bool of a coil or discrete input
    :param offset: registers from the addresses of the map to those of the milking point
    :return: dict quantity -> value, without those that have none; dict quantity -> what is wrong with it
    """
    values, problems = {}, {}
    for line in profile.lines:
        try:
            value = decode(line, line_words(line, words, offset))
        except DecodeError as error:
            problems[line.quantity] = str(error)
            continue
        if value is not None:
            values[line.quantity] = value
    return values, problems


def line_words(line, words, offset=0):
    """The words of one line, of those that were read.

    :param words: dict (register type, address) -> word or bool
    :return: list
    """
    first = line.address + offset
    return [words[line.register_type, address] for address in range(first, first + line.count)]


def _octets(line, registers):
    """The value's bytes in the order ABCD."""
    if line.byte_order in _LITTLE_WORDS:
        registers = reversed(registers)
    order = "little" if line.byte_order in _SWAPPED_BYTES else "big"
    return b"".join(word.to_bytes(2, order) for word in registers)


def _raw(line, octets):
    if line.data_type != "string":
        return struct.unpack(_CODES[line.data_type], octets)[0]
    try:
        return octets.decode("ascii")
    except UnicodeDecodeError as error:
        raise DecodeError(NOT_DECODED) from error


def _stands_for(line, raw):
    """Whether a number, unlike single bits of a register, is one that the meter uses for 'no value'."""
    return line.data_type not in ("bit", "bool") and raw in line.unavailable


def _scaled(line, raw, kind):
    value = raw * line.scale + line.offset
    if isinstance(value, float) and not math.isfinite(value):
        raise DecodeError(f"{OUT_OF_RANGE}: {value}")
    return round(value) if kind == "integer" else round(value, _DECIMALS)


def _in_range(line, value):
    below = line.minimum is not None and value < line.minimum
    if below or (line.maximum is not None and value > line.maximum):
        shown = f"{value:g}" if isinstance(value, float) and abs(value) >= 1e6 else str(value)
        raise DecodeError(f"{OUT_OF_RANGE}: {shown} {UNITS.get(line.quantity, '')}".rstrip())
    return value


def _tag(raw):
    """A tag as text: the ISO 11784 code as 16 hexadecimal digits, or the printed number where the meter gives that."""
    if isinstance(raw, str):
        return raw.strip("\0 ") or None
    if raw in _NO_TAG:
        return None
    if _SMALLEST_DECIMAL_TAG <= raw <= _LARGEST_DECIMAL_TAG:
        return f"{raw:015d}"
    if raw < 0:
        raise DecodeError(NOT_DECODED)
    return f"{raw:016X}"
