"""Registers become values, whatever the type, the byte order and the state of the meter."""

import math
import struct

import pytest

from modbus_testing import DELAVAL
from smart_dairy_iot_milk.modbus.client import parse_endpoint
from smart_dairy_iot_milk.modbus.decode import DecodeError, decode, decode_profile
from smart_dairy_iot_milk.modbus.profile import Block, Line, Profile, ProfileError

STATUS = Line("milking", 90, "bit")


def words(code, value):
    raw = struct.pack(code, value)
    return [int.from_bytes(raw[i : i + 2], "big") for i in range(0, len(raw), 2)]


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


@pytest.mark.parametrize(
    ("data_type", "code", "value"),
    [
        ("int16", ">h", -12),
        ("uint16", ">H", 65_535),
        ("int32", ">i", -70_000),
        ("uint32", ">I", 4_000_000_000),
        ("int64", ">q", -(2**40)),
        ("uint64", ">Q", 2**40 + 1),
        ("float32", ">f", 12.5),
        ("float64", ">d", 12.3456),
    ],
)
def test_each_number_type_is_read(data_type, code, value):
    line = Line("yield_liters", 0, data_type)
    registers = words(code, value)
    assert line.count == len(registers)
    assert decode(line, registers) == pytest.approx(value)


@pytest.mark.parametrize("byte_order", ["ABCD", "CDAB", "BADC", "DCBA"])
def test_a_64_bit_value_is_put_in_order_over_all_four_registers(byte_order):
    registers = words(">Q", 0x0102030405060708)
    if byte_order in ("CDAB", "DCBA"):
        registers.reverse()
    if byte_order in ("BADC", "DCBA"):
        registers = [(word & 0xFF) << 8 | word >> 8 for word in registers]
    assert decode(Line("rfid_tag", 0, "uint64", byte_order), registers) == "0102030405060708"


@pytest.mark.parametrize(("bit", "expected"), [(0, True), (1, False), (15, True)])
def test_a_bit_of_a_status_register_is_a_boolean(bit, expected):
    assert decode(Line("milking", 0, "bit", bit=bit), [0x8001]) is expected


def test_scale_and_offset_apply_to_the_decoded_value():
    assert decode(Line("vacuum_pressure", 0, "uint16", scale=0.1, offset=-2), [425]) == pytest.approx(40.5)


def test_a_count_stays_a_whole_number():
    value = decode(Line("pulsation_rate", 0, "uint16", scale=0.5), [121])
    assert value == 60
    assert isinstance(value, int)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_float_that_is_no_number_is_no_value(value):
    assert decode(Line("conductivity", 0, "float32"), words(">f", value)) is None


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


def test_a_tag_can_be_a_string():
    line = Line("rfid_tag", 0, "string", length=8)
    assert decode(line, words(">16s", b"999123456789012\0")) == "999123456789012"
    assert decode(line, [0] * 8) is None


def test_a_string_of_no_characters_is_an_error_of_the_meter():
    with pytest.raises(DecodeError):
        decode(Line("rfid_tag", 0, "string", length=1), [0xFFFE])


def test_values_that_are_missing_are_left_out_of_a_reading():
    profile = Profile("a", "holding", (Line("yield_liters", 0, "float32"), Line("conductivity", 2, "float32"), STATUS))
    registers = dict(enumerate(words(">f", 7.5) + words(">f", math.nan))) | {90: 1}
    assert decode_profile(profile, registers) == {"yield_liters": 7.5, "milking": True}


def test_contiguous_registers_are_one_request_and_a_gap_is_not_read_across():
    assert set(DELAVAL.blocks) == {Block(0, 9), Block(10, 7)}


def test_the_status_is_read_before_the_yield():
    assert DELAVAL.blocks[0] == Block(10, 7)


def test_lines_that_overlap_share_a_request():
    profile = Profile("a", "holding", (Line("yield_liters", 0, "float64"), Line("milking", 2, "bit")))
    assert profile.blocks == (Block(0, 4),)


def test_a_request_is_no_longer_than_modbus_allows():
    lines = (Line("yield_liters", 0, "float32"), Line("rfid_tag", 2, "string", length=124), Line("milking", 126, "bit"))
    assert all(block.count <= 125 for block in Profile("a", "holding", lines).blocks)


@pytest.mark.parametrize(
    "values",
    [
        {"quantity": "colour"},
        {"data_type": "float128"},
        {"byte_order": "ACBD"},
        {"bit": 16},
        {"address": -1},
        {"address": 65535},
        {"data_type": "string"},
    ],
)
def test_a_line_that_makes_no_sense_is_refused(values):
    with pytest.raises(ProfileError):
        Line(**{"quantity": "yield_liters", "address": 0, "data_type": "float32", **values})


@pytest.mark.parametrize(
    "lines",
    [(STATUS,), (Line("yield_liters", 0, "float32"),), (STATUS, STATUS, Line("yield_liters", 0, "float32"))],
)
def test_a_map_without_status_or_yield_or_with_one_twice_is_refused(lines):
    with pytest.raises(ProfileError):
        Profile("a", "holding", lines)


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("10.0.0.7:1502", ("10.0.0.7", 1502)),
        ("meter.local", ("meter.local", 502)),
        ("[fe80::1]:502", ("fe80::1", 502)),
        ("[::1]", ("::1", 502)),
    ],
)
def test_an_endpoint_is_a_host_and_a_port(text, endpoint):
    assert parse_endpoint(text) == endpoint


@pytest.mark.parametrize("text", ["", None, ":502", "host:", "host:0", "host:65536", "host:modbus", "a host:502"])
def test_what_is_no_endpoint_is_refused(text):
    with pytest.raises(ValueError, match="is no"):
        parse_endpoint(text)
