"""Checks the rows of a file of devices, thousands at once, and says of each what is wrong and what would be right.

All that the checks need to know is read before the first row. What they let through the model's own constraints still
judge.
"""

import datetime
from dataclasses import dataclass

from odoo import _
from odoo.tools import float_repr

from ..models.iot_device_addresses import normalised_ip_address, normalised_mac_address
from .columns import COLUMNS

LIST_SEPARATOR = ";"
MOST_PROPOSED = 8
FORMULA_ERRORS = {"#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A"}
FIELDS = {"farm": "farm_id", "pen": "location_id", "tags": "tag_ids", "groups": "group_ids"}
"""Field of the device for columns that are not named after theirs."""


@dataclass(frozen=True)
class RowError:
    """What is wrong in a row (number as a spreadsheet shows it); `message` also says what would be right."""

    row: int
    column: str
    value: str
    message: str


class _Wrong(Exception):
    """Its text is a RowError's message."""


class DeviceRows:
    """The rows of a `Table` as values for `iot.device.create`, or errors; read with the rights of the environment."""

    def __init__(self, env, table):
        self.env = env
        self.errors = []
        self.values = []
        self._seen = {}
        self._may_be_homeless = env.user.has_group("smart_dairy_farm.group_farm_admin")
        self._platform = env["iot.device"]._platform_identities()
        self._types = self._known_types()
        self._farms = {farm.code: farm.id for farm in env["farm.location"].search([])}
        self._pens, self._pen_codes = self._known_pens()
        self._tags = {tag.name.lower(): tag.id for tag in env["iot.device.tag"].search([])}
        self._groups = self._known_groups()
        self._registered = self._registered_of(table.rows)
        for number, texts in table.rows:
            self._read_row(number, texts)

    # ------------------------------------------------------------------ what is known beforehand

    def _known_types(self):
        field = self.env["iot.device"]._fields["device_type"]
        labels = [*field.selection, *field._description_selection(self.env)]
        return {name.lower(): code for code, label in labels for name in (code, label)}

    def _known_pens(self):
        """{(farm id, code or name in lower case): ids of pens}, {farm id: codes of its pens}"""
        pens, codes = {}, {}
        for pen in self.env["farm.pen"].search([]):
            codes.setdefault(pen.farm_id.id, []).append(pen.code)
            for name in {pen.code.lower(), pen.name.lower()}:
                pens.setdefault((pen.farm_id.id, name), []).append(pen.id)
        return pens, codes

    def _known_groups(self):
        """{name in lower case: [(id, farm id or False)]}"""
        groups = {}
        for group in self.env["iot.device.group"].search([]):
            groups.setdefault(group.name.lower(), []).append((group.id, group.farm_id.id))
        return groups

    def _registered_of(self, rows):
        """What of these rows' identities the registry has: {column: set of keys as `_check_new` makes them}.

        By SQL, since an identity is taken no matter whose device has it; no more is told than the unique constraints
        would tell.
        """
        texts = {
            column: [row[column].lower() for _number, row in rows if row.get(column)]
            for column in ("device_id", "mac_address", "serial_number")
        }
        macs = [self._mac_or_none(text) for text in texts["mac_address"]]
        self.env["iot.device"].flush_model()
        found = {}
        for column, query, keys in (
            (
                "device_id",
                "SELECT lower(device_id) FROM iot_device WHERE lower(device_id) = ANY(%s)",
                texts["device_id"],
            ),
            (
                "mac_address",
                "SELECT mac_address FROM iot_device WHERE state != 'decommissioned' AND mac_address = ANY(%s)",
                [mac for mac in macs if mac],
            ),
            (
                "serial_number",
                "SELECT lower(manufacturer), lower(serial_number), device_type FROM iot_device"
                " WHERE state != 'decommissioned' AND lower(serial_number) = ANY(%s)",
                texts["serial_number"],
            ),
        ):
            self.env.cr.execute(query, [keys])
            found[column] = set(self.env.cr.fetchall())
        return found

    @staticmethod
    def _mac_or_none(text):
        try:
            return normalised_mac_address(text)
        except ValueError:
            return None

    # ------------------------------------------------------------------ a row

    def _read_row(self, number, texts):
        values, wrong = {}, set()
        for column in COLUMNS:
            if column.needs & wrong:
                continue  # it cannot be judged, and an error of its own would mislead
            text = texts.get(column.name, "")
            try:
                value = self._read_cell(number, column, text, values)
            except _Wrong as error:
                self.errors.append(RowError(number, column.name, text, str(error)))
                wrong.add(column.name)
                continue
            if value is not None:
                values[FIELDS.get(column.name, column.name)] = value
        if not wrong:
            self.values.append(values)

    def _read_cell(self, number, column, text, values):
        """The field's value; None where there is none.

        :param values: of the columns before
        """
        if text in FORMULA_ERRORS:
            raise _Wrong(_("The spreadsheet could not compute this cell: mend its formula, or type the value."))
        if column.required and not text:
            raise _Wrong(_("This is required: %s", column.explanation))
        if column.name == "farm":
            return self._farm(text)
        if not text:
            return None
        reader = getattr(self, f"_read_{column.name}", None)
        return reader(number, text, values) if reader else text

    def _read_device_type(self, _number, text, _values):
        if text.lower() not in self._types:
            codes = [code for code, _label in self.env["iot.device"]._fields["device_type"].selection]
            raise _Wrong(_("There is no such type. The types are: %s", ", ".join(codes)))
        return self._types[text.lower()]

    def _read_device_id(self, number, text, values):
        problem = self.env["iot.device"]._identity_problem(text, values["device_type"], self._platform)
        if problem:
            raise _Wrong(problem)
        self._check_new("device_id", number, (text.lower(),))
        return text

    def _read_serial_number(self, number, text, values):
        if "manufacturer" in values:
            key = (values["manufacturer"].lower(), text.lower(), values["device_type"])
            self._check_new("serial_number", number, key)
        return text

    def _read_mac_address(self, number, text, _values):
        mac_address = self._mac_or_none(text)
        if not mac_address:
            raise _Wrong(_("This is no MAC address. It has twelve hexadecimal digits, e.g. 00:1A:2B:3C:4D:5E."))
        self._check_new("mac_address", number, (mac_address,))
        return mac_address

    def _read_ip_address(self, _number, text, _values):
        try:
            return normalised_ip_address(text)
        except ValueError:
            raise _Wrong(_("This is no IP address, like 192.168.1.20 or 2001:db8::20 (without a port).")) from None

    def _check_new(self, column, number, key):
        """An identity is neither in the registry nor in a row before."""
        if key in self._registered[column]:
            raise _Wrong(_("A device with this is registered already: leave out the row, or correct it."))
        first = self._seen.setdefault((column, key), number)
        if first != number:
            raise _Wrong(_("Row %s has the same: each device has its own.", first))

    def _farm(self, text):
        if not text:
            if not self._may_be_homeless:
                raise _Wrong(_("Only a farm administrator registers devices without a farm. %s", self._farm_codes()))
            return None
        if text not in self._farms:
            raise _Wrong(_("You have no farm with this code. %s", self._farm_codes()))
        return self._farms[text]

    def _farm_codes(self):
        return _("Your farms' codes are: %s", _some(self._farms))

    def _read_pen(self, _number, text, values):
        farm = values.get("farm_id")
        if not farm:
            raise _Wrong(_("A pen needs a farm: give the farm's code in the same row."))
        found = self._pens.get((farm, text.lower()), [])
        if not found:
            raise _Wrong(_("This farm has no such pen. Its pens are: %s", _some(self._pen_codes.get(farm, []))))
        if len(found) > 1:
            raise _Wrong(_("This farm has several pens of this name: give the pen's code."))
        return found[0]

    def _read_latitude(self, _number, text, _values):
        return self._degrees(text, 90)

    def _read_longitude(self, _number, text, _values):
        return self._degrees(text, 180)

    def _degrees(self, text, most):
        try:
            degrees = float(text.replace(",", "."))
        except ValueError:
            degrees = None
        if degrees is None or not -most <= degrees <= most:
            raise _Wrong(
                _("This must be degrees from -%(most)s to %(most)s, e.g. %(example)s.", most=most, example="23.8103")
            )
        return float(float_repr(degrees, 7))

    def _read_calibration_date(self, _number, text, _values):
        return self._date(text)

    def _read_next_calibration_date(self, _number, text, _values):
        return self._date(text)

    def _date(self, text):
        try:
            return datetime.date.fromisoformat(text)
        except ValueError:
            raise _Wrong(_("This is no date. Write it as year-month-day, e.g. 2026-01-31.")) from None

    def _read_tags(self, _number, text, _values):
        names = _listed(text)
        unknown = [name for name in names if name.lower() not in self._tags]
        if unknown:
            raise _Wrong(_("There is no tag “%s”: make it first, or correct the name.", unknown[0]))
        return [(6, 0, [self._tags[name.lower()] for name in names])]

    def _read_groups(self, _number, text, values):
        farms = (False, values.get("farm_id", False))
        ids = []
        for name in _listed(text):
            fitting = [group for group, farm in self._groups.get(name.lower(), []) if farm in farms]
            if not fitting:
                raise _Wrong(
                    _("There is no group “%s” of this farm or of all farms: make it first, or correct the name.", name)
                )
            ids += fitting
        return [(6, 0, ids)]


def _listed(text):
    return [name.strip() for name in text.split(LIST_SEPARATOR) if name.strip()]


def _some(names):
    """The first names of many, for a message."""
    names = sorted(names)
    return ", ".join(names[:MOST_PROPOSED]) + (", …" if len(names) > MOST_PROPOSED else "") or "–"
