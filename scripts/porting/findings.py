"""What the port has to say against a source file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePath


@dataclass(frozen=True, order=True)
class Finding:
    """A construct that does not run on both series: where it stands, and a sentence on what to do."""

    path: PurePath
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


@dataclass
class SourceFile:
    """One file being ported: its text, and what was found in it.

    `path` is as it is to be shown, `addon` the technical name of the addon it belongs to.
    """

    path: PurePath
    addon: str
    text: str
    findings: list[Finding] = field(default_factory=list)

    def refuse(self, line: int, message: str) -> None:
        self.findings.append(Finding(self.path, line, message))

    def line_at(self, offset: int) -> int:
        """The line, counted from one, of a position in the text."""
        return self.text.count("\n", 0, offset) + 1


def apply_edits(data: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    """Replace the given, not overlapping, ranges (start, end, replacement) and keep every other byte."""
    for start, end, replacement in sorted(edits, reverse=True):
        data = data[:start] + replacement + data[end:]
    return data
