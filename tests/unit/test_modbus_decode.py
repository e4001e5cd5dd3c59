"""Registers become values, whatever the type, the byte order and the state of the meter."""

import math
import struct

import pytest

from smart_dairy_iot_milk.modbus.decode import DecodeError, decode, decode_profile
from smart_dairy_iot_milk.modbus.profile import Line, Profile, parse_unavailable

BYTE_ORDERS = ["ABCD", "CDAB", "BADC", "DCBA"]
STATUS = Line("milking", 90, "bit")


def words(code, value):
    raw = struct.pack(code, value)
    return [int.from_bytes(raw[i : i + 2], "big") for i in range(0, len(raw), 2)]


def ordered(registers, byte_order):
    """Words in the order ABCD as a meter of another order sends them."""
    if byte_order in ("CDAB", "DCBA"):
        registers = registers[::-1]
    if byte_order in ("BADC", "DCBA"):
        registers = [(word & 0xFF) << 8 | word >> 8 for word in registers]
    return registers


@pytest.mark.parametrize(
    ("byte_order", "registers"),
    [
        ("ABCD", [0x42F6, 0xE666]),
        ("CDAB", [0xE666, 0x42F6]),
        ("BADC", [0xF642, 0x66E6]),
        ("DCBA", [0x66E6, 0xF642]),
    ],
)
def test_a_float_is_read_in_each_byte_order(byte_order, registers):
    assert decode(Line("yield_liters", 0, "float32", byte_order), registers) == pytest.approx(123.45)


@pytest.mark.parametrize("byte_order", BYTE_ORDERS)
@pytest.mark.parametrize(
    ("data_type", "code", "value"),
    [
        ("int16", ">h", -12),
        ("uint16", ">H", 65_534),
        ("int32", ">i", -70_000),
        ("uint32", ">I", 4_000_000_000),
        ("int64", ">q", -(2**40)),
        ("uint64", ">Q", 2**40 + 1),
        ("float32", ">f", 12.5),
        ("float64", ">d", 12.3456),
    ],
)
def test_each_number_type_is_read_in_each_byte_order(data_type, code, value, byte_order):
    line = Line("yield_liters", 0, data_type, byte_order)
    registers = ordered(words(code, value), byte_order)
    assert line.count == len(registers)
    assert decode(line, registers) == pytest.approx(value)


@pytest.mark.parametrize("byte_order", BYTE_ORDERS)
def test_a_64_bit_tag_is_put_in_order_over_all_four_registers(byte_order):
    registers = ordered(words(">Q", 0x0102030405060708), byte_order)
    assert decode(Line("rfid_tag", 0, "uint64", byte_order), registers) == "0102030405060708"


@pytest.mark.parametrize(("bit", "expected"), [(0, True), (1, False), (15, True)])
def test_a_bit_of_a_status_register_is_a_boolean(bit, expected):
    assert decode(Line("milking", 0, "bit", bit=bit), [0x8001]) is expected


@pytest.mark.parametrize(("word", "expected"), [(0, False), (1, True), (0x0100, True)])
def test_a_bool_is_any_bit_of_its_register(word, expected):
    assert decode(Line("blood_detected", 0, "bool"), [word]) is expected


@pytest.mark.parametrize("register_type", ["coil", "discrete"])
@pytest.mark.parametrize("state", [False, True])
def test_a_coil_is_what_it_is(register_type, state):
    assert decode(Line("milking", 0, "bool", register_type=register_type), [state]) is state


def test_scale_and_offset_apply_to_the_decoded_value():
    assert decode(Line("vacuum_pressure", 0, "uint16", scale=0.1, offset=-2), [425]) == pytest.approx(40.5)


def test_a_count_stays_a_whole_number():
    value = decode(Line("pulsation_rate", 0, "uint16", scale=0.5), [121])
    assert value == 60
    assert isinstance(value, int)


@pytest.mark.parametrize("data_type", ["float32", "float64"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_float_that_is_no_number_is_not_available(value, data_type):
    with pytest.raises(DecodeError, match=r"^not available$"):
        decode(Line("conductivity", 0, data_type), words({"float32": ">f", "float64": ">d"}[data_type], value))


@pytest.mark.parametrize(
    ("line", "registers"),
    [
        (Line("vacuum_pressure", 0, "uint16", unavailable=(0xFFFF, 0x8000)), [0x8000]),
        (Line("vacuum_pressure", 0, "int16", unavailable=(0x8000,)), [0x8000]),
        (Line("vacuum_pressure", 0, "int16", unavailable=(-32768,)), [0x8000]),
        (Line("conductivity", 0, "float32", unavailable=(-9999,)), words(">f", -9999.0)),
        (Line("conductivity", 0, "float32", unavailable=(0x7F7FFFFF,)), [0x7F7F, 0xFFFF]),
        (Line("conductivity", 0, "float32", "CDAB", unavailable=(0x7F7FFFFE,)), [0xFFFE, 0x7F7F]),
        (Line("somatic_cell_count", 0, "uint32", unavailable=(0xFFFFFFFF,), scale=1000), [0xFFFF, 0xFFFF]),
        (Line("blood_detected", 0, "bool", unavailable=(0xFFFF,)), [0xFFFF]),
        (Line("rfid_tag", 0, "uint64", unavailable=(0x1111,)), [0, 0, 0, 0x1111]),
    ],
)
def test_a_number_by_which_the_meter_says_that_it_has_no_value_is_none(line, registers):
    with pytest.raises(DecodeError, match=r"^not available$"):
        decode(line, registers)


def test_a_single_bit_is_not_taken_for_such_a_number():
    line = Line("milking", 0, "bit", bit=3, unavailable=(1,))
    assert decode(line, [0x0008]) is True
    with pytest.raises(DecodeError):
        decode(line, [0x0001])


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("", ()), (None, ()), ("0xFFFF, 0x8000", (65535, 32768)), (" -9999 ,1.5,", (-9999, 1.5))],
)
def test_such_numbers_are_written_as_decimals_or_as_bits(text, numbers):
    assert parse_unavailable(text) == numbers


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (-0.01, "out of range: -0.01 L"),
        (0.0, None),
        (50.0, None),
        (50.01, "out of range: 50.01 L"),
        (912.0, "out of range: 912.0 L"),
        (3e38, "out of range: 3e+38 L"),
    ],
)
def test_a_value_beyond_its_range_is_none_and_the_reason_says_which(value, problem):
    line = Line("yield_liters", 0, "float64", minimum=0, maximum=50)
    if problem is None:
        assert decode(line, words(">d", value)) == value
    else:
        with pytest.raises(DecodeError) as error:
            decode(line, words(">d", value))
        assert str(error.value) == problem


def test_a_number_that_its_scale_makes_endless_is_out_of_range():
    with pytest.raises(DecodeError, match="out of range"):
        decode(Line("somatic_cell_count", 0, "float64", scale=1000), words(">d", 1e307))


def test_a_range_is_of_the_value_and_not_of_its_registers():
    line = Line("temperature_celsius", 0, "uint16", scale=0.1, minimum=10, maximum=45)
    assert decode(line, [385]) == 38.5
    with pytest.raises(DecodeError, match=r"out of range: 50.0 °C"):
        decode(line, [500])


def test_a_range_may_be_open_at_one_end():
    assert decode(Line("somatic_cell_count", 0, "uint32", minimum=1), [0xFFFF, 0xFFFF]) == 0xFFFFFFFF
    with pytest.raises(DecodeError):
        decode(Line("somatic_cell_count", 0, "uint32", minimum=1), [0, 0])


@pytest.mark.parametrize(
    ("code", "tag"),
    [
        (0x8000F9DCBE991A14, "8000F9DCBE991A14"),
        (999123456789012, "999123456789012"),
        (0, None),
        (0xFFFFFFFFFFFFFFFF, None),
    ],
)
def test_a_tag_is_a_code_or_a_printed_number_or_absent(code, tag):
    assert decode(Line("rfid_tag", 0, "uint64"), words(">Q", code)) == tag


@pytest.mark.parametrize("byte_order", ["ABCD", "BADC"])
def test_a_tag_can_be_a_string(byte_order):
    line = Line("rfid_tag", 0, "string", byte_order, length=8)
    assert decode(line, ordered(words(">16s", b"999123456789012\0"), byte_order)) == "999123456789012"
    assert decode(line, [0] * 8) is None


def test_a_string_of_no_characters_cannot_be_decoded():
    with pytest.raises(DecodeError, match=r"^cannot be decoded$"):
        decode(Line("rfid_tag", 0, "string", length=1), [0xFFFE])


def test_values_that_are_missing_are_left_out_and_named():
    profile = Profile(
        "a",
        (
            Line("yield_liters", 0, "float32"),
            Line("conductivity", 2, "float32"),
            Line("flow_rate", 4, "float32", maximum=15),
            Line("rfid_tag", 6, "uint64"),
            STATUS,
        ),
    )
    registers = words(">f", 7.5) + words(">f", math.nan) + words(">f", 99.0) + [0] * 4
    holding = {("holding", address): word for address, word in enumerate(registers)} | {("holding", 90): 1}
    values, problems = decode_profile(profile, holding)
    assert values == {"yield_liters": 7.5, "milking": True}
    assert problems == {"conductivity": "not available", "flow_rate": "out of range: 99.0 L/min"}


def test_the_second_milking_point_stands_behind_the_first():
    profile = Profile("a", (Line("yield_liters", 0, "uint16"), Line("milking", 1, "bool", register_type="coil")))
    read = {("holding", 0): 1, ("coil", 1): True, ("holding", 20): 2, ("coil", 21): False}
    assert decode_profile(profile, read, offset=20) == ({"yield_liters": 2.0, "milking": False}, {})
