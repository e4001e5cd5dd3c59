"""The labels of devices."""

from odoo import _, models
from odoo.exceptions import AccessError

from ..labels import Label


class IotDevice(models.Model):
    _inherit = "iot.device"

    def action_print_labels(self):
        """Download the sheets of labels of these devices; see the controller `labels`."""
        if not self.env.user.has_group("smart_dairy_farm.group_farm_manager"):
            raise AccessError(_("Only farm managers print labels: claim codes are on them."))
        return {"type": "ir.actions.client", "tag": "iot_print_labels", "params": {"device_ids": self.ids}}

    def _labels(self):
        return [
            Label(
                device_id=device.device_id,
                name=device.name,
                username=device.mqtt_username,
                claim_code=device.claim_code,
                url=device.claim_url,
            )
            for device in self
        ]
