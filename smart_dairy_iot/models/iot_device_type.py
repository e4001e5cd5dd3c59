"""The types of devices as records, where several of them are chosen at once."""

from odoo import api, fields, models

from .iot_topic_hierarchy import DEVICE_TYPES


class IotDeviceType(models.Model):
    _name = "iot.device.type"
    _description = "Device Type"
    # What is searched for: the label that is shown depends on the language.
    _rec_name = "device_type"
    _order = "id"

    device_type = fields.Selection(DEVICE_TYPES, required=True, readonly=True)

    _sql_constraints = [
        ("device_type_unique", "UNIQUE(device_type)", "There is one record of each type."),
    ]

    @api.depends("device_type")
    @api.depends_context("lang")
    def _compute_display_name(self):
        labels = dict(self._fields["device_type"]._description_selection(self.env))
        for record in self:
            record.display_name = labels.get(record.device_type)
