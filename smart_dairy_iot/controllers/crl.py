"""What brokers fetch of the device CA: revocation lists, and the certificates that they trust devices by.

All of it is public and signed, so it is handed out to anybody, over plain HTTP: EMQX fetches lists over no other. With
several databases on one server, give each a host name (`dbfilter = ^%d$`).

A list may be kept for a few minutes only, though it is good for days: a revocation makes a new one at once.
"""

from odoo import http
from odoo.http import request

LONGEST_CACHE_SECONDS = 60


class CertificateRevocationLists(http.Controller):
    # No user's business: brokers are none, and what is handed out is public.
    @http.route("/iot/crl/<int:authority_id>.pem", type="http", auth="none", methods=["GET"], save_session=False)
    def crl_pem(self, authority_id, **_parameters):
        """The revocation list of one device CA, where its certificates say it is."""
        return self._answer(authority_id, "crl_pem", "application/x-pem-file")

    @http.route("/iot/crl/<int:authority_id>.crl", type="http", auth="none", methods=["GET"], save_session=False)
    def crl_der(self, authority_id, **_parameters):
        """The same list as DER (RFC 5280, 4.2.1.13)."""
        return self._answer(authority_id, "crl_der", "application/pkix-crl")

    @http.route("/iot/crl/devices.pem", type="http", auth="none", methods=["GET"], save_session=False)
    def all_crls(self, **_parameters):
        """The lists of all device CAs with live certificates, as one file: Mosquitto's `crlfile`."""
        return self._answer(None, "crl_pem", "application/x-pem-file")

    @http.route("/iot/ca/devices.pem", type="http", auth="none", methods=["GET"], save_session=False)
    def all_authorities(self, **_parameters):
        """Those CAs with the certificates above them, as one file: the broker's `cafile`."""
        return self._answer(None, "chain", "application/x-pem-file")

    def _answer(self, authority_id, what, content_type):
        found = request.db and request.env["iot.certificate.authority"]._published(authority_id, what)
        if not found:
            return request.make_response("", status=404)
        content, seconds = found
        return request.make_response(
            content,
            headers=[
                ("Content-Type", content_type),
                ("Cache-Control", f"public, max-age={min(seconds, LONGEST_CACHE_SECONDS)}"),
            ],
        )
