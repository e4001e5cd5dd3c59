"""Labels that users give devices, to find them again."""

from random import randint

from odoo import fields, models


class IotDeviceTag(models.Model):
    _name = "iot.device.tag"
    _description = "Device Tag"
    _order = "name"

    name = fields.Char(required=True)
    color = fields.Integer(
        default=lambda self: randint(1, 11), help="One of Odoo's colours for tags, 1 to 11; 0: none."
    )

    _sql_constraints = [
        ("name_unique", "EXCLUDE USING btree (lower(name) WITH =)", "There is a tag of this name already."),
    ]


class IotDevice(models.Model):
    _inherit = "iot.device"

    tag_ids = fields.Many2many(
        "iot.device.tag", "iot_device_tag_rel", "iot_device_id", "tag_id", string="Tags", tracking=True
    )
