"""How many messages were refused: all of them, in a flood too, of which only the first ones are dead letters."""

from odoo import api, fields, models

from ..bridge.messages import DEAD_LETTER_REASONS


class IotDeadLetterCount(models.Model):
    """One row for each source, reason and hour. The bridge writes it, with the dead letters, past the ORM."""

    _name = "iot.dead.letter.count"
    _description = "Dead Letter Count"
    _log_access = False
    _order = "hour desc, received desc, id desc"
    _rec_name = "source"

    source = fields.Char(
        required=True, readonly=True, help="The device's ID or, where no device is known, the topic of the messages"
    )
    reason = fields.Selection(list(DEAD_LETTER_REASONS.items()), required=True, readonly=True)
    hour = fields.Datetime(required=True, readonly=True, index=True, help="The hour in which they were received")
    iot_device_id = fields.Many2one("iot.device", string="Device", ondelete="set null", readonly=True, index=True)
    farm_id = fields.Many2one("farm.location", ondelete="set null", readonly=True, index=True)
    received = fields.Integer(required=True, readonly=True)
    stored = fields.Integer(required=True, readonly=True, help="Of these there are dead letters, or were once")
    left_out = fields.Integer(string="Not Stored", required=True, readonly=True)
    stored_bytes = fields.Integer(required=True, readonly=True)

    _sql_constraints = [
        ("key_unique", "UNIQUE(source, reason, hour)", "These are counted already."),
        ("sum", "CHECK(received = stored + left_out)", "What was received is stored or left out."),
    ]

    def action_view_dead_letters(self):
        """Open those that were stored."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("smart_dairy_iot.iot_dead_letter_action")
        source = (
            [("iot_device_id", "=", self.iot_device_id.id)] if self.iot_device_id else [("topic", "=", self.source)]
        )
        hour = [("received_at", ">=", self.hour), ("received_at", "<", fields.Datetime.add(self.hour, hours=1))]
        return {**action, "domain": [*source, ("reason", "=", self.reason), *hour], "context": {}}

    @api.model
    def _of(self, letter):
        """The count in which a dead letter is; an empty record where it is gone."""
        hour = letter.received_at.replace(minute=0, second=0, microsecond=0)
        sources = [letter.iot_device_id.device_id, letter.topic]
        return self.search(
            [("source", "in", sources), ("reason", "=", letter.reason), ("hour", "=", hour)],
            order="left_out desc",
            limit=1,
        )

    @api.autovacuum
    def _gc_old(self):
        self.env.cr.execute(
            "DELETE FROM iot_dead_letter_count WHERE hour < %s", [self.env["iot.dead.letter"]._oldest_kept()]
        )
