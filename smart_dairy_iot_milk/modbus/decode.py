"""From registers to values."""

import math

from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ModbusException

from .profile import QUANTITIES

_PYMODBUS_TYPES = {
    "int16": ModbusTcpClient.DATATYPE.INT16,
    "uint16": ModbusTcpClient.DATATYPE.UINT16,
    "int32": ModbusTcpClient.DATATYPE.INT32,
    "uint32": ModbusTcpClient.DATATYPE.UINT32,
    "int64": ModbusTcpClient.DATATYPE.INT64,
    "uint64": ModbusTcpClient.DATATYPE.UINT64,
    "float32": ModbusTcpClient.DATATYPE.FLOAT32,
    "float64": ModbusTcpClient.DATATYPE.FLOAT64,
    "bit": ModbusTcpClient.DATATYPE.UINT16,
    "string": ModbusTcpClient.DATATYPE.STRING,
}
_SWAPPED_BYTES = ("BADC", "DCBA")
_LITTLE_WORDS = ("CDAB", "DCBA")

# A float32 of 12.3 is 12.300000190734863: more digits than these are an artefact of the type, not a measurement.
_DECIMALS = 4

# A reader's register is all zeros, or all ones, where there is no tag.
_NO_TAG = (0, 0xFFFFFFFFFFFFFFFF)
_LARGEST_DECIMAL_TAG = 999_999_999_999_999
_SMALLEST_DECIMAL_TAG = 10**12


class DecodeError(ValueError):
    """Registers that hold no value of the type the register map says."""


def decode(line, registers):
    """The value of one line.

    :param registers: its `line.count` words
    :return: float, int, bool or str by the quantity; None where the meter has no value (no tag, not a number)
    """
    raw = _raw(line, registers)
    kind = QUANTITIES[line.quantity]
    if kind == "tag":
        return _tag(raw)
    if kind == "boolean":
        return bool(raw)
    if not math.isfinite(raw):
        return None
    value = raw * line.scale + line.offset
    return round(value) if kind == "integer" else round(value, _DECIMALS)


def decode_profile(profile, words):
    """All values of a register map.

    :param words: dict address -> word
    :return: dict quantity -> value, without those that have none
    """
    values = {}
    for line in profile.lines:
        value = decode(line, [words[line.address + i] for i in range(line.count)])
        if value is not None:
            values[line.quantity] = value
    return values


def _raw(line, registers):
    if line.byte_order in _SWAPPED_BYTES:
        registers = [(word & 0xFF) << 8 | word >> 8 for word in registers]
    word_order = "little" if line.byte_order in _LITTLE_WORDS else "big"
    try:
        raw = ModbusTcpClient.convert_from_registers(registers, _PYMODBUS_TYPES[line.data_type], word_order=word_order)
    except (ModbusException, UnicodeDecodeError) as error:
        raise DecodeError(f"{line.quantity}: {error}") from error
    return raw >> line.bit & 1 if line.data_type == "bit" else raw


def _tag(raw):
    """A tag as text: the ISO 11784 code as 16 hexadecimal digits, or the printed number where the meter gives that."""
    if isinstance(raw, str):
        return raw.strip("\0 ") or None
    code = int(raw)
    if code in _NO_TAG:
        return None
    if _SMALLEST_DECIMAL_TAG <= code <= _LARGEST_DECIMAL_TAG:
        return f"{code:015d}"
    return f"{code:016X}"
