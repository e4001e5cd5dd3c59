"""A report as a file for spreadsheets: XLSX, and CSV of its first table.

A report is a dict of plain values::

    {"name": "daily", "title": "Daily Milk Production", "subtitle": "Hill Farm, 2026-03-01",
     "facts": [("Milk (L)", 812.5, "liters"), ...],
     "tables": [{"title": "Animals", "columns": [{"title": "Milk (L)", "kind": "liters"}, ...],
                 "rows": [[...], ...], "total": [...] or None}],
     "notes": ["..."]}

Kinds of values are those of `DIGITS`, dates, and texts; None stands for what was not measured.
"""

import csv
import io
from datetime import date

import xlsxwriter

#: Kind of a number -> its digits after the point.
DIGITS = {"integer": 0, "liters": 1, "kilograms": 1, "percent": 2, "decimal": 1, "flow": 2, "density": 3}

_WIDEST = 48
_TITLE_ROW, _FIRST_ROW = 0, 2
_FORBIDDEN_IN_NAMES = str.maketrans(dict.fromkeys("[]:*?/\\'", " "))
#: A spreadsheet takes a text of a CSV file that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def xlsx(report):
    """The bytes of a workbook with a sheet for each table; no text in it is ever a formula."""
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream, {"in_memory": True}) as workbook:
        formats = _formats(workbook)
        for number, table in enumerate(report["tables"]):
            sheet = workbook.add_worksheet(_sheet_name(table["title"], number))
            sheet.write_string(_TITLE_ROW, 0, report["title"], formats["title"])
            sheet.write_string(_TITLE_ROW + 1, 0, report["subtitle"])
            row = _FIRST_ROW
            if number == 0:
                for label, value, kind in report["facts"]:
                    row += 1
                    sheet.write_string(row, 0, label)
                    _write(sheet, row, 1, value, kind, formats)
            row = _write_table(sheet, row + 2, table, formats)
            if number == 0:
                for note in report["notes"]:
                    row += 1
                    sheet.write_string(row, 0, note)
    return stream.getvalue()


def csv_file(report):
    """The bytes of the first table as CSV, with its headings and without its total."""
    table = report["tables"][0]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([column["title"] for column in table["columns"]])
    kinds = [column["kind"] for column in table["columns"]]
    for row in table["rows"]:
        writer.writerow([_csv_cell(value, kind) for value, kind in zip(row, kinds, strict=True)])
    # With the mark that spreadsheets know UTF-8 by.
    return text.getvalue().encode("utf-8-sig")


def _csv_cell(value, kind):
    if value is None:
        return ""
    if kind in DIGITS:
        return f"{value:.{DIGITS[kind]}f}"
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _formats(workbook):
    formats = {
        "title": workbook.add_format({"bold": True, "font_size": 14}),
        "heading": workbook.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"}),
    }
    numbers = {kind: f"0.{'0' * digits}" if digits else "0" for kind, digits in DIGITS.items()}
    for kind, number in {**numbers, "date": "yyyy-mm-dd", "text": "@"}.items():
        formats[kind] = workbook.add_format({"num_format": number})
        formats[f"total {kind}"] = workbook.add_format({"num_format": number, "bold": True, "top": 1})
    return formats


def _sheet_name(title, number):
    """Of at most 31 letters, none of those that a sheet's name may not have, and unique."""
    name = title.translate(_FORBIDDEN_IN_NAMES).strip()[:28] or "Sheet"
    return f"{name} {number + 1}" if number else name


def _write_table(sheet, row, table, formats):
    """:return: the first row after it"""
    kinds = [column["kind"] for column in table["columns"]]
    for number, column in enumerate(table["columns"]):
        sheet.write_string(row, number, column["title"], formats["heading"])
        texts = [str(values[number]) for values in table["rows"] if values[number] is not None]
        sheet.set_column(number, number, min(_WIDEST, max(10, *map(len, texts)) + 2 if texts else 12))
    for values in table["rows"]:
        row += 1
        for number, (value, kind) in enumerate(zip(values, kinds, strict=True)):
            _write(sheet, row, number, value, kind, formats)
    if table["total"]:
        row += 1
        for number, (value, kind) in enumerate(zip(table["total"], kinds, strict=True)):
            # The word of a total stands where the others have a date.
            kind = "text" if isinstance(value, str) else kind
            _write(sheet, row, number, value, kind, formats, "total ")
    return row + 1


def _write(sheet, row, column, value, kind, formats, prefix=""):
    style = formats[prefix + kind]
    if value is None:
        sheet.write_blank(row, column, None, style)
    elif kind in DIGITS:
        sheet.write_number(row, column, value, style)
    elif isinstance(value, date):
        sheet.write_datetime(row, column, value, style)
    else:
        sheet.write_string(row, column, str(value), style)
