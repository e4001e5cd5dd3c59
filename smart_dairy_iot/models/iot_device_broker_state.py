"""Whether the broker has been told all that the register says of a device, see `iot.provisioning.entry`."""

from odoo import api, fields, models


class IotDevice(models.Model):
    _inherit = "iot.device"

    broker_state = fields.Selection(
        [("up_to_date", "Up to Date"), ("waiting", "Waiting for the Broker")],
        compute="_compute_broker_state",
        search="_search_broker_state",
        help="Waiting: the broker has not taken the last change of this device's user. It is tried again by itself.",
    )
    broker_error = fields.Char(compute="_compute_broker_state", help="What happened when the broker was last told.")
    broker_next_try = fields.Datetime(compute="_compute_broker_state")

    def _compute_broker_state(self):
        # Whoever sees the device may know whether the broker knows of it; the outbox itself is for administrators.
        entries = self.env["iot.provisioning.entry"].sudo()
        waiting = entries.search([*self._waiting_entries(), ("iot_device_id", "in", self.ids)])
        of_device = waiting.grouped("iot_device_id")
        for device in self:
            entries = of_device.get(device._origin.sudo())
            device.broker_state = "waiting" if entries else "up_to_date"
            device.broker_error = entries and entries[:1].error
            device.broker_next_try = entries and entries[:1].next_try_at

    @api.model
    def _search_broker_state(self, operator, value):
        wanted = set(value) if operator in ("in", "not in") else {value}
        if operator in ("!=", "not in"):
            wanted = {"up_to_date", "waiting"} - wanted
        if len(wanted) != 1:
            return [(1, "=", 1)] if wanted else [(0, "=", 1)]
        # As above.
        waiting = self.env["iot.provisioning.entry"].sudo().search(self._waiting_entries())
        return [("id", "in" if "waiting" in wanted else "not in", waiting.iot_device_id.ids)]

    @api.model
    def _waiting_entries(self):
        return [("state", "=", "waiting")]

    def action_tell_broker(self):
        """Try now to tell the broker what it has not been told yet."""
        usernames = self.mapped("mqtt_username")  # read with the user's own rights
        # The entries are the platform's; trying them now instead of soon is no more than he may see.
        entries = self.env["iot.provisioning.entry"].sudo()
        entries.search([*self._waiting_entries(), ("username", "in", usernames)]).action_apply()
