"""Scores milkings in a CSV file for mastitis: `python3 scripts/score_milkings.py IN.csv OUT.csv`.

Columns (in any order, others are kept as they are): cow, datetime (YYYY-MM-DD for a cow-day, YYYY-MM-DD HH:MM[:SS] or
ISO 8601 for a milking; dates with the day or the month first are read, too), yield_kg, conductivity (any unit, one per
herd) or conductivity_lf, _rf, _lr, _rr, and optional lactose, scc and blood; empty is not measured. OUT has the rows of
IN in their order, with score (0 to 100), level (normal, watch, warning, critical; empty where nothing can be judged)
and reasons. A row is judged by earlier rows only.
A file of more than one herd may name the herd in a column: `herd`, or the one that --herd names.

Needs Python alone. The method stands in docs/mastitis.md.
"""

import argparse
import codecs
import csv
import io
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "smart_dairy_iot_milk"))

from mastitis.csv_rows import added_columns, parse_row, verdicts
from mastitis.milking import QUARTERS
from mastitis.moments import is_month_first

REQUIRED = ("cow", "datetime")
MEASURES = ("yield_kg", "conductivity", *(f"conductivity_{q}" for q in QUARTERS), "lactose", "scc", "blood")
ADDED = ("score", "level", "reasons")
DELIMITERS = ",;\t|"
# What a column may be called besides: conductivity-lf, "yield kg".
BLANKS = str.maketrans(" -", "__")
# Known columns that are not used, so that nothing is said of them.
UNUSED = ("fat", "protein")
LARGEST_WARNINGS = 10


class FileError(ValueError):
    """A file that cannot be read as it is meant. The text says where and why."""


class Warnings:
    """Says the first few on standard error, and at the end how many there were."""

    def __init__(self):
        self.count = 0

    def __call__(self, text: str) -> None:
        """Takes one."""
        self.count += 1
        if self.count <= LARGEST_WARNINGS:
            print(text, file=sys.stderr)

    def close(self) -> None:
        """Says how many were not said."""
        if self.count > LARGEST_WARNINGS:
            print(f"... and {self.count - LARGEST_WARNINGS} more.", file=sys.stderr)


class Table:
    """A file with a header: its rows as they are, and which of their values are read."""

    def __init__(self, path: Path, herd: str | None):
        text = _text(path)
        first = text.split("\n", 1)[0]
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=max(DELIMITERS, key=first.count))
        self.header = next(lines, [])
        names = [_name(name) for name in self.header]
        missing = [name for name in (*REQUIRED, *([herd] if herd else ())) if name not in names]
        if missing:
            raise FileError(f"{path} has no column {' and no column '.join(missing)}.")
        self.herd = herd or ("herd" if "herd" in names else None)
        read = [name for name in (*REQUIRED, *MEASURES, self.herd) if name in names]
        twice = [name for name in read if names.count(name) > 1]
        if twice:
            raise FileError(f"{path} has the column {twice[0]} twice.")
        self.columns = {name: names.index(name) for name in read}
        self.unread = [name for name in names if name and name not in (*read, *ADDED, *UNUSED)]
        # Of a file that was scored before, the score is made anew.
        self.kept = [index for index, name in enumerate(names) if name not in ADDED]
        self.rows = [(lines.line_num, _fitted(values, len(names), lines.line_num)) for values in lines if values]

    def read(self, values: Sequence[str]) -> dict[str, str]:
        """What a row says in the columns that are read."""
        return {name: values[index] for name, index in self.columns.items()}


def _name(text: str) -> str:
    """The name of a column as it is looked up."""
    return text.strip().lower().translate(BLANKS)


def _text(path: Path) -> str:
    """The text of a file in UTF-8, with a byte order mark or without, or else in Latin-1, as spreadsheets write it;
    UTF-16 where its mark says so."""
    content = path.read_bytes()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _fitted(values: list[str], length: int, line: int) -> list[str]:
    """The values of a row, as many as the header has: missing ones are empty, and only empty ones may be too many."""
    if any(value.strip() for value in values[length:]):
        raise FileError(f"Line {line} has {len(values)} values, and the header {length}.")
    return [*values[:length], *[""] * (length - len(values))]


def main(arguments: list[str] | None = None) -> int:
    """Reads, judges and writes; 2 where the file cannot be read as it is meant."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, metavar="IN.csv")
    parser.add_argument("target", type=Path, metavar="OUT.csv")
    parser.add_argument("--herd", help="column that names the herd (default: herd, where there is one)")
    options = parser.parse_args(arguments)
    warnings = Warnings()
    try:
        table = Table(options.source, _name(options.herd) if options.herd else None)
    except (FileError, csv.Error, OSError, UnicodeError) as error:
        print(error, file=sys.stderr)
        return 2
    if table.unread:
        print(f"Columns that are not read: {', '.join(table.unread)}.", file=sys.stderr)
    texts = [(line, table.read(values)) for line, values in table.rows]
    month_first = is_month_first(row["datetime"] for _line, row in texts)
    found = verdicts([parse_row(row, line, table.herd, warnings, month_first) for line, row in texts])
    with options.target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*(table.header[index] for index in table.kept), *ADDED])
        for (_line, values), verdict in zip(table.rows, found, strict=True):
            writer.writerow([*(values[index] for index in table.kept), *added_columns(verdict)])
    warnings.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
