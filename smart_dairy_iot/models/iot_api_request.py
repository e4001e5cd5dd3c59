"""The audit trail of the REST API: every request that was to change something, whatever became of it.

Who calls without good credentials is nobody, and changes nothing: the server's log has it. Of the requests of a caller
that are refused for being too many in a minute, the first is here.
"""

from datetime import timedelta

from odoo import api, fields, models
from odoo.http import request

LONGEST_TEXT = 255


class IotApiRequest(models.Model):
    _name = "iot.api.request"
    _description = "API Request"
    _log_access = False
    _order = "id desc"
    _rec_name = "path"

    requested_at = fields.Datetime(required=True, readonly=True, index=True)
    caller = fields.Char(
        required=True, readonly=True, help="The user's login, or the device's user name, as it was then."
    )
    user_id = fields.Many2one("res.users", ondelete="set null", readonly=True, index=True)
    iot_device_id = fields.Many2one(
        "iot.device", string="Calling Device", ondelete="set null", readonly=True, index=True
    )
    company_id = fields.Many2one(
        "res.company", ondelete="set null", readonly=True, help="Of the device that it concerned, else of the user."
    )
    ip_address = fields.Char(string="From", readonly=True)
    method = fields.Char(required=True, readonly=True)
    path = fields.Char(required=True, readonly=True)
    operation = fields.Char(required=True, readonly=True)
    status = fields.Integer(required=True, readonly=True, group_operator=False)
    error_code = fields.Char(readonly=True)
    idempotency_key = fields.Char(readonly=True, index=True)
    is_replay = fields.Boolean(
        string="Repeated", readonly=True, help="Nothing was done: it got the answer of an earlier request."
    )
    milliseconds = fields.Integer(readonly=True, group_operator="avg")

    @api.model
    def _note(self, caller, device, operation, status, error_code, replayed, milliseconds):
        """Note the present request.

        :param caller: `CallerUser` or `CallerDevice`
        :param device: `iot.device` that it concerned, or None
        """
        user, calling = self.env["res.users"], self.env["iot.device"]
        if caller.kind == "user":
            user = caller.user.with_env(self.env)
        else:
            calling = caller.device.with_env(self.env)
        # A device whose registration was undone is none.
        concerned = device.with_env(self.env).exists() if device else calling
        http = request.httprequest
        self.create(
            {
                "requested_at": fields.Datetime.now(),
                "caller": user.login or calling.mqtt_username,
                "user_id": user.id,
                "iot_device_id": calling.id,
                "company_id": (concerned.company_id or user.company_id).id,
                "ip_address": http.remote_addr,
                "method": http.method,
                "path": _plain(http.path),
                "operation": operation,
                "status": status,
                "error_code": error_code,
                "idempotency_key": _plain(http.headers.get("Idempotency-Key", "")) or False,
                "is_replay": replayed,
                "milliseconds": milliseconds,
            }
        )

    @api.autovacuum
    def _gc_requests(self):
        days = self.env["iot.settings"]._get_config().api_audit_days
        self.env.cr.execute(
            "DELETE FROM iot_api_request WHERE requested_at < %s", [fields.Datetime.now() - timedelta(days=days)]
        )


def _plain(text):
    """As much of a caller's text as may be kept: a refused request can have any."""
    return text.replace("\0", "")[:LONGEST_TEXT]
