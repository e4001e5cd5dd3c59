"""Every configuration that a device was ever given: which, when, by whom; and the way back to it."""

from odoo import _, api, fields, models


class IotDeviceConfigVersion(models.Model):
    """Written by the platform alone, along with the device's configuration."""

    _name = "iot.device.config.version"
    _description = "Device Configuration Version"
    _order = "iot_device_id, version desc"
    _rec_name = "version"

    iot_device_id = fields.Many2one(
        "iot.device", string="Device", required=True, readonly=True, index=True, ondelete="cascade"
    )
    version = fields.Integer(required=True, readonly=True, group_operator=False)
    config_json = fields.Text(string="Configuration (JSON)", readonly=True)
    is_current = fields.Boolean(compute="_compute_is_current")

    _sql_constraints = [
        ("version_unique", "UNIQUE(iot_device_id, version)", "A device has each version of its configuration once."),
    ]

    @api.depends("version", "iot_device_id.config_version")
    def _compute_is_current(self):
        for version in self:
            version.is_current = version.version == version.iot_device_id.config_version

    def action_restore(self):
        """Give the device this configuration again, as a new version."""
        self.ensure_one()
        # With the user's own rights: who may not change the device's configuration may not restore one.
        self.iot_device_id.config_json = self.config_json
        self.iot_device_id._message_log(body=_("Configuration version %s restored.", self.version))
        return True
