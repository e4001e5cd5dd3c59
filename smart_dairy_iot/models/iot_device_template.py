"""Configurations that are kept under a name, to be given to many devices."""

from odoo import _, api, fields, models
from odoo.exceptions import UserError

from .iot_topic_hierarchy import DEVICE_TYPES


class IotDeviceTemplate(models.Model):
    _name = "iot.device.template"
    _description = "Device Configuration Template"
    _inherit = ["iot.farm.shared.mixin"]
    _order = "device_type, name, id"

    name = fields.Char(required=True)
    active = fields.Boolean(default=True)
    device_type = fields.Selection(DEVICE_TYPES, required=True, index=True)
    config_json = fields.Text(
        string="Configuration (JSON)",
        required=True,
        default="{\n}",
        help="A JSON object. A device that is given the template gets it in place of its own configuration.",
    )
    description = fields.Text()

    @api.constrains("config_json")
    def _check_config_json(self):
        for template in self:
            template._configuration()

    def _configuration(self):
        """The configuration as a dict; raises ValidationError for anything but a JSON object."""
        self.ensure_one()
        return self.env["iot.device"]._parse_configuration(self.config_json, self.name)

    def action_apply_to_devices(self):
        """Choose the devices that are to get this template."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("smart_dairy_iot.iot_device_template_wizard_action")
        # Nothing is selected yet: the list's selection, which the action is made for, is templates here.
        context = {"default_template_id": self.id, "active_model": self._name, "active_ids": self.ids}
        return {**action, "display_name": _("Apply %s", self.name), "context": context}

    def _apply(self, devices):
        """Give the devices this configuration. Those in service are sent it at once, retained."""
        self.ensure_one()
        wrong = devices.filtered(lambda device: device.device_type != self.device_type)
        if wrong:
            raise UserError(
                _(
                    "%(template)s is a template for another type of device than %(device)s.",
                    template=self.name,
                    device=wrong[0].name,
                )
            )
        devices.write({"config_json": self.config_json})
        body = _("Configured from the template “%s”.", self.name)
        devices._message_log_batch(bodies=dict.fromkeys(devices.ids, body))
