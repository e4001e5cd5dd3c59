"""Tables out of files as people and programs write them."""

import csv
import datetime
import io
import zipfile

import pytest
from openpyxl import Workbook

from smart_dairy_iot.device_import.columns import COLUMNS, template_file
from smart_dairy_iot.device_import.table_file import MOST_ROWS, TableError, csv_file, read_table

KNOWN = ["device_id", "name", "device_type"]


def xlsx(*rows):
    workbook = Workbook()
    for row in rows:
        workbook.active.append(row)
    output = io.BytesIO()
    workbook.save(output)
    return output.getvalue()


def reason_of(content):
    with pytest.raises(TableError) as error:
        read_table(content, KNOWN)
    return error.value.reason


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_delimiter_and_encoding_are_found_out(delimiter, encoding):
    text = f'Device ID{delimiter}"NAME"\r\nM1{delimiter}Kühe; links, rechts\r\n'.replace(
        "Kühe; links, rechts", '"Kühe; links, rechts"'
    )
    table = read_table(text.encode(encoding), KNOWN)
    assert table.columns == ["device_id", "name"]
    assert table.rows == [(2, {"device_id": "M1", "name": "Kühe; links, rechts"})]


def test_rows_have_the_numbers_that_a_spreadsheet_shows():
    content = b'device_id,name\nM1,"two\nlines"\n\n , \nM2,Two,,\n'
    assert [(number, row["device_id"]) for number, row in read_table(content, KNOWN).rows] == [(2, "M1"), (5, "M2")]


def test_a_spreadsheet_s_numbers_and_dates_become_what_somebody_would_type():
    cells = [
        12,
        12.0,
        123456789012.0,
        0.1,
        1e-7,
        True,
        datetime.datetime(2026, 1, 31),
        datetime.date(2026, 1, 31),
        " a ",
    ]
    columns = [f"c{number}" for number in range(len(cells))]
    ((number, row),) = read_table(xlsx(columns, cells), KNOWN).rows
    assert number == 2
    expected = ["12", "12", "123456789012", "0.1", "0.0000001", "true", "2026-01-31", "2026-01-31", "a"]
    assert list(row.values()) == expected


def test_the_first_sheet_is_read_and_empty_rows_are_left_out():
    workbook = Workbook()
    for row in (["device_id", "name"], [], ["M1", "One"], [None, None]):
        workbook.active.append(row)
    workbook.create_sheet("Other").append(["nonsense"])
    output = io.BytesIO()
    workbook.save(output)
    assert read_table(output.getvalue(), KNOWN).rows == [(3, {"device_id": "M1", "name": "One"})]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"device_id,name\n", "empty"),
        (b"device_id,name\n,\n", "empty"),
        (b"device_id,name\nM1,One,surplus\n", "too_many_cells"),
        (b'device_id,name\nM1,"One\n', "broken"),
        (b"device_id\x81\n", "encoding"),
        (b"\xd0\xcf\x11\xe0rest", "old_excel"),
        (b"PK\x03\x04rest", "broken"),
        (xlsx(["device_id"]), "empty"),
        (xlsx(["device_id"], ["M1"])[:-200], "broken"),
        (b"device_id\n" + b"M\n" * (MOST_ROWS + 1), "too_many_rows"),
        (b"device_id\n" + b"M" * 20_000_001, "too_big"),
    ],
)
def test_what_is_no_table_is_refused_with_its_reason(content, reason):
    assert reason_of(content) == reason


def test_a_zip_file_that_is_no_workbook_is_refused():
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        archive.writestr("hello.txt", "hello")
    assert reason_of(output.getvalue()) == "broken"


def test_a_packed_file_that_would_fill_the_memory_is_refused():
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/big.xml", "w") as entry:
        for _part in range(31):
            entry.write(b" " * 10_000_000)
    assert len(output.getvalue()) < 1_000_000
    assert reason_of(output.getvalue()) == "too_big"


def test_the_template_can_be_read_back_with_its_example():
    table = read_table(template_file(), KNOWN)
    assert table.columns == [column.name for column in COLUMNS]
    ((number, row),) = table.rows
    assert number == 2
    assert row["device_id"] == "MM001"


def test_a_written_file_has_no_formulas():
    rows = [["=1+1", "a,b"], ["@x", 'say "no"'], ["-1", 7]]
    text = csv_file(rows).decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["'=1+1", "a,b"], ["'@x", 'say "no"'], ["'-1", "7"]]
