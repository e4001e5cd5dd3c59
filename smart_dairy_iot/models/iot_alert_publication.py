"""Critical alerts are published on `dairy/system/alerts`, for whoever watches the platform by MQTT."""

from odoo import _, api, fields, models
from odoo.exceptions import AccessError

from ..bridge.timestamps import format_timestamp


class IotAlert(models.Model):
    _inherit = "iot.alert"

    published_at = fields.Datetime(readonly=True, copy=False, help="When it was published as a critical alert")

    @api.model_create_multi
    def create(self, vals_list):
        alerts = super().create([{**vals, "published_at": False} for vals in vals_list])
        alerts._publish_critical()
        return alerts

    def write(self, vals):
        if "published_at" in vals and not self.env.su:
            raise AccessError(_("When an alert was published is recorded by the platform."))
        result = super().write(vals)
        if "severity" in vals:
            self._publish_critical()
        return result

    def _publish_critical(self):
        """Publish each critical alert once: when it is raised, or becomes critical."""
        alerts = self.filtered(lambda alert: alert.severity == "critical" and not alert.published_at)
        topic = alerts and self.env["iot.topic.hierarchy"].sudo().search(
            # Topics are for every dairy user to read; an alert may be raised by code of an addon for any other one.
            [("code", "=", "system_alerts"), ("is_active", "=", True)]
        )
        if not topic:
            return
        now = fields.Datetime.now()
        for alert in alerts:
            # Publishing is the platform's own; what is said, and where, does not depend on the user but for the alert.
            self.env["iot.mqtt.service"].sudo().publish(
                topic.generate_topic(), alert.sudo()._critical_payload(now), int(topic.qos_level), topic.retain
            )
        # Nobody sets the time himself, not even who may edit the alert.
        alerts.sudo().write({"published_at": now})

    def _critical_payload(self, now):
        self.ensure_one()
        return {
            "alert_id": self.id,
            "timestamp": format_timestamp(now),
            "severity": self.severity,
            "alert_type": self.alert_type,
            "name": self.name,
            "message": self.message or "",
            "farm_id": self.farm_id.code or None,
            "device_id": self.iot_device_id.device_id or None,
        }
