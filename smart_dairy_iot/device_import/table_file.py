"""Reads a table from a CSV or XLSX file as texts, whatever program has written it."""

import csv
import datetime
import io
import re
import zipfile
from dataclasses import dataclass
from decimal import Decimal

from openpyxl import load_workbook

MOST_ROWS = 20_000
MOST_LINES = 5 * MOST_ROWS
"""With those that are empty: a sheet may have a million rows that are nothing but formatted."""

MOST_BYTES = 20_000_000
MOST_UNPACKED_BYTES = 300_000_000
"""An XLSX file is packed: a small one could fill the memory."""

DELIMITERS = ",;\t|"
ZIP_SIGNATURE = b"PK\x03\x04"
OLD_EXCEL_SIGNATURE = b"\xd0\xcf\x11\xe0"
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
SPREADSHEET_FORMULA = re.compile(r"[=+\-@\t\r]")


class TableError(Exception):
    """The file cannot be read as a table.

    `reason` is one of empty, encoding, old_excel, broken, too_big, too_many_rows and too_many_cells; `detail` is a text
    with the number or the words that belong to it.
    """

    def __init__(self, reason, detail=""):
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class Table:
    """`columns` are the names of the first row, in lower case with _ for spaces.

    `rows` are (row number as a spreadsheet shows it, {column: text without surrounding spaces}), but for empty ones.
    """

    columns: list
    rows: list


def read_table(content, known_columns):
    """The table in a file.

    :param content: bytes
    :param known_columns: names by which the delimiter of a CSV file is found out
    :raises TableError:
    """
    if len(content) > MOST_BYTES:
        raise TableError("too_big", f"{MOST_BYTES // 1_000_000} MB")
    if content.startswith(OLD_EXCEL_SIGNATURE):
        raise TableError("old_excel")
    lines = _xlsx_lines(content) if content.startswith(ZIP_SIGNATURE) else _csv_lines(content, known_columns)
    return _table(lines)


def csv_file(rows):
    """Rows of texts as a CSV file (bytes), which a spreadsheet program takes for text, with no formulas in it."""
    output = io.StringIO(newline="")
    csv.writer(output).writerows(
        [f"'{text}" if SPREADSHEET_FORMULA.match(text) else text for text in map(str, row)] for row in rows
    )
    return output.getvalue().encode("utf-8-sig")


def _table(lines):
    """:param lines: iterable of lists of texts"""
    lines = ([text.strip() for text in line] for line in lines)
    columns = [re.sub(r"[\s_]+", "_", name.lower()) for name in next(lines, [])]
    while columns and not columns[-1]:
        columns.pop()
    if not columns:
        raise TableError("empty")
    rows = []
    for number, line in enumerate(lines, start=2):
        if number > MOST_LINES:
            raise TableError("too_many_rows", str(MOST_ROWS))
        if not any(line):
            continue
        if any(line[len(columns) :]):
            raise TableError("too_many_cells", str(number))
        if len(rows) == MOST_ROWS:
            raise TableError("too_many_rows", str(MOST_ROWS))
        rows.append((number, dict(zip(columns, line, strict=False))))
    if not rows:
        raise TableError("empty")
    return Table(columns, rows)


def _csv_lines(content, known_columns):
    text = _decoded(content)
    header = text.lstrip().split("\n", 1)[0].lower()

    def known(delimiter):
        names = {re.sub(r"[\s_]+", "_", name.strip(' "\r')) for name in header.split(delimiter)}
        return len(names & set(known_columns))

    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=max(DELIMITERS, key=known), strict=True)
    except csv.Error as error:
        raise TableError("broken", str(error)) from error


def _decoded(content):
    # The latter two are what Excel writes as "CSV UTF-8" and as "CSV".
    for encoding in ["utf-16"] if content.startswith(UTF_16_MARKS) else ["utf-8-sig", "cp1252"]:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise TableError("encoding")


def _xlsx_lines(content):
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MOST_UNPACKED_BYTES:
                raise TableError("too_big", f"{MOST_UNPACKED_BYTES // 1_000_000} MB")
        workbook = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
        for row in workbook.worksheets[0].iter_rows(values_only=True):
            yield [_cell_text(value) for value in row]
    # The library lets through whatever goes wrong in parts of a damaged file.
    except (zipfile.BadZipFile, KeyError, ValueError, IndexError, SyntaxError, TypeError, EOFError) as error:
        raise TableError("broken", str(error)) from error


def _cell_text(value):
    """A cell as somebody would type it: 12, not 12.0; 2026-01-31; no exponents."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else format(Decimal(repr(value)), "f")
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(" ")
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    return str(value)
