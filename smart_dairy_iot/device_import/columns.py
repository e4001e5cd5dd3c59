"""What a file of devices may tell, column by column; and the empty file to fill in."""

import io
from dataclasses import dataclass

from openpyxl import Workbook
from openpyxl.styles import Font

TEXT_FORMAT = "@"
TEMPLATE_ROWS = 1000
"""So many rows of the template are formatted as text, or Excel would make numbers of IDs like 007."""


@dataclass(frozen=True)
class Column:
    """A column of the file. The order of COLUMNS is that in which they are read: what a column needs stands before."""

    name: str
    explanation: str
    example: str = ""
    required: bool = False
    needs: frozenset = frozenset()
    """Columns without which this one cannot be judged."""


OF_TYPE = frozenset({"device_type"})
COLUMNS = (
    Column("device_type", "Code or name of the type, e.g. milk_meter or Milk Meter.", "milk_meter", required=True),
    Column("device_id", "Its identity on the wire, e.g. MM001: letters, digits, _ and -.", "MM001", True, OF_TYPE),
    Column("name", "What people call it.", "Parlour meter 1", required=True),
    Column("farm", "The farm's code. Empty: the device is claimed later (administrators only).", "HILL"),
    Column("pen", "Code or name of a pen of that farm.", "PARLOUR", needs=frozenset({"farm"})),
    Column("location_description", "Where exactly.", "Stall 1, left"),
    Column("manufacturer", "Who made it.", "DeLaval"),
    Column("model", "The maker's name for it.", "MM27BC"),
    Column("serial_number", "Unique for a manufacturer and type.", "SN-10001", needs=OF_TYPE),
    Column("mac_address", "In any printed form, e.g. 00:1A:2B:3C:4D:5E.", "00:1A:2B:3C:4D:5E"),
    Column("ip_address", "IPv4 or IPv6."),
    Column("firmware_version", "", "2.1.0"),
    Column("hardware_version", "", "C"),
    Column("latitude", "Degrees, north positive, -90 to 90.", "23.8103000"),
    Column("longitude", "Degrees, east positive, -180 to 180.", "90.4125000"),
    Column("calibration_date", "Last calibration, as 2026-01-31.", "2026-01-31"),
    Column("next_calibration_date", "Next calibration, as 2027-01-31.", "2027-01-31"),
    Column("tags", "Names of tags, separated by ;"),
    Column("groups", "Names of device groups, separated by ;", needs=frozenset({"farm"})),
    Column("notes", ""),
)


def template_file():
    """An XLSX file (bytes) with the columns, one example, and a sheet that explains them."""
    workbook = Workbook()
    devices = workbook.active
    devices.title = "Devices"
    devices.append([column.name for column in COLUMNS])
    devices.append([column.example for column in COLUMNS])
    for row in devices.iter_rows(min_row=1, max_row=TEMPLATE_ROWS, max_col=len(COLUMNS)):
        for cell in row:
            cell.number_format = TEXT_FORMAT
    explanations = workbook.create_sheet("Columns")
    explanations.append(["Column", "Required", "Meaning"])
    for column in COLUMNS:
        explanations.append([column.name, "yes" if column.required else "", column.explanation])
    for sheet in workbook:
        for cell in sheet[1]:
            cell.font = Font(bold=True)
        for letter in {cell.column_letter for cell in sheet[1]}:
            sheet.column_dimensions[letter].width = 22
        sheet.freeze_panes = "A2"
    explanations.column_dimensions["C"].width = 80
    output = io.BytesIO()
    workbook.save(output)
    return output.getvalue()
