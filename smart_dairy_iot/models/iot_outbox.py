"""What is to be published: written in the user's own transaction, so that what is rolled back is never sent."""

from datetime import timedelta

from odoo import api, fields, models

_KEEP_SENT = timedelta(days=7)


class IotOutbox(models.Model):
    _name = "iot.outbox"
    _inherit = ["iot.mailbox.mixin"]
    _waiting_state = "queued"
    _description = "IoT Outbox"
    _order = "id desc"
    _rec_name = "topic"

    topic = fields.Char(required=True, readonly=True)
    payload = fields.Text(required=True, readonly=True)
    qos = fields.Integer(string="QoS", required=True, default=1, readonly=True, group_operator=False)
    retain = fields.Boolean(required=True, default=False, readonly=True)
    iot_device_id = fields.Many2one("iot.device", string="Device", ondelete="cascade", readonly=True, index=True)
    state = fields.Selection(
        [("queued", "Queued"), ("sent", "Sent"), ("failed", "Failed"), ("discarded", "Discarded")],
        required=True,
        default="queued",
        readonly=True,
        index=True,
        help="Failed: the broker takes no such message, say one that is too large; it is not tried again by itself",
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
        """Have entries that failed published once more, say after the broker's limit was raised.

        :raises AccessError: where the user may not see to the outbox
        """
        self._move_failed(state="queued", error=None)

    @api.autovacuum
    def _gc_old(self):
        self._delete_before(fields.Datetime.now() - _KEEP_SENT, ("sent",), "sent_at")
        self._delete_old_failed("create_date")
