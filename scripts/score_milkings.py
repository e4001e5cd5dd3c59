"""Scores milkings in a CSV file for mastitis: `python3 scripts/score_milkings.py IN.csv OUT.csv`.

Columns (in any order, others are kept as they are): cow, datetime (YYYY-MM-DD for a cow-day, YYYY-MM-DD HH:MM[:SS] or
ISO 8601 for a milking), yield_kg, conductivity (any unit, one per herd) or conductivity_lf, _rf, _lr, _rr, and optional
lactose, scc and blood; empty is not measured. OUT has the rows of IN in their order, with score (0 to 100), level
(normal, watch, warning, critical; empty where nothing can be judged) and reasons. A row is judged by earlier rows only.
A file of more than one herd may name the herd in a column: `herd`, or the one that --herd names.

Needs Python alone. The method stands in docs/mastitis.md.
"""

import argparse
import csv
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "smart_dairy_iot_milk"))

from mastitis.csv_rows import RowError, output, parse_rows, verdicts

REQUIRED = ("cow", "datetime")
ADDED = ("score", "level", "reasons")
LARGEST_WARNINGS = 10


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


def read(path: Path) -> tuple[list[str], list[dict]]:
    """Header (in lower case, without blanks around) and rows of a file with commas or semicolons, BOM or none."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = file.readline()
        file.seek(0)
        delimiter = ";" if first.count(";") > first.count(",") else ","
        lines = csv.reader(file, delimiter=delimiter)
        header = [name.strip().lower() for name in next(lines, [])]
        missing = [name for name in REQUIRED if name not in header]
        if missing:
            raise RowError(f"{path} has no column {' and no column '.join(missing)}.")
        if len(set(header)) < len(header):
            raise RowError(f"{path} has a column twice.")
        rows = []
        for values in lines:
            if values:
                if len(values) > len(header):
                    raise RowError(f"Line {lines.line_num} has {len(values)} values, and the header {len(header)}.")
                rows.append(dict(zip(header, values + [""] * (len(header) - len(values)), strict=True)))
    return header, rows


def main(arguments: list[str] | None = None) -> int:
    """Reads, judges and writes; 2 where the file cannot be read as it is meant."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, metavar="IN.csv")
    parser.add_argument("target", type=Path, metavar="OUT.csv")
    parser.add_argument("--herd", help="column that names the herd (default: herd, where there is one)")
    options = parser.parse_args(arguments)
    warnings = Warnings()
    try:
        header, rows = read(options.source)
        herd = options.herd.strip().lower() if options.herd else "herd" if "herd" in header else None
        if herd and herd not in header:
            raise RowError(f"{options.source} has no column {herd}.")
        found = verdicts(list(parse_rows(rows, herd, warnings)))
    except (RowError, UnicodeDecodeError, csv.Error, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    with options.target.open("w", encoding="utf-8", newline="") as file:
        names = [name for name in header if name not in ADDED] + list(ADDED)
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(output(row, verdict) for row, verdict in zip(rows, found, strict=True))
    warnings.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
