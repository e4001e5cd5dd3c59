"""Alerts that a rule raised."""

from odoo import _, fields, models

from odoo.addons.smart_dairy_iot.models.iot_event import SEVERITIES

RANK = {severity: rank for rank, (severity, _label) in enumerate(SEVERITIES)}


class IotAlert(models.Model):
    _inherit = "iot.alert"

    rule_id = fields.Many2one("iot.alert.rule", readonly=True, copy=False, index=True, ondelete="set null")

    _sql_constraints = [
        (
            "one_open_per_rule",
            "EXCLUDE USING btree (rule_id WITH =, (coalesce(iot_device_id, 0)) WITH =, (coalesce(animal_id, 0)) WITH =,"
            " (CASE WHEN iot_device_id IS NULL AND animal_id IS NULL THEN coalesce(farm_id, 0) ELSE 0 END) WITH =)"
            " WHERE (rule_id IS NOT NULL AND state <> 'resolved')",
            "This rule has an open alert for this device and animal, or for this farm, already.",
        ),
    ]

    def _worsen(self, event, message):
        """Make the alerts as severe as an event that is worse; who acknowledged less than that has to look again.

        :param message: what the alert says from now on
        """
        for alert in self.filtered(lambda alert: RANK[alert.severity] < RANK[event.severity]):
            alert.write(
                {
                    "severity": event.severity,
                    "message": message,
                    "state": "active",
                    "acknowledged_by_id": False,
                    "acknowledged_at": False,
                }
            )
            alert.message_post(body=_("More severe by the event %s.", event.display_name))

    def _resolve_by(self, event):
        """Resolve the alerts because of an event: nobody acknowledged or resolved them, it took care of itself."""
        self.write({"state": "resolved", "resolved_at": event.timestamp})
        for alert in self:
            alert.message_post(body=_("Resolved by the event %s.", event.display_name))
