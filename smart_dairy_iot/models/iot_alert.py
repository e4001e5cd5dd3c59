"""Alerts: what somebody on the farm has to look at, and who did."""

from odoo import _, api, fields, models
from odoo.exceptions import UserError

from .iot_event import SEVERITIES


class IotAlert(models.Model):
    _name = "iot.alert"
    _description = "IoT Alert"
    _inherit = ["mail.thread", "farm.owned.mixin"]
    _order = "occurred_at desc, id desc"
    _mail_post_access = "read"

    name = fields.Char(string="Alert", required=True)
    alert_type = fields.Char(required=True, default="custom", index=True, help="E.g. milk_rejected, device_silent.")
    severity = fields.Selection(SEVERITIES, required=True, default="medium", index=True)
    message = fields.Text()
    state = fields.Selection(
        [("active", "Active"), ("acknowledged", "Acknowledged"), ("resolved", "Resolved")],
        required=True,
        readonly=True,
        default="active",
        copy=False,
        index=True,
        tracking=True,
        group_expand="_expand_states",
    )
    iot_device_id = fields.Many2one("iot.device", string="Device", index=True, ondelete="set null")
    animal_id = fields.Many2one("farm.animal", index=True, ondelete="set null")
    farm_id = fields.Many2one(
        "farm.location", compute="_compute_farm_id", store=True, readonly=False, index=True, ondelete="restrict"
    )
    event_id = fields.Many2one("iot.event", readonly=True, copy=False, index=True, ondelete="set null")
    occurred_at = fields.Datetime(
        string="Occurred",
        compute="_compute_occurred_at",
        store=True,
        index=True,
        copy=False,
        help="When what it is about happened. An alert may be raised later, when a device sends what it has kept.",
    )
    acknowledged_by_id = fields.Many2one("res.users", readonly=True, copy=False)
    acknowledged_at = fields.Datetime(readonly=True, copy=False)
    resolved_by_id = fields.Many2one("res.users", readonly=True, copy=False)
    resolved_at = fields.Datetime(readonly=True, copy=False)

    @api.depends("iot_device_id", "animal_id")
    def _compute_farm_id(self):
        for alert in self:
            alert.farm_id = alert.farm_id or alert.iot_device_id.farm_id or alert.animal_id.farm_id

    # An event may be deleted: when it happened stays.
    @api.depends("event_id")
    def _compute_occurred_at(self):
        for alert in self:
            raised = (alert.create_date or fields.Datetime.now()).replace(microsecond=0)
            alert.occurred_at = alert.event_id.timestamp or alert.occurred_at or raised

    @api.model
    def _expand_states(self, states, domain, order=None):
        return [state for state, _label in self._fields["state"].selection]

    @api.model_create_multi
    def create(self, vals_list):
        alerts = super().create(vals_list)
        alerts._tell_screens()
        return alerts

    def write(self, vals):
        result = super().write(vals)
        self._tell_screens()
        return result

    def _tell_screens(self):
        for farm in self.farm_id:
            self.env["iot.live"]._changed(farm, "alert")

    def action_acknowledge(self):
        """Say that somebody has seen the alert and sees to it."""
        if any(alert.state != "active" for alert in self):
            raise UserError(_("Only an active alert can be acknowledged."))
        return self._settle({"state": "acknowledged"}, "acknowledged")

    def action_resolve(self):
        """Say that what the alert was about is done with. An alert nobody acknowledged is acknowledged with it."""
        if any(alert.state == "resolved" for alert in self):
            raise UserError(_("This alert is resolved already."))
        self.filtered(lambda alert: alert.state == "active")._settle({}, "acknowledged")
        return self._settle({"state": "resolved"}, "resolved")

    def _settle(self, values, what):
        # Every user who sees an alert (checked when its state was read) may say what became of it, and no more than
        # that: who and when are taken from the session.
        return self.sudo().write({**values, f"{what}_by_id": self.env.uid, f"{what}_at": fields.Datetime.now()})
