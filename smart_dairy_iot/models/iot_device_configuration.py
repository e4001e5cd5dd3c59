"""A device's configuration on its topic, retained; and the way to it for a device that was moved."""

from odoo import fields, models

from .iot_device import TOPIC_FIELDS
from .iot_device_provisioning import ACTIONS_ONLY, STATES_WITHOUT_USER

ACTIONS_ONLY.add("previous_config_topic")


class IotDevice(models.Model):
    _inherit = "iot.device"

    previous_config_topic = fields.Char(
        copy=False, readonly=True, help="Where a device that was moved may still read where it belongs now."
    )

    def write(self, vals):
        result = super().write(vals)
        if "config_json" in vals:
            self._publish_configuration()
        return result

    def _config_topics(self):
        """{id: configuration topic}"""
        return {device.id: device.config_topic for device in self}

    def _publish_configuration(self):
        """Send the configuration to the devices that may have a user, retained; none clears what is retained."""
        for device in self.filtered(lambda device: device.state not in STATES_WITHOUT_USER and device.uses_mqtt):
            device._publish_retained(device.config_topic, device._configuration() if device.config_json else "")

    def _clear_configuration(self):
        for device in self.filtered(lambda device: device.state not in STATES_WITHOUT_USER and device.uses_mqtt):
            for topic in filter(None, (device.config_topic, device.previous_config_topic)):
                # Not on the device's account: the entry has to outlive the device. Superuser: as below.
                self.env["iot.mqtt.service"].sudo().publish(topic, "", qos=2, retain=True)

    def _leave_address(self, config_topics_before):
        """Tell moved devices on their old configuration topic, the only one they know, where they belong now."""
        for device in self:
            if device.previous_config_topic and device.previous_config_topic != device.config_topic:
                device._publish_retained(device.previous_config_topic, "")
            old_topic = config_topics_before[device.id]
            device._in_action().write({"previous_config_topic": old_topic})
            topics = {message_type: device[name] for message_type, name in TOPIC_FIELDS.items()}
            device._publish_retained(old_topic, {"device_id": device.device_id, "topics": topics})
        self._publish_configuration()

    def _publish_retained(self, topic, payload):
        self.ensure_one()
        # Publishing is the platform's alone; that the user may change this device was checked when he wrote it.
        self.env["iot.mqtt.service"].sudo().publish(topic, payload, qos=2, retain=True, device=self)
