"""Many devices at a time are judged as the rows of an imported file are: all at once, each with what is wrong in it."""

from odoo import _

from ...device_import.columns import COLUMNS
from ...device_import.rows import DeviceRows
from ...device_import.table_file import Table
from .errors import ApiError

COLUMN_OF = {"farm_id": "farm", "location_id": "pen"}
KEY_OF = {column: key for key, column in COLUMN_OF.items()}
UNKNOWN = "#"
"""Begins what stands for a farm or a pen that the caller does not see: no code begins so."""


def check_references(env, rows):
    """Farms and pens that the caller does not see are like none.

    :raises ApiError: 422
    """
    details = [
        {"field": key, "message": _("There is none with this id that you may see.")}
        for key, codes in _codes(env, rows).items()
        for row in rows
        if key in row and row[key] not in codes
    ]
    if details:
        first = details[0]
        raise ApiError(422, f"{first['field']}: {first['message']}", details=details)


def checked_values(env, rows):
    """Values for `iot.device.create`.

    :param rows: list of dicts that fit `NEW_DEVICE`
    :raises ApiError: 422 with everything that is wrong, by row
    """
    codes = _codes(env, rows)
    # Numbered as people count, for the rows' own messages ("Row 2 has the same").
    table = Table(
        [column.name for column in COLUMNS], [(number, _texts(row, codes)) for number, row in enumerate(rows, 1)]
    )
    checked = DeviceRows(env, table)
    if checked.errors:
        details = [_detail(error) for error in checked.errors]
        raise ApiError(422, _("Nothing was registered: %s faults, see the details.", len(details)), details=details)
    return checked.values


def _codes(env, rows):
    """{key: {id: code}} of the farms and pens in these rows that the caller sees."""
    found = {}
    for key, model in (("farm_id", "farm.location"), ("location_id", "farm.pen")):
        asked = {int(row[key]) for row in rows if key in row}
        found[key] = {record.id: record.code for record in env[model].search([("id", "in", list(asked))])}
    return found


def _texts(row, codes):
    """The row as a file would have it."""
    texts = {}
    for key, value in row.items():
        if key in codes:
            value = codes[key].get(value, f"{UNKNOWN}{value}")
        texts[COLUMN_OF.get(key, key)] = str(value).strip()
    return texts


def _detail(error):
    key = KEY_OF.get(error.column, error.column)
    message = error.message
    if key in COLUMN_OF and error.value.startswith(UNKNOWN):
        message = _("There is none with this id that you may see.")
    return {"field": f"devices.{error.row - 1}.{key}", "message": message}
