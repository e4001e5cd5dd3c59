"""What is to be published: written in the user's own transaction, so that what is rolled back is never sent."""

from datetime import timedelta

from odoo import api, fields, models

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
        [("queued", "Queued"), ("sent", "Sent")], required=True, default="queued", readonly=True, index=True
    )
    sent_at = fields.Datetime(readonly=True)

    @api.model_create_multi
    def create(self, vals_list):
        entries = super().create(vals_list)
        # Heard by the bridge when, and only when, this transaction commits.
        self.env.flush_all()
        self.env.cr.execute("NOTIFY iot_outbox")
        return entries

    @api.autovacuum
    def _gc_sent(self):
        # The bridge marks entries outside the ORM, so they are deleted outside it, too.
        self.env.cr.execute(
            "DELETE FROM iot_outbox WHERE state = 'sent' AND sent_at < %s", [fields.Datetime.now() - _KEEP_SENT]
        )
