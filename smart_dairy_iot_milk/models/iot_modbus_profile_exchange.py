"""Register maps as files: found out on one farm, used on another."""

import base64

from odoo import _, api, fields, models
from odoo.exceptions import UserError

from ..modbus.document import write_document
from ..modbus.profile import LINE_COLUMNS
from .iot_milk_meter import MANUFACTURERS

_PROFILE_FIELDS = (
    "name",
    "manufacturer",
    "milking_from",
    "flow_from",
    "idle_seconds",
    "point_stride",
    "largest_gap",
    "notes",
)
_LINE_FIELDS = (*LINE_COLUMNS, "unit")


class IotModbusProfile(models.Model):
    _inherit = "iot.modbus.profile"

    document = fields.Binary(compute="_compute_document", string="JSON", help="The register map as a file.")
    document_name = fields.Char(compute="_compute_document")

    @api.depends(*_PROFILE_FIELDS, *(f"line_ids.{name}" for name in _LINE_FIELDS))
    def _compute_document(self):
        for profile in self:
            profile.document = base64.b64encode(profile._as_document().encode())
            profile.document_name = f"{(profile.name or '').replace('/', '-')}.json"

    def action_export_json(self):
        """Download the register map as a JSON file."""
        self.ensure_one()
        path = f"/web/content/{self._name}/{self.id}/document"
        return {
            "type": "ir.actions.act_url",
            "url": f"{path}?download=true&filename_field=document_name",
            "target": "self",
        }

    @api.model
    def _create_from_document(self, values, lines):
        """A register map from what `modbus.document.read_document` gives.

        :raise UserError: its maker is none of ours, or another map has its name
        """
        if values["manufacturer"] not in dict(MANUFACTURERS):
            raise UserError(
                _("%(name)s: %(maker)s is no maker of meters here.", name=values["name"], maker=values["manufacturer"])
            )
        if self.with_context(active_test=False).search_count([("name", "=", values["name"])], limit=1):
            raise UserError(_("There is a Modbus profile of the name %s already.", values["name"]))
        return self.create({**values, "line_ids": [(0, 0, line) for line in lines]})

    def _as_document(self):
        """This register map as JSON text."""
        self.ensure_one()
        return write_document(
            {name: self[name] for name in _PROFILE_FIELDS},
            [{name: line[name] for name in _LINE_FIELDS} for line in self.line_ids],
        )
