"""Shows a device's credentials once, right after they were issued."""

from odoo import api, fields, models


class IotDeviceCredentialsWizard(models.TransientModel):
    """The password lives in the action that opened the wizard and on the screen; the table has no column for it."""

    _name = "iot.device.credentials.wizard"
    _description = "Device Credentials"

    iot_device_id = fields.Many2one("iot.device", string="Device", required=True, readonly=True, ondelete="cascade")
    mqtt_username = fields.Char(string="User Name", readonly=True)
    mqtt_client_id = fields.Char(string="Client ID", readonly=True)
    mqtt_password = fields.Char(string="Password", store=False, readonly=True)
    broker_address = fields.Char(compute="_compute_broker_address")
    data_topic = fields.Char(related="iot_device_id.data_topic", related_sudo=False)
    status_topic = fields.Char(related="iot_device_id.status_topic", related_sudo=False)
    alert_topic = fields.Char(related="iot_device_id.alert_topic", related_sudo=False)
    command_topic = fields.Char(related="iot_device_id.command_topic", related_sudo=False)
    config_topic = fields.Char(related="iot_device_id.config_topic", related_sudo=False)
    ack_topic = fields.Char(related="iot_device_id.ack_topic", related_sudo=False)

    @api.depends("iot_device_id")
    def _compute_broker_address(self):
        self.broker_address = self.env["iot.settings"]._broker_address()
