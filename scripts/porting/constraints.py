"""`_sql_constraints` becomes one `models.Constraint` each: 19.0 warns about the list and creates no constraint."""

from __future__ import annotations

import ast
import io
import tokenize

from porting import known
from porting.text import byte_offset, byte_span

Constraints = list[tuple[str, str, str]]


class ConstraintError(ValueError):
    """The list cannot be taken over: the reason, in a sentence."""


def port_constraints(text: str, statement: ast.Assign, taken: set[str]) -> tuple[int, int, bytes]:
    """The edit that replaces the list. `taken` are the names that the class has already."""
    constraints = _literal(statement)
    for name, _definition, _message in constraints:
        if name.startswith("_") or f"_{name}" in taken | known.MODEL_ATTRIBUTES:
            raise ConstraintError(f"19.0 keeps the constraint {name!r} in `_{name}`, which is taken: rename it.")
    start, end = byte_span(text, statement)
    return start, end, _declarations(text, statement, constraints).encode()


def _literal(statement: ast.Assign) -> Constraints:
    try:
        constraints = ast.literal_eval(statement.value)
    except ValueError:
        constraints = None
    if not isinstance(constraints, list) or not constraints or not all(map(_is_constraint, constraints)):
        raise ConstraintError("`_sql_constraints` must be a literal list of (name, definition, message).")
    return constraints


def _is_constraint(item: object) -> bool:
    return (
        isinstance(item, (list, tuple))
        and len(item) == 3
        and all(isinstance(part, str) for part in item)
        and item[0].isidentifier()
    )


def _declarations(text: str, statement: ast.Assign, constraints: Constraints) -> str:
    """The declarations, each after the comments that stood before it in the list."""
    comments = _comments(text, statement)
    lines = []
    for element, (name, definition, message) in zip(statement.value.elts, constraints, strict=True):
        while comments and comments[0][0] <= element.end_lineno:
            lines.append(comments.pop(0)[1])
        lines.append(f"_{name} = models.Constraint({definition!r}, {message!r})")
    lines += [comment for _line, comment in comments]
    return f"\n{' ' * statement.col_offset}".join(lines)


def _comments(text: str, statement: ast.Assign) -> list[tuple[int, str]]:
    """The comments inside a statement, with their lines in the file."""
    first = byte_offset(text, statement.lineno, 0)
    _start, end = byte_span(text, statement)
    inside = text.encode()[first:end].decode().lstrip(" ") + "\n"
    return [
        (statement.lineno + token.start[0] - 1, token.string)
        for token in tokenize.generate_tokens(io.StringIO(inside).readline)
        if token.type == tokenize.COMMENT
    ]
