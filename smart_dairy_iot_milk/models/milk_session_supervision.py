"""Milkings whose meter has gone silent are ended by their time-out."""

from odoo import api, fields, models

from ..reactors.milkings import SILENCE

# More than a parlour leaves open at once; the rest is closed a minute later.
_CLOSE_AT_ONCE = 500


class MilkSession(models.Model):
    _inherit = "milk.session"

    @api.model
    def _cron_supervise(self):
        """Once a minute: close sessions whose meter has gone silent, and see that the poller lives. Returns at once."""
        self._close_silent()
        self.env["iot.modbus.service"]._check_poller()

    @api.model
    def _close_silent(self):
        """Complete the sessions of which nothing was heard for five minutes, with what is known of them."""
        self.flush_model(["state", "last_received_at"])
        # A session that a message is being put into just now is not silent, and not waited for.
        self.env.cr.execute(
            """
            SELECT id FROM milk_session
             WHERE state = 'in_progress' AND last_received_at < %s
             ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
            """,
            [fields.Datetime.now() - SILENCE, _CLOSE_AT_ONCE],
        )
        silent = self.with_context(tracking_disable=True).browse([row[0] for row in self.env.cr.fetchall()])
        silent._complete(fields.Datetime.now())
        silent._tell_screens()
