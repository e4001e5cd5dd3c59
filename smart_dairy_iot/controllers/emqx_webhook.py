"""`POST /iot/emqx/webhook`: EMQX reports that a client was let in, or left.

The database is the one that Odoo serves under the name by which EMQX calls: with several on one server, give each a
host name (`dbfilter = ^%d$`) and EMQX the address with that name.

Whatever is not the broker's own report is refused in the same way, without a word on the reason; without a secret in
the settings there is no such address.
"""

import time

from odoo import http
from odoo.http import request

from ..provisioning.emqx_events import EventError, read_event

MOST_BYTES = 4096


class EmqxWebhook(http.Controller):
    # Not the session's business, nor that of any user: who may call is decided by the signature. 19.0 would first try
    # it in a transaction that may only read.
    @http.route(
        "/iot/emqx/webhook",
        type="http",
        auth="none",
        methods=["POST"],
        csrf=False,
        save_session=False,
        readonly=False,
    )
    def note_connection(self, **_parameters):
        """Note when a device was let in or left; 204 where that was understood, for users that are no devices too."""
        secret = request.db and request.env["iot.settings"]._get_config().emqx_webhook_password
        if not secret:
            return request.make_response("", status=404)
        length = request.httprequest.content_length
        if length is None or length > MOST_BYTES:
            return request.make_response("", status=413)
        try:
            event = read_event(request.httprequest.get_data(), secret, time.time())
        except EventError:
            return request.make_response("", status=403)
        request.env["iot.device.connection"]._note(event)
        return request.make_response("", status=204)
