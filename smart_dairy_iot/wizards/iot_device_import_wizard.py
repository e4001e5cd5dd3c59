"""Registers many devices from a file: all of them, once every row is good, or none."""

import base64
from collections import Counter

from odoo import _, api, fields, models
from odoo.exceptions import UserError

from ..device_import.columns import COLUMNS
from ..device_import.rows import DeviceRows
from ..device_import.table_file import MOST_ROWS, TableError, csv_file, read_table

MOST_SHOWN = 200
"""So many errors are listed on the screen; the file with errors has them all."""


class IotDeviceImportWizard(models.TransientModel):
    _name = "iot.device.import.wizard"
    _description = "Import Devices"

    file = fields.Binary(attachment=False, help="CSV, or XLSX: its first sheet. The first row names the columns.")
    file_name = fields.Char()
    state = fields.Selection(
        [("file", "Choose a File"), ("wrong", "Correct It"), ("good", "Import")], default="file", readonly=True
    )
    row_count = fields.Integer(string="Rows", readonly=True)
    wrong_row_count = fields.Integer(string="Rows with Errors", readonly=True)
    error_count = fields.Integer(string="Errors", readonly=True)
    error_ids = fields.One2many("iot.device.import.error", "wizard_id", string="First Errors", readonly=True)
    error_file = fields.Binary(string="All Errors", attachment=False, readonly=True)
    error_file_name = fields.Char(default="device_import_errors.csv", readonly=True)
    count_ids = fields.One2many("iot.device.import.count", "wizard_id", string="To Be Registered", readonly=True)

    @api.onchange("file")
    def _onchange_file(self):
        self.state = "file"

    def action_check(self):
        """Read the file and show what is wrong in it, or what would be registered."""
        self.ensure_one()
        checked = self._checked_rows()
        self.error_ids.unlink()
        self.count_ids.unlink()
        self.write(
            {
                "state": "wrong" if checked.errors else "good",
                "row_count": len(checked.values) + len({error.row for error in checked.errors}),
                "wrong_row_count": len({error.row for error in checked.errors}),
                "error_count": len(checked.errors),
                "error_ids": [
                    (0, 0, {"row": error.row, "column": error.column, "value": error.value, "message": error.message})
                    for error in checked.errors[:MOST_SHOWN]
                ],
                "error_file": base64.b64encode(self._error_file(checked.errors)) if checked.errors else False,
                "count_ids": [(0, 0, values) for values in self._counts(checked.values)],
            }
        )
        return self._reopened()

    def action_import(self):
        """Register the devices, all in this transaction."""
        self.ensure_one()
        checked = self._checked_rows()
        if checked.errors:
            # The registry has changed since the file was checked.
            return self.action_check()
        devices = self.env["iot.device"].with_context(mail_create_nosubscribe=True).create(checked.values)
        action = self.env["ir.actions.act_window"]._for_xml_id("smart_dairy_iot.iot_device_action")
        return {
            **action,
            "display_name": _("Imported Devices"),
            "views": [(False, "list"), (False, "form")],
            "domain": [("id", "in", devices.ids)],
            "target": "main",
        }

    def action_template(self):
        """Download the empty file to fill in."""
        return {"type": "ir.actions.act_url", "url": "/iot/import/template", "target": "self"}

    def _checked_rows(self):
        if not self.file:
            raise UserError(_("Choose a file first."))
        names = [column.name for column in COLUMNS]
        try:
            table = read_table(base64.b64decode(self.file), names)
        except TableError as error:
            raise UserError(self._sentence(error)) from error
        self._check_columns(table.columns, names)
        return DeviceRows(self.env, table)

    def _sentence(self, error):
        return {
            "empty": _(
                "There is no device in the file. Its first row names the columns, each further row is a device."
            ),
            "encoding": _("The file's characters cannot be read: save it as UTF-8."),
            "old_excel": _("This is a file of an old Excel: save it as .xlsx or .csv."),
            "broken": _("The file is damaged, or neither CSV nor XLSX (%s).", error.detail),
            "too_big": _("The file is too big: it may have up to %s. Import in several files.", error.detail),
            "too_many_rows": _("The file has more than %s rows: import in several files.", MOST_ROWS),
            "too_many_cells": _(
                "Row %s has more cells than there are columns: is there a separator within a text?", error.detail
            ),
        }[error.reason]

    def _check_columns(self, columns, names):
        """:raises UserError: for columns that are unknown, missing or there twice"""
        missing = [column.name for column in COLUMNS if column.required and column.name not in columns]
        unknown = [column for column in columns if column not in names]
        twice = [column for column, count in Counter(columns).items() if count > 1]
        problems = [
            sentence
            for found, sentence in (
                (missing, _("These columns are missing: %s.", ", ".join(missing))),
                (unknown, _("These columns are not known: %s.", ", ".join(name or "–" for name in unknown))),
                (twice, _("These columns are there twice: %s.", ", ".join(twice))),
            )
            if found
        ]
        if problems:
            raise UserError("\n".join([*problems, _("The columns are: %s.", ", ".join(names))]))

    def _error_file(self, errors):
        header = [_("Row"), _("Column"), _("Value"), _("What is wrong")]
        return csv_file([header, *([error.row, error.column, error.value, error.message] for error in errors)])

    @api.model
    def _counts(self, values):
        counts = Counter((device.get("farm_id", False), device["device_type"]) for device in values)
        return [
            {
                "farm": self.env["farm.location"].browse(farm).name or _("None: waits to be claimed"),
                "device_type": device_type,
                "count": count,
            }
            for (farm, device_type), count in sorted(counts.items())
        ]

    def _reopened(self):
        action = self.env["ir.actions.act_window"]._for_xml_id("smart_dairy_iot.iot_device_import_action")
        return {**action, "res_id": self.id}


class IotDeviceImportError(models.TransientModel):
    _name = "iot.device.import.error"
    _description = "Error in a File of Devices"
    _order = "id"

    wizard_id = fields.Many2one("iot.device.import.wizard", required=True, ondelete="cascade")
    row = fields.Integer(readonly=True)
    column = fields.Char(readonly=True)
    value = fields.Char(readonly=True)
    message = fields.Char(string="What Is Wrong", readonly=True)


class IotDeviceImportCount(models.TransientModel):
    _name = "iot.device.import.count"
    _description = "Devices to Be Imported"
    _order = "id"

    wizard_id = fields.Many2one("iot.device.import.wizard", required=True, ondelete="cascade")
    farm = fields.Char(readonly=True)
    device_type = fields.Selection(selection=lambda self: self.env["iot.device"]._fields["device_type"].selection)
    count = fields.Integer(string="Devices", readonly=True)
