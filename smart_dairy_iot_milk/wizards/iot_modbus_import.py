"""Takes register maps over from files: all of them, or none."""

from odoo import _, fields, models
from odoo.exceptions import UserError

from ..modbus.document import read_document
from ..modbus.profile import ProfileError


class IotModbusImport(models.TransientModel):
    _name = "iot.modbus.import"
    _description = "Import Modbus Profiles"

    file_ids = fields.Many2many("ir.attachment", string="Files", help="JSON files as a Modbus profile is exported to.")

    def action_import(self):
        """Create a register map for each file.

        :raise UserError: a file is no register map, or one of its name is there
        """
        self.ensure_one()
        if not self.file_ids:
            raise UserError(_("Choose one file at least."))
        profiles = self.env["iot.modbus.profile"]
        for file in self.file_ids.sorted("id"):
            try:
                values, lines = read_document(file.raw or b"")
            except ProfileError as error:
                raise UserError(_("%(file)s: %(error)s", file=file.name, error=error)) from error
            profiles |= profiles._create_from_document(values, lines)
        # What was taken over needs no copy beside it.
        self.file_ids.unlink()
        action = self.env["ir.actions.act_window"]._for_xml_id("smart_dairy_iot_milk.iot_modbus_profile_action")
        if len(profiles) == 1:
            return {**action, "views": [(False, "form")], "res_id": profiles.id, "target": "main"}
        return {
            **action,
            "views": [(False, "list"), (False, "form")],
            "domain": [("id", "in", profiles.ids)],
            "target": "main",
        }
