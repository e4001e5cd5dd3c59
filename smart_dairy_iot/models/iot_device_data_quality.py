"""How well a device reported of late, on its form."""

from odoo import fields, models

_HOURS = 24


class IotDevice(models.Model):
    _inherit = "iot.device"

    data_quality = fields.Char(
        compute="_compute_data_quality",
        help="How much of what was expected in the last 24 hours that were assessed has come",
    )

    def _compute_data_quality(self):
        quality = self.env["iot.data.quality"]
        last = quality.search([], order="hour desc", limit=1).hour
        since = last and fields.Datetime.subtract(last, hours=_HOURS)
        domain = [("iot_device_id", "in", self.ids), ("hour", ">", since)] if last else [(0, "=", 1)]
        groups = quality._read_group(domain, ["iot_device_id"], ["expected:sum", "missing:sum"])
        shares = {device: 100 - 100 * missing / expected for device, expected, missing in groups if expected}
        for device in self:
            share = shares.get(device._origin)
            device.data_quality = "–" if share is None else f"{share:.0f} %"

    def action_view_data_quality(self):
        """Open the device's hours."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("smart_dairy_iot.iot_data_quality_action")
        return {**action, "domain": [("iot_device_id", "=", self.id)], "context": {}}
