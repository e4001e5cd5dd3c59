"""The devices themselves: listed, shown, registered, provisioned and decommissioned."""

from odoo.http import Controller

from .base import Operation, endpoint
from .operations import DATABASE_ID

DEVICE = {
    "type": "object",
    "required": ["id", "device_id", "name", "device_type", "state", "is_online", "last_seen", "farm_id", "farm_name"],
    "properties": {"id": DATABASE_ID, "device_id": {"type": "string"}},
}


class DeviceApi(Controller):
    @endpoint(
        "GET", "/devices/{id}", Operation(summary="One device", answer={"device": DEVICE}, callers=("user", "device"))
    )
    def get_device(self, call):
        """Everything about one device."""
        device = call.device
        return {
            "device": {
                "id": device.id,
                "device_id": device.device_id,
                "name": device.name,
                "device_type": device.device_type,
                "state": device.state,
                "is_online": device.is_online,
                "last_seen": device.last_seen or None,
                "farm_id": device.farm_id.id or None,
                "farm_name": device.farm_id.name or None,
            }
        }
