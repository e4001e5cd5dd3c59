"""Positions: from a syntax tree's lines and columns to ranges of bytes."""

from __future__ import annotations

import ast


def byte_offset(text: str, line: int, column: int) -> int:
    """The offset, in the UTF-8 bytes of `text`, of a line counted from one and a column counted in bytes."""
    lines = text.encode().split(b"\n")
    return sum(len(before) + 1 for before in lines[: line - 1]) + column


def byte_span(text: str, node: ast.expr | ast.stmt | ast.keyword) -> tuple[int, int]:
    """Start and end of a node in the UTF-8 bytes of `text`."""
    return (
        byte_offset(text, node.lineno, node.col_offset),
        byte_offset(text, node.end_lineno, node.end_col_offset),
    )
