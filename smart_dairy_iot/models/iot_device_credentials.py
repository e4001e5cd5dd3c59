"""New passwords, handed to the browser once: of one device in a dialog, of many on a sheet.

They are in the answer to the very request that issued them, and nowhere else: no table has them, and the client action
that shows them is a function of the web client, which unlike a screen leaves nothing in the browser's storage or
address.
"""

from odoo import _, api, models

from .iot_device import TOPIC_FIELDS


class IotDevice(models.Model):
    _inherit = "iot.device"

    def _credentials_action(self, credentials):
        """Show credentials that were just issued: one device's in a dialog, many in a sheet to download."""
        if len(credentials) > 1:
            return self._credentials_sheet_action(credentials)
        (shown,) = credentials
        return {
            "type": "ir.actions.act_window",
            "name": _("Device Credentials"),
            "res_model": "iot.device.credentials.wizard",
            "view_mode": "form",
            "views": [(False, "form")],
            "target": "new",
            "context": {
                "default_iot_device_id": shown["device"].id,
                "default_mqtt_username": shown["username"],
                "default_mqtt_client_id": shown["client_id"],
                "default_mqtt_password": shown["password"],
            },
        }

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
