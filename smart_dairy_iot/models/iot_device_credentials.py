"""New passwords of many devices, handed to the browser once.

They are in the answer to the very request that issued them, and nowhere else: no table has them, and the client action
that shows them is a function of the web client, which unlike a screen leaves nothing in the browser's storage or
address.
"""

from odoo import _, api, models

from .iot_device import TOPIC_FIELDS


class IotDevice(models.Model):
    _inherit = "iot.device"

    @api.model
    def _credentials_sheet_action(self, credentials):
        """Show the credentials of many devices, once.

        :param credentials: list of dicts with `device` (record), `username`, `client_id` and `password` (plain)
        :returns: client action; its params carry the rows
        """
        device_types = dict(self._fields["device_type"]._description_selection(self.env))
        rows = [
            {
                "id": issued["device"].id,
                "device_id": issued["device"].device_id,
                "name": issued["device"].name,
                "device_type": device_types[issued["device"].device_type],
                "farm": issued["device"].farm_id.code or "",
                "username": issued["username"],
                "client_id": issued["client_id"],
                "password": issued["password"],
                **{name: issued["device"][name] or "" for name in TOPIC_FIELDS.values()},
            }
            for issued in credentials
        ]
        return {
            "type": "ir.actions.client",
            "tag": "iot_credentials_sheet",
            "name": _("Device Credentials"),
            "target": "new",
            "params": {"credentials": rows, "broker_address": self.env["iot.settings"]._broker_address()},
        }
