"""How well a device reported of late, on its form; and since when it has been expected to."""

from odoo import _, fields, models

from .iot_device_provisioning import ACTIONS_ONLY

_HOURS = 24

ACTIONS_ONLY.update({"in_service_since"})


class IotDevice(models.Model):
    _inherit = "iot.device"

    in_service_since = fields.Datetime(
        readonly=True,
        copy=False,
        help="When it came back into service after maintenance, an interruption or another hardware: before, nothing "
        "was expected of it. Empty where it was never interrupted.",
    )
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

    def write(self, vals):
        if vals.get("state") != "active" and not vals.get("active"):
            return super().write(vals)
        before = self._in_service()
        result = super().write(vals)
        # Of one that was never heard nothing is missed.
        returned = (self._in_service() - before).filtered("last_message_timestamp")
        if returned:
            returned._in_action().write({"in_service_since": fields.Datetime.now()})
        return result

    def _in_service(self):
        return self.filtered(lambda device: device.active and device.state == "active")

    def action_view_data_quality(self):
        """Open the device's hours."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("smart_dairy_iot.iot_data_quality_action")
        return {
            **action,
            "name": _("Data Quality of %s", self.name),
            "domain": [("iot_device_id", "=", self.id)],
            "context": {},
        }

    def _action_view_readings_of_hour(self, hour):
        """What the device measured in an hour, given by its beginning."""
        span = [("timestamp", ">=", hour), ("timestamp", "<", fields.Datetime.add(hour, hours=1))]
        action = self.action_view_readings()
        return {**action, "domain": [*action["domain"], *span]}
