"""Alerts that a rule raised."""

from odoo import _, fields, models


class IotAlert(models.Model):
    _inherit = "iot.alert"

    rule_id = fields.Many2one("iot.alert.rule", readonly=True, copy=False, index=True, ondelete="set null")

    _sql_constraints = [
        (
            "one_open_per_rule",
            "EXCLUDE USING btree (rule_id WITH =, (coalesce(iot_device_id, 0)) WITH =, (coalesce(animal_id, 0)) WITH =)"
            " WHERE (rule_id IS NOT NULL AND state <> 'resolved')",
            "This rule has an open alert for this device and animal already.",
        ),
    ]

    def _resolve_by(self, event):
        """Resolve the alerts because of an event: nobody acknowledged or resolved them, it took care of itself."""
        self.write({"state": "resolved", "resolved_at": event.timestamp})
        for alert in self:
            alert.message_post(body=_("Resolved by the event %s.", event.display_name))
