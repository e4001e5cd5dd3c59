"""Columns of values as PostgreSQL array literals.

A batch goes to the server as one array per column, written here as text: adapting each value by the driver costs more
than all the rest of a batch. Every literal is passed as a bound parameter, never put into a statement.
"""

import orjson


def array_literal(values, pg_type):
    """`{1,NULL,"text"}` for a list of values of one PostgreSQL type.

    :raises ValueError: where a value does not fit the type
    """
    render = _RENDERERS.get(pg_type, _text)
    return "{" + ",".join(["NULL" if value is None else render(value) for value in values]) + "}"


def column_arrays(rows, columns):
    """The literals of a batch, one per column.

    :param rows: tuples of values in the order of the columns; at least one
    :param columns: {name: PostgreSQL type}
    """
    return [
        array_literal(values, pg_type)
        for values, pg_type in zip(zip(*rows, strict=True), columns.values(), strict=True)
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


_RENDERERS = {
    "smallint": _integer,
    "integer": _integer,
    "bigint": _integer,
    "real": _number,
    "double precision": _number,
    "numeric": _number,
    "boolean": _boolean,
    "timestamp": _timestamp,
    "jsonb": _json,
}
