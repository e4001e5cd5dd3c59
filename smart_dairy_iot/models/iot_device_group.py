"""Devices that belong together: a parlour, a barn, a trial."""

from odoo import _, api, fields, models
from odoo.exceptions import ValidationError


class IotDeviceGroup(models.Model):
    _name = "iot.device.group"
    _description = "Device Group"
    _inherit = ["iot.farm.shared.mixin"]
    _order = "name, id"

    name = fields.Char(required=True)
    active = fields.Boolean(default=True)
    farm_id = fields.Many2one(help="A group of a farm holds devices of that farm only. Empty: devices of any farm.")
    description = fields.Text()
    device_ids = fields.Many2many("iot.device", "iot_device_group_rel", "group_id", "iot_device_id", string="Devices")
    device_count = fields.Integer(compute="_compute_device_count")

    @api.constrains("farm_id", "device_ids")
    def _check_devices_of_farm(self):
        for group in self.filtered("farm_id"):
            # Whether a device stands elsewhere does not depend on who asks.
            for device in group.sudo().device_ids:
                if device.farm_id != group.farm_id:
                    raise ValidationError(
                        _(
                            "%(device)s is not on the farm %(farm)s, and so cannot be in its group %(group)s.",
                            device=device.name,
                            farm=group.farm_id.name,
                            group=group.name,
                        )
                    )

    @api.depends("device_ids")
    def _compute_device_count(self):
        for group in self:
            group.device_count = len(group.device_ids)

    def action_view_devices(self):
        """Open the group's devices."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("smart_dairy_iot.iot_device_action")
        context = {"default_farm_id": self.farm_id.id, "default_group_ids": [(4, self.id)]}
        return {**action, "display_name": self.name, "domain": [("group_ids", "in", self.ids)], "context": context}


class IotDevice(models.Model):
    _inherit = "iot.device"

    group_ids = fields.Many2many(
        "iot.device.group",
        "iot_device_group_rel",
        "iot_device_id",
        "group_id",
        string="Groups",
        domain="['|', ('farm_id', '=', False), ('farm_id', '=', farm_id)]",
        tracking=True,
    )

    @api.constrains("group_ids")
    def _check_groups(self):
        self.group_ids._check_devices_of_farm()

    def write(self, vals):
        result = super().write(vals)
        if "farm_id" in vals:
            self._leave_groups_of_other_farms()
        return result

    def _leave_groups_of_other_farms(self):
        # A group is left with the move, whether or not the mover may see it.
        for device in self.sudo():
            others = device.group_ids.filtered(
                lambda group, device=device: group.farm_id not in (group.farm_id.browse(), device.farm_id)
            )
            if others:
                device.group_ids -= others
