"""The compiled validator of the hot path agrees with `jsonschema`, and says what is wrong in words and with the place.

Each shipped schema is tried with payloads that it accepts and with such payloads broken in one or more places.
"""

import json
import random
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from rfc3339_validator import validate_rfc3339

from smart_dairy_iot.bridge import plain_words
from smart_dairy_iot.bridge.validation import PayloadValidator

SCHEMAS = {
    path.stem: json.loads(path.read_text())
    for path in sorted((Path(__file__).parents[2] / "smart_dairy_iot/data/schemas").glob("*.json"))
}
# Times that exist everywhere, and texts that are none; leap seconds and years before 1 are another matter.
TIMES = ["2026-05-04T04:31:07Z", "2026-05-04T04:31:07.250+06:00", "2024-02-29T23:59:59Z"]
NO_TIMES = ["", "yesterday", "2026-05-04", "2026-05-04T04:31:07", "2026-13-04T04:31:07Z", "2026-02-29T04:31:07Z"]
# Of every type, at and around the limits that the schemas name.
VALUES = [None, True, False, 0, -1, 1, 2.5, -0.1, 50, 50.1, 100, 101, 32768, -121, 1e300, 2**31, 5.0, "", "a", "x" * 65]
VALUES += ["a/b", "online", "yesterday", *TIMES, [], [1], {}, {"a": 1}, "äöü", "0" * 64]

formats = jsonschema.FormatChecker(formats=["date"])
formats.checks("date-time")(lambda value: not isinstance(value, str) or bool(validate_rfc3339(value)))


def compiled_and_reference(name):
    schema = SCHEMAS[name]
    reference = jsonschema.Draft202012Validator(schema, format_checker=formats)
    return PayloadValidator({name: json.dumps(schema)}), reference


def valid(schema):
    """A strategy for values that a schema accepts, built from the keywords that the shipped ones use."""
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kind = schema.get("type")
    if isinstance(kind, list):
        return st.one_of([valid({**schema, "type": one}) for one in kind])
    return {
        "object": valid_object,
        "array": lambda found: st.lists(valid(found.get("items", {})), max_size=found.get("maxItems", 3)),
        "string": valid_string,
        "integer": lambda found: st.integers(found.get("minimum", -(10**6)), found.get("maximum", 10**6)),
        "number": lambda found: st.floats(
            found.get("minimum", -1e6), found.get("maximum", 1e6), allow_nan=False, allow_infinity=False
        ),
        "boolean": lambda _found: st.booleans(),
        "null": lambda _found: st.none(),
        None: lambda _found: st.sampled_from(VALUES),
    }[kind](schema)


def valid_object(schema):
    properties = {name: valid(found) for name, found in schema.get("properties", {}).items()}
    required = {name: properties.pop(name) for name in schema.get("required", ()) if name in properties}
    known = st.fixed_dictionaries(required, optional=properties)
    extra = schema.get("additionalProperties")
    if isinstance(extra, dict):
        least = schema.get("minProperties", 0)
        return st.dictionaries(st.sampled_from(["a", "b", "c"]), valid(extra), min_size=least, max_size=3)
    return known


def valid_string(schema):
    if schema.get("format") == "date-time":
        return st.sampled_from(TIMES)
    if schema.get("format") == "date":
        return st.dates().map(str)
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True).filter(lambda text: not text.endswith("\n"))
    return st.text(min_size=schema.get("minLength", 0), max_size=min(schema.get("maxLength", 20), 20))


def break_somewhere(payload, chance):
    """Change, remove or add one value at a random place."""
    places = list(containers(payload))
    container = chance.choice(places)
    key = chance.choice(list(container) or ["a"])
    what = chance.choice(["replace", "replace", "remove", "add"])
    if what == "replace" and key in container:
        container[key] = chance.choice([*VALUES, *NO_TIMES])
    elif what == "remove":
        container.pop(key, None)
    else:
        container[chance.choice(["vendor_extra", "a", "timestamp"])] = chance.choice(VALUES)


def containers(value):
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from containers(part)


def accepts(validator, name, payload):
    return validator.error(name, payload) is None


@pytest.mark.parametrize("name", SCHEMAS)
def test_both_validators_accept_what_is_valid_and_agree_on_what_is_broken(name):
    compiled, reference = compiled_and_reference(name)
    seen = set()

    @seed(1)
    @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(valid(SCHEMAS[name]), st.integers(0, 2**32), st.integers(1, 3))
    def agree(payload, chance, breaks):
        assert reference.is_valid(payload)
        assert accepts(compiled, name, payload), compiled.error(name, payload)
        chance, payload = random.Random(chance), json.loads(json.dumps(payload))
        for _time in range(breaks):
            break_somewhere(payload, chance)
            verdict = reference.is_valid(payload)
            seen.add(verdict)
            assert accepts(compiled, name, payload) is verdict, payload

    agree()
    assert False in seen, "nothing was broken"


@pytest.mark.parametrize("name", SCHEMAS)
def test_both_validators_refuse_what_is_no_object(name):
    compiled, reference = compiled_and_reference(name)
    for payload in (None, 1, "a", [], [{}], True):
        assert not reference.is_valid(payload)
        assert not accepts(compiled, name, payload)


SCHEMA = {
    "type": "object",
    "required": ["device_id", "timestamp"],
    "properties": {
        "device_id": {"type": "string", "pattern": "^[A-Z]+$"},
        "timestamp": {"type": "string", "format": "date-time"},
        "temperature": {"type": "number", "minimum": -50, "maximum": 100},
        "count": {"type": ["integer", "null"]},
        "status": {"enum": ["online", "offline"]},
        "place": {"properties": {"zone": {}}, "additionalProperties": False},
        "rows": {"type": "array", "maxItems": 2, "items": {"type": "object", "properties": {"v": {"type": "boolean"}}}},
    },
}
GOOD = {"device_id": "A", "timestamp": TIMES[0]}


@pytest.mark.parametrize(
    ("payload", "sentence"),
    [
        ({"device_id": "A"}, "timestamp is missing"),
        ({**GOOD, "temperature": "warm"}, 'temperature: "warm" is not a number'),
        ({**GOOD, "temperature": 101}, "temperature: 101 is more than 100"),
        ({**GOOD, "temperature": -51.5}, "temperature: -51.5 is less than -50"),
        ({**GOOD, "count": 1.5}, "count: 1.5 is not a whole number or null"),
        ({**GOOD, "status": "asleep"}, 'status: "asleep" is not "online" or "offline"'),
        ({**GOOD, "device_id": "a"}, 'device_id: "a" does not have the form "^[A-Z]+$"'),
        (
            {**GOOD, "timestamp": "yesterday"},
            'timestamp: "yesterday" is not a time with date and offset, such as 2026-05-04T04:31:07Z',
        ),
        ({**GOOD, "rows": [{}, {"v": 1}]}, "rows[1].v: 1 is not true or false"),
        ({**GOOD, "rows": [{}, {}, {}]}, "rows: the list has more than 2 entries"),
        ({**GOOD, "place": {"x": 1, "y": 2}}, "place: not a field that there is: x, y"),
        ([1], "[1] is not an object"),
    ],
)
def test_what_is_wrong_is_said_in_plain_words_with_its_place(payload, sentence):
    assert PayloadValidator({"x": json.dumps(SCHEMA)}).error("x", payload) == sentence


def test_a_large_payload_does_not_make_a_large_complaint():
    payload = {**GOOD, "temperature": "x" * 10**6, "rows": [{"v": "y" * 1000} for _n in range(1000)]}
    complaint = PayloadValidator({"x": json.dumps(SCHEMA)}).error("x", payload)
    assert len(complaint) < 2000
    assert complaint.endswith("; and 992 more")


def test_of_a_large_payload_the_first_complaint_is_enough():
    validator = PayloadValidator({"x": json.dumps(SCHEMA)})
    payload = {**GOOD, "rows": [{"v": "y"} for _n in range(1000)]}
    assert len(validator.error("x", payload, brief=True).split(";")) == 1
    assert validator.error("x", GOOD, brief=True) is None


def test_of_a_value_no_more_is_written_than_is_told():
    deep = []
    for _level in range(100_000):
        deep = [deep]
    assert plain_words._quote(deep) == "[" * 60 + "…"
    assert plain_words._quote({"ä": [1, None, "b"]}) == '{"ä": [1, null, "b"]}'


def test_what_has_no_schema_is_not_let_in():
    assert PayloadValidator({}).error(("gate", "data"), GOOD) == "no active schema for data messages of type gate"
