"""Columns of values as PostgreSQL array literals.

A batch goes to the server as one array per column, written here as text: adapting each value by the driver costs more
than all the rest of a batch. Every literal is passed as a bound parameter, never put into a statement.

Where all values of a column are of the types that it is meant for, orjson writes it in one go, a tenth of the price of
value by value: the elements of a JSON array are those of an array literal, but for the escapes in a text.
"""

from datetime import datetime

import orjson

_NONE = type(None)


def array_literal(values, pg_type):
    """`{1,null,"text"}` for a list of values of one PostgreSQL type.

    :raises ValueError: where a value does not fit the type
    """
    plain, render = _KINDS.get(pg_type, _TEXT)
    if plain.issuperset(map(type, values)):
        written = orjson.dumps(values)
        # JSON escapes what a literal has as it is: only texts have such characters, and hardly any.
        if b"\\" not in written:
            return f"{{{written[1:-1].decode()}}}"
    return "{" + ",".join(["NULL" if value is None else render(value) for value in values]) + "}"


def column_arrays(rows, columns):
    """The literals of a batch, one per column.

    :param rows: tuples of values in the order of the columns; at least one
    :param columns: {name: PostgreSQL type}
    """
    return [
        array_literal(values, pg_type)
        for values, pg_type in zip(map(list, zip(*rows, strict=True)), columns.values(), strict=True)
    ]


def _text(value):
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _number(value):
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{value!r} is no number")
    return repr(value)


def _integer(value):
    return _number(int(value) if isinstance(value, float) and value.is_integer() else value)


def _boolean(value):
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")
    return "t" if value else "f"


def _timestamp(value):
    return f'"{value.isoformat(" ")}"'


def _json(value):
    # orjson refuses what is nested so deeply that its reader, who is deeper in Python's stack, could not decode it.
    return _text(orjson.dumps(value).decode())


# Type -> the types of values that orjson writes as the literal has them, and how one of another type is written.
_TEXT = frozenset({str, _NONE}), _text
_INTEGERS = frozenset({int, _NONE}), _integer
_NUMBERS = frozenset({int, float, _NONE}), _number
_KINDS = {
    "smallint": _INTEGERS,
    "integer": _INTEGERS,
    "bigint": _INTEGERS,
    "real": _NUMBERS,
    "double precision": _NUMBERS,
    "numeric": _NUMBERS,
    "boolean": (frozenset({bool, _NONE}), _boolean),
    "timestamp": (frozenset({datetime, _NONE}), _timestamp),
    "jsonb": (frozenset({_NONE}), _json),
}
