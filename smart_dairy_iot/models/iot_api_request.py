"""The audit trail of the REST API: every request that was to change something, whatever became of it.

Who calls without good credentials is nobody, and changes nothing: the server's log has it.
"""

from datetime import timedelta

from odoo import api, fields, models
from odoo.http import request


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
    company_id = fields.Many2one("res.company", ondelete="set null", readonly=True)
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
    def _note(self, caller, operation, status, error_code, replayed, milliseconds):
        """Note the present request.

        :param caller: `CallerUser` or `CallerDevice`
        """
        device = caller.device if caller.kind == "device" else self.env["iot.device"]
        user = caller.user if caller.kind == "user" else self.env["res.users"]
        http = request.httprequest
        self.create(
            {
                "requested_at": fields.Datetime.now(),
                "caller": caller.label,
                "user_id": user.id,
                "iot_device_id": device.id,
                "company_id": (user.company_id or device.company_id).id,
                "ip_address": http.remote_addr,
                "method": http.method,
                "path": http.path.replace("\0", ""),
                "operation": operation,
                "status": status,
                "error_code": error_code,
                "idempotency_key": http.headers.get("Idempotency-Key", "")[:255].replace("\0", "") or False,
                "is_replay": replayed,
                "milliseconds": milliseconds,
            }
        )

    @api.autovacuum
    def _gc_requests(self):
        days = self.env["iot.settings"]._get_config().api_audit_days
        self.search([("requested_at", "<", fields.Datetime.now() - timedelta(days=days))]).unlink()
