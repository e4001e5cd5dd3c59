"""A register map travels as JSON and arrives as it left; what is no map that meters can be read with is refused."""

import json

import pytest

from smart_dairy_iot_milk.modbus.document import read_document, write_document
from smart_dairy_iot_milk.modbus.profile import ProfileError

PROFILE = {
    "name": "Melkstand Süd",
    "manufacturer": "other",
    "milking_from": "status",
    "flow_from": 0.2,
    "idle_seconds": 20,
    "point_stride": 32,
    "largest_gap": 4,
    "notes": "Compared with the display.",
}


def line(**values):
    return {
        "name": "Milk",
        "quantity": "yield_liters",
        "register_type": "holding",
        "address": 0,
        "data_type": "float32",
        "byte_order": "CDAB",
        "length": 1,
        "bit": 0,
        "scale": 0.1,
        "value_offset": -2.5,
        "unit": "L",
        "minimum": 0.0,
        "maximum": 50.0,
        "unavailable": "0xFFFFFFFF, -9999",
        **values,
    }


PLAIN = {
    "name": "",
    "byte_order": "ABCD",
    "scale": 1.0,
    "value_offset": 0.0,
    "unit": "",
    "minimum": 0.0,
    "maximum": 0.0,
    "unavailable": "",
}
LINES = [
    line(),
    line(**PLAIN | {"quantity": "milking", "register_type": "coil", "address": 3, "data_type": "bool"}),
    line(**PLAIN | {"quantity": "rfid_tag", "address": 120, "data_type": "string", "length": 8}),
]


def document(**changes):
    """The document of a map with a status and a yield."""
    registers = [
        {"quantity": "yield_liters", "address": 0, "data_type": "float32"},
        {"quantity": "milking", "address": 14, "data_type": "bit"},
    ]
    content = {"format": "smart-dairy-modbus-profile", "version": 1, "name": "Ours", "registers": registers} | changes
    return json.dumps({key: value for key, value in content.items() if value is not ...}).encode()


def register(**changes):
    return [
        {"quantity": "yield_liters", "address": 0, "data_type": "float32", **changes},
        {"quantity": "milking", "address": 14, "data_type": "bit"},
    ]


def test_a_map_arrives_as_it_left():
    text = write_document(PROFILE, LINES)
    assert read_document(text.encode()) == (PROFILE, LINES)
    assert write_document(*read_document(text.encode())) == text


def test_a_range_from_0_to_0_is_none_in_the_document():
    registers = json.loads(write_document(PROFILE, LINES))["registers"]
    assert (registers[0]["minimum"], registers[0]["maximum"]) == (0.0, 50.0)
    assert (registers[1]["minimum"], registers[1]["maximum"]) == (None, None)
    assert registers[0]["unavailable"] == ["0xFFFFFFFF", "-9999"]


def test_what_the_database_has_empty_is_empty_text():
    text = write_document(PROFILE | {"notes": False}, [line(name=False, unit=False, unavailable=False)])
    assert json.loads(text)["notes"] == ""
    assert json.loads(text)["registers"][0]["unavailable"] == []


def test_what_a_document_leaves_out_has_its_default():
    profile, lines = read_document(document())
    assert (profile["manufacturer"], profile["milking_from"], profile["largest_gap"]) == ("other", "status", 0)
    assert (lines[0]["register_type"], lines[0]["byte_order"], lines[0]["scale"]) == ("holding", "ABCD", 1.0)


@pytest.mark.parametrize(
    ("name", "data_type"), [("u16", "uint16"), ("i16", "int16"), ("u32", "uint32"), ("i32", "int32"), ("u64", "uint64")]
)
def test_short_names_of_types_are_known(name, data_type):
    _profile, lines = read_document(document(registers=register(data_type=name)))
    assert lines[0]["data_type"] == data_type


def test_numbers_of_no_value_may_be_numbers():
    _profile, lines = read_document(document(registers=register(unavailable=[65535, "0x8000"])))
    assert lines[0]["unavailable"] == "65535, 0x8000"


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "a list or a single value"),
        (b"{}", "no register map"),
        (b'{"format": "smart-dairy-modbus-profile", "format": "x"}', "stands twice"),
        (b" " * 1_000_001, "bytes at most"),
        (document(format="other"), "no register map"),
        (document(version=2), "Version 2"),
        (document(version=...), "Version None"),
        (document(version=True), "Version True"),
        (document(registers=...), "not a list"),
        (document(registers=[1]), "not a list"),
        (document(name=...), "name is missing"),
        (document(name=""), "has no name"),
        (document(name=7), "name is no text"),
        (document(colour="red"), "colour is not known"),
        (document(idle_seconds="20"), "idle_seconds is no integer"),
        (document(idle_seconds=True), "idle_seconds is no integer"),
        (document(milking_from="tag"), "not by tag"),
        (document(largest_gap=99), "0 to 16"),
        (document(milking_from="flow"), "no line for flow_rate"),
        (document(registers=register(colour=1)), "register 1: colour is not known"),
        (document(registers=register(address=1.5)), "address is no integer"),
        (document(registers=register(address=70_000)), "addresses 0 to 65535"),
        (document(registers=register(scale="1")), "scale is no number"),
        (document(registers=register(scale=0)), "every value the same"),
        (document(registers=register(scale=float("nan"))), "NaN is no number"),
        (document(registers=register(scale=10**400)), "scale is no number"),
        (document(flow_from=0).replace(b'"flow_from": 0', b'"flow_from": 1e999'), "flow_from is no number"),
        (document(registers=register(minimum=5)), "a minimum and a maximum"),
        (document(registers=register(minimum=5, maximum=5)), "ends where it begins"),
        (document(registers=register(minimum=0, maximum=0)), "ends where it begins"),
        (document(registers=register(unavailable=["n/a"])), "n/a is no number"),
        (document(registers=register(unavailable="0xFFFF")), "unavailable is no list"),
        (document(registers=register(data_type="u128")), "no data type"),
        (document(registers=register(quantity="colour")), "no quantity"),
        (document(registers=register() * 2), "more than one line"),
    ],
)
def test_what_is_no_map_that_meters_can_be_read_with_is_refused(raw, sentence):
    with pytest.raises(ProfileError, match=sentence):
        read_document(raw)
