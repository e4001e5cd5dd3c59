"""A register map that makes no sense is refused, and one that does is read in as few requests as its meter allows."""

import pytest

from smart_dairy_iot_milk.modbus.blocks import Block
from smart_dairy_iot_milk.modbus.profile import LINE_COLUMNS, Line, Profile, ProfileError, line_from_columns

STATUS = Line("milking", 90, "bit")
YIELD = Line("yield_liters", 0, "float32")
FLOW = Line("flow_rate", 2, "float32")
DELAVAL = Profile(
    "DeLaval MM27BC",
    (
        YIELD,
        FLOW,
        Line("conductivity", 4, "float32"),
        Line("temperature_celsius", 6, "float32"),
        Line("duration_seconds", 8, "uint16"),
        Line("rfid_tag", 10, "uint64"),
        Line("milking", 14, "bit"),
        Line("vacuum_pressure", 15, "uint16"),
        Line("pulsation_rate", 16, "uint16"),
    ),
)


def holding(address, count):
    return Block("holding", address, count)


def test_contiguous_registers_are_one_request_and_a_gap_is_not_read_across():
    assert set(DELAVAL.blocks) == {holding(0, 9), holding(10, 7)}


def test_the_status_is_read_before_the_yield():
    assert DELAVAL.blocks[0] == holding(10, 7)


def test_where_milk_tells_of_the_milking_its_flow_is_read_first():
    profile = Profile("a", (Line("yield_liters", 0, "float32"), Line("flow_rate", 50, "float32")), "flow")
    assert profile.blocks == (holding(50, 2), holding(0, 2))


def test_a_gap_is_read_across_where_the_map_allows_it():
    lines = (YIELD, Line("milking", 5, "bit"))
    assert Profile("a", lines, largest_gap=2).blocks == (holding(5, 1), holding(0, 2))
    assert Profile("a", lines, largest_gap=3).blocks == (holding(0, 6),)


def test_lines_that_overlap_share_a_request():
    profile = Profile("a", (Line("yield_liters", 0, "float64"), Line("milking", 2, "bit")))
    assert profile.blocks == (holding(0, 4),)


def test_registers_of_different_kinds_are_different_requests():
    lines = (
        YIELD,
        Line("flow_rate", 2, "float32", register_type="input"),
        Line("milking", 2, "bool", register_type="coil"),
    )
    assert Profile("a", lines).blocks == (Block("coil", 2, 1), holding(0, 2), Block("input", 2, 2))


def test_a_request_is_no_longer_than_modbus_allows_and_a_value_is_not_torn():
    lines = (
        YIELD,
        Line("rfid_tag", 2, "string", length=122),
        Line("conductivity", 124, "float32"),
        Line("milking", 126, "bit"),
    )
    assert set(Profile("a", lines).blocks) == {holding(0, 124), holding(124, 3)}
    lines = (YIELD, Line("rfid_tag", 2, "string", length=122), Line("milking", 124, "bit"))
    assert Profile("a", lines).blocks == (holding(0, 125),)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"quantity": "colour"}, "no quantity"),
        ({"data_type": "float128"}, "no data type"),
        ({"byte_order": "ACBD"}, "no byte order"),
        ({"register_type": "file"}, "no register type"),
        ({"bit": 16}, "bits 0 to 15"),
        ({"address": -1}, "addresses 0 to 65535"),
        ({"address": 65535}, "addresses 0 to 65535"),
        ({"data_type": "string"}, "only a tag"),
        ({"data_type": "bool"}, "yes or no"),
        ({"data_type": "bit"}, "yes or no"),
        ({"register_type": "coil"}, "its type is bool"),
        ({"register_type": "coil", "quantity": "milking"}, "its type is bool"),
        ({"quantity": "rfid_tag"}, "a string or a whole number"),
        ({"quantity": "rfid_tag", "data_type": "string", "length": 126}, "1 to 125 registers"),
        ({"quantity": "rfid_tag", "data_type": "string", "length": 0}, "1 to 125 registers"),
        ({"quantity": "rfid_tag", "data_type": "string", "unavailable": (1,)}, "only a number says"),
        ({"quantity": "milking", "data_type": "bit", "maximum": 1}, "only a number has a range"),
        ({"minimum": 5, "maximum": 5}, "ends before it begins"),
        ({"scale": 0}, "every value the same"),
    ],
)
def test_a_line_that_makes_no_sense_is_refused(values, problem):
    with pytest.raises(ProfileError, match=problem):
        Line(**{"quantity": "yield_liters", "address": 0, "data_type": "float32", **values})


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ((STATUS,), "no line for yield_liters"),
        ((YIELD,), "no line for milking"),
        ((STATUS, STATUS, YIELD), "more than one line for milking"),
    ],
)
def test_a_map_without_status_or_yield_or_with_one_twice_is_refused(lines, problem):
    with pytest.raises(ProfileError, match=problem):
        Profile("a", lines)


def test_where_milk_tells_of_the_milking_a_flow_is_required_and_no_status():
    assert Profile("a", (YIELD, FLOW), "flow").required == ("flow_rate", "yield_liters")
    with pytest.raises(ProfileError, match="no line for flow_rate"):
        Profile("a", (YIELD, STATUS), "flow")


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"milking_from": "tag"}, "not by tag"),
        ({"flow_from": 0}, "greater than 0"),
        ({"idle_seconds": 0}, "at the earliest"),
        ({"point_stride": -1}, "registers apart"),
        ({"largest_gap": 17}, "0 to 16"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, problem):
    with pytest.raises(ProfileError, match=problem):
        Profile("a", (STATUS, YIELD), **settings)


def stored(**columns):
    row = dict.fromkeys(LINE_COLUMNS) | {"quantity": "yield_liters", "data_type": "float32"} | columns
    return line_from_columns(*(row[column] for column in LINE_COLUMNS))


def test_a_stored_line_without_anything_special_is_a_plain_one():
    assert stored() == YIELD


def test_a_stored_range_from_0_to_0_is_none_and_one_end_may_be_0():
    assert (stored(minimum=0.0, maximum=0.0).minimum, stored(minimum=0.0, maximum=0.0).maximum) == (None, None)
    assert (stored(minimum=0.0, maximum=50.0).minimum, stored(minimum=0.0, maximum=50.0).maximum) == (0.0, 50.0)
    assert (stored(minimum=-5.0, maximum=0.0).minimum, stored(minimum=-5.0, maximum=0.0).maximum) == (-5.0, 0.0)


def test_a_stored_line_has_all_it_was_given():
    line = stored(
        address=7, byte_order="CDAB", scale=0.1, value_offset=2.0, register_type="input", unavailable="0xFFFF", name="Y"
    )
    assert line == Line("yield_liters", 7, "float32", "CDAB", 1, 0, 0.1, 2.0, "input", unavailable=(0xFFFF,), name="Y")


@pytest.mark.parametrize("text", ["n/a", "nan", "inf", "1e999", "0x", "9" * 400])
def test_what_is_no_number_does_not_stand_for_no_value(text):
    with pytest.raises(ProfileError, match=f"{text} is no number"):
        stored(unavailable=f"0xFFFF, {text}")
