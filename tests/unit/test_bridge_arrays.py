"""Array literals: what a batch holds reaches PostgreSQL as it was."""

from datetime import datetime

import orjson
import pytest

from smart_dairy_iot.bridge.arrays import array_literal


@pytest.mark.parametrize(
    ("values", "pg_type", "literal"),
    [
        ([1, None, -3], "integer", "{1,NULL,-3}"),
        ([1.5, 2], "double precision", "{1.5,2}"),
        ([3.0], "integer", "{3}"),
        ([True, False, None], "boolean", "{t,f,NULL}"),
        (["a", 'b"c\\d', "NULL", "{,}", ""], "text", '{"a","b\\"c\\\\d","NULL","{,}",""}'),
        ([datetime(2026, 3, 1, 6, 30, 0, 5)], "timestamp", '{"2026-03-01 06:30:00.000005"}'),
        ([{"a": 'x"y'}], "jsonb", '{"{\\"a\\":\\"x\\\\\\"y\\"}"}'),
        ([], "text", "{}"),
    ],
)
def test_values_are_written_as_postgresql_reads_them(values, pg_type, literal):
    assert array_literal(values, pg_type) == literal


@pytest.mark.parametrize(("value", "pg_type"), [("3", "integer"), (True, "integer"), (1, "boolean"), ([], "integer")])
def test_a_value_of_another_type_is_an_error(value, pg_type):
    with pytest.raises(ValueError, match=r"."):
        array_literal([value], pg_type)


def test_json_that_its_reader_could_not_decode_is_refused():
    """The bridge's threads are less deep in Python's stack than the ORM, which reads it."""
    payload = orjson.loads(b'{"a":' * 900 + b"1" + b"}" * 900)
    with pytest.raises(TypeError):
        array_literal([payload], "jsonb")
