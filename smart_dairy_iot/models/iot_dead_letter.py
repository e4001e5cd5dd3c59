"""Messages that could not be stored, with the reason and every byte, so that a person can look, correct and replay."""

from datetime import timedelta

from odoo import _, api, fields, models
from odoo.exceptions import AccessError, UserError

from ..bridge.messages import DEAD_LETTER_REASONS

_KEEP_SETTLED = timedelta(days=90)


class IotDeadLetter(models.Model):
    _name = "iot.dead.letter"
    _description = "Dead Letter"
    _log_access = False
    _order = "id desc"
    _rec_name = "topic"

    received_at = fields.Datetime(required=True, readonly=True, default=fields.Datetime.now, index=True)
    topic = fields.Char(required=True, readonly=True)
    payload = fields.Binary(attachment=False, readonly=True)
    payload_text = fields.Text(string="Payload (text)", compute="_compute_payload_text")
    reason = fields.Selection(list(DEAD_LETTER_REASONS.items()), required=True, readonly=True, index=True)
    detail = fields.Text(readonly=True)
    iot_device_id = fields.Many2one("iot.device", string="Device", ondelete="set null", readonly=True, index=True)
    farm_id = fields.Many2one("farm.location", ondelete="set null", readonly=True)
    state = fields.Selection(
        [("new", "New"), ("replaying", "Being Replayed"), ("replayed", "Replayed"), ("discarded", "Discarded")],
        required=True,
        default="new",
        readonly=True,
        index=True,
    )

    def _compute_payload_text(self):
        self.env.cr.execute("SELECT id, payload FROM iot_dead_letter WHERE id = ANY(%s)", [self.ids])
        payloads = dict(self.env.cr.fetchall())
        for letter in self:
            letter.payload_text = bytes(payloads.get(letter.id) or b"").decode(errors="backslashreplace")

    def write(self, vals):
        """A user moves a dead letter on; what the device sent stays, or a replay could speak for any device."""
        if not self.env.su and vals.keys() - {"state"}:
            raise AccessError(_("What is in a dead letter cannot be changed."))
        return super().write(vals)

    def action_replay(self):
        """Send the messages through the bridge once more, once what was wrong (a device, a schema) is mended."""
        self._move("replaying")
        self.env.flush_all()
        self.env.cr.execute("NOTIFY iot_dead_letter")

    def action_discard(self):
        """Nothing more is to be done about these."""
        self._move("discarded")

    def _move(self, state):
        if any(letter.state not in ("new", "discarded") for letter in self):
            raise UserError(_("Only dead letters that have not been replayed yet can be replayed or discarded."))
        self.write({"state": state})

    @api.autovacuum
    def _gc_settled(self):
        self.env.cr.execute(
            "DELETE FROM iot_dead_letter WHERE state IN ('replayed', 'discarded') AND received_at < %s",
            [fields.Datetime.now() - _KEEP_SETTLED],
        )
