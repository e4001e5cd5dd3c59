"""The answers of the REST API to requests with an idempotency key, for who asks again.

Written and read by SQL: `ON CONFLICT` is what makes a second request at the same time wait for the first.
"""

from datetime import timedelta

from psycopg2.extras import Json

from odoo import api, fields, models

KEEP = timedelta(hours=24)


class IotApiIdempotency(models.Model):
    _name = "iot.api.idempotency"
    _description = "API Answer Kept for Repetitions"
    _log_access = False
    _rec_name = "key"

    taken_at = fields.Datetime(required=True, readonly=True, index=True)
    caller = fields.Char(required=True, readonly=True, help="Keys are each caller's own.")
    key = fields.Char(required=True, readonly=True)
    fingerprint = fields.Char(required=True, readonly=True, help="SHA-256 of all that was asked, in hex.")
    status = fields.Integer(readonly=True)
    headers = fields.Json(readonly=True, help="Of the answer.")
    answer = fields.Text(readonly=True, help="None where it held a password.")

    _sql_constraints = [
        ("caller_key_unique", "UNIQUE(caller, key)", "An idempotency key stands for one request."),
    ]

    @api.model
    def _take(self, caller, key, fingerprint):
        """Take a key for the present request.

        :param caller: text
        :return: None, or {"fingerprint", "status", "headers", "answer"} where an earlier request has taken it
        """
        now = fields.Datetime.now()
        self.env.cr.execute(
            "DELETE FROM iot_api_idempotency WHERE caller = %s AND key = %s AND taken_at < %s",
            [caller, key, now - KEEP],
        )
        self.env.cr.execute(
            "INSERT INTO iot_api_idempotency (taken_at, caller, key, fingerprint) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (caller, key) DO NOTHING",
            [now, caller, key, fingerprint],
        )
        if self.env.cr.rowcount:
            return None
        self.env.cr.execute(
            "SELECT fingerprint, status, headers, answer FROM iot_api_idempotency WHERE caller = %s AND key = %s",
            [caller, key],
        )
        return self.env.cr.dictfetchone()

    @api.model
    def _keep(self, caller, key, status, headers, answer):
        """Keep the answer to the request that has taken the key.

        :param headers: {name: text}
        :param answer: its body as a text, None for one that may not be kept
        """
        self.env.cr.execute(
            "UPDATE iot_api_idempotency SET status = %s, headers = %s, answer = %s WHERE caller = %s AND key = %s",
            [status, Json(headers), answer, caller, key],
        )

    @api.autovacuum
    def _gc_answers(self):
        self.env.cr.execute("DELETE FROM iot_api_idempotency WHERE taken_at < %s", [fields.Datetime.now() - KEEP])
