"""What is to be published: written in the user's own transaction, so that what is rolled back is never sent."""

from datetime import timedelta

from odoo import _, api, fields, models
from odoo.exceptions import AccessError, UserError

_KEEP_SENT = timedelta(days=7)


class IotOutbox(models.Model):
    _name = "iot.outbox"
    _description = "IoT Outbox"
    _order = "id desc"
    _rec_name = "topic"

    topic = fields.Char(required=True, readonly=True)
    payload = fields.Text(required=True, readonly=True)
    qos = fields.Integer(string="QoS", required=True, default=1, readonly=True, group_operator=False)
    retain = fields.Boolean(required=True, default=False, readonly=True)
    iot_device_id = fields.Many2one("iot.device", string="Device", ondelete="cascade", readonly=True, index=True)
    state = fields.Selection(
        [("queued", "Queued"), ("sent", "Sent"), ("failed", "Failed")],
        required=True,
        default="queued",
        readonly=True,
        index=True,
        help="Failed: the broker takes no such message, as one that is too large; it is not tried again by itself",
    )
    error = fields.Text(readonly=True)
    sent_at = fields.Datetime(readonly=True)

    @api.model_create_multi
    def create(self, vals_list):
        entries = super().create(vals_list)
        # Heard by the bridge when, and only when, this transaction commits.
        self.env.flush_all()
        self.env.cr.execute("NOTIFY iot_outbox")
        return entries

    def action_retry(self):
        """Have entries that failed published once more, as after the broker's limit was raised.

        :raises AccessError: where the user may not see to the outbox
        """
        if not self.env.user.has_group("base.group_system"):
            raise AccessError(_("Only the system's administrators have entries sent again."))
        if any(entry.state != "failed" for entry in self):
            raise UserError(_("Only entries that failed can be sent again."))
        # Past the ORM, as the bridge: it may be writing other entries of the outbox.
        self.env.cr.execute(
            "UPDATE iot_outbox SET state = 'queued', error = NULL WHERE id = ANY(%s) AND state = 'failed'", [self.ids]
        )
        self.invalidate_recordset(flush=False)
        self.env.cr.execute("NOTIFY iot_outbox")

    @api.autovacuum
    def _gc_sent(self):
        # The bridge marks entries outside the ORM, so they are deleted outside it, too.
        self.env.cr.execute(
            "DELETE FROM iot_outbox WHERE state = 'sent' AND sent_at < %s", [fields.Datetime.now() - _KEEP_SENT]
        )
