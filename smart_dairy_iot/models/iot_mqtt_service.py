"""Publishing to devices, for any code in Odoo."""

import json

from odoo import _, api, models
from odoo.exceptions import AccessError, ValidationError

from ..bridge.topics import check_publishable


class IotMqttService(models.AbstractModel):
    _name = "iot.mqtt.service"
    _description = "MQTT Publishing"

    @api.model
    def publish(self, topic, payload, qos=1, retain=False, device=None):
        """Publish once this transaction is committed; if it is rolled back, never.

        :param payload: a dict, published as JSON, or a text
        :param qos: 0, 1 or 2
        :param device: the `iot.device` it is meant for, if one
        :return: the `iot.outbox` entry
        :raises AccessError: where the caller acts for a user; who may publish what is decided by the code that calls
            this with `sudo()`, since the broker takes whatever the platform sends, to every device of every farm
        :raises ValidationError: for a topic that cannot be published to, or a QoS that does not exist
        """
        if not self.env.su:
            raise AccessError(_("Only the platform's own code publishes over MQTT."))
        try:
            check_publishable(topic)
        except ValueError as error:
            raise ValidationError(
                _("%(topic)r is no topic to publish to: %(error)s.", topic=topic, error=error)
            ) from error
        if qos not in (0, 1, 2):
            raise ValidationError(_("The QoS must be 0, 1 or 2, not %s.", qos))
        return self.env["iot.outbox"].create(
            {
                "topic": topic,
                "payload": payload if isinstance(payload, str) else json.dumps(payload),
                "qos": qos,
                "retain": retain,
                "iot_device_id": device.id if device else False,
            }
        )
