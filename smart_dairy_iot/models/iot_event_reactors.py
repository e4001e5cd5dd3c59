"""Events that come of what devices say, or no longer say: the inbox's handlers for them."""

from odoo import api, models


class IotEvent(models.Model):
    _inherit = "iot.event"

    @api.model
    def _react_device_alert(self, messages):
        """An alert that a device published. Its severity and message are the device's."""
        for message, device in self._with_devices(messages):
            self._record_message(
                "device_alert",
                message,
                device,
                severity=message.payload.get("severity", "medium"),
                text=message.payload.get("message", ""),
            )

    @api.model
    def _react_device_status(self, messages):
        """Of the statuses only an error is an event; the others are in the device's state."""
        for message, device in self._with_devices(messages):
            if message.payload.get("status") == "error":
                error = (message.payload.get("error_code"), message.payload.get("error_message"))
                self._record_message(
                    "device_error",
                    message,
                    device,
                    severity="medium",
                    text=": ".join(part for part in error if part),
                )

    @api.model
    def _react_device_silent(self, messages):
        """A device was last heard of at the message's time stamp, longer ago than the settings allow."""
        for message, device in self._with_devices(messages):
            if not self._is_back(message, device):
                self._record_message("device_silent", message, device, severity="medium")

    @api.model
    def _is_back(self, message, device):
        """Whether a device that fell silent has been heard of since, and that was acted on.

        A message that had failed comes late; what it would raise now, nothing would end any more.
        """
        later = [("kind", "=", "device_back"), ("iot_device_id", "=", device.id), ("timestamp", ">", message.timestamp)]
        return bool(self.search(later, limit=1))

    @api.model
    def _react_device_back(self, messages):
        """A silent device was heard of again."""
        for message, device in self._with_devices(messages):
            self._record_message("device_back", message, device, severity="low")

    @api.model
    def _with_devices(self, messages):
        """Pairs of message and device, without messages of devices that were deleted since."""
        devices = self.env["iot.device"].with_context(active_test=False)
        devices = devices.browse({message.iot_device_id for message in messages}).exists()
        by_id = {device.id: device for device in devices}
        return [(message, by_id[message.iot_device_id]) for message in messages if message.iot_device_id in by_id]

    @api.model
    def _record_message(self, kind, message, device, severity, text=""):
        """Record an event once, however often the message is handled."""
        return self.record(
            kind,
            timestamp=message.timestamp,
            device=device,
            farm=device.farm_id,
            severity=severity,
            message=text,
            data=message.payload,
            dedup_key=f"{kind}:{device.id}:{message.timestamp.isoformat()}:{message.channel}:{message.digest}",
        )
