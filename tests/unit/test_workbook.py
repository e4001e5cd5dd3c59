"""Reports as files for spreadsheets, read back as a spreadsheet would."""

import csv
import io
from datetime import date, datetime

import openpyxl

from smart_dairy_iot_milk.exchange.workbook import csv_file, xlsx

REPORT = {
    "name": "daily",
    "title": "Daily Milk Production",
    "subtitle": "Hill Farm, 2026-03-01",
    "facts": [("Milk (L)", 25.5, "liters"), ("Cells", None, "integer")],
    "tables": [
        {
            "title": "Animals: [all]/today",
            "columns": [
                {"title": "Animal", "kind": "text"},
                {"title": "Date", "kind": "date"},
                {"title": "Milk (L)", "kind": "liters"},
                {"title": "Fat (%)", "kind": "percent"},
            ],
            "rows": [["=1+1", date(2026, 3, 1), 12.25, None], ["17", date(2026, 3, 2), 13.25, 4.1]],
            "total": ["All", None, 25.5, 4.1],
        },
        {"title": "Animals: [all]/today", "columns": [{"title": "Animal", "kind": "text"}], "rows": [], "total": None},
    ],
    "notes": ["Nothing else."],
}


def sheets():
    return openpyxl.load_workbook(io.BytesIO(xlsx(REPORT)))


def rows(sheet):
    return [[cell.value for cell in row] for row in sheet.iter_rows()]


def test_the_first_sheet_has_the_title_the_facts_the_table_its_total_and_the_notes():
    found = rows(sheets().worksheets[0])
    assert found[0][0] == "Daily Milk Production"
    assert found[1][0] == "Hill Farm, 2026-03-01"
    assert found[3][:2] == ["Milk (L)", 25.5]
    assert found[4][:2] == ["Cells", None]
    assert found[6] == ["Animal", "Date", "Milk (L)", "Fat (%)"]
    assert found[7] == ["=1+1", datetime(2026, 3, 1), 12.25, None]
    assert found[9] == ["All", None, 25.5, 4.1]
    assert found[11][0] == "Nothing else."


def test_a_text_is_never_a_formula():
    cell = sheets().worksheets[0].cell(8, 1)
    assert (cell.value, cell.data_type) == ("=1+1", "s")


def test_each_table_has_a_sheet_with_a_name_that_is_allowed_and_its_own():
    names = sheets().sheetnames
    assert len(set(names)) == 2
    assert all(len(name) <= 31 and not set(name) & set("[]:*?/\\'") for name in names)


def test_a_csv_file_has_the_first_table_and_no_formula():
    read = list(csv.reader(io.StringIO(csv_file(REPORT).decode("utf-8-sig"))))
    assert read == [
        ["Animal", "Date", "Milk (L)", "Fat (%)"],
        ["'=1+1", "2026-03-01", "12.2", ""],
        ["17", "2026-03-02", "13.2", "4.10"],
    ]
