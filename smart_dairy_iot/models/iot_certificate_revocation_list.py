"""The list of the certificates that a device CA has revoked: signed in time, and published for brokers.

A broker that has only a list past its time refuses every certificate. So the list is signed anew when half of its time
has passed, and with every revocation; where that fails, people are told while there is still time.
"""

from odoo import _, api, fields, models

from ..provisioning.certificates import CRL_VALIDITY, CertificateError, Revoked, crl_der

CRL_FAILURE = "crl_not_renewed"


class IotCertificateAuthority(models.Model):
    _inherit = "iot.certificate.authority"

    crl_url = fields.Char(
        string="Revocation List",
        readonly=True,
        help="Where brokers find the list. It is written into every certificate, and so stays as it is.",
    )
    crl_pem = fields.Text(readonly=True)
    crl_number = fields.Integer(string="List Number", readonly=True)
    crl_signed_at = fields.Datetime(string="List Signed", readonly=True)
    crl_renewal_at = fields.Datetime(string="Next Renewal", readonly=True)
    crl_next_update = fields.Datetime(
        string="List Good Until", readonly=True, help="A broker that has only an older list refuses every certificate."
    )
    crl_error = fields.Char(string="Why the List Was Not Renewed", readonly=True)
    crl_alert_id = fields.Many2one("iot.alert", readonly=True, ondelete="set null")

    # ------------------------------------------------------------------ signing

    def action_renew_crl(self):
        """Sign the list anew now; after its end a CA signs nothing."""
        self.filtered(lambda authority: authority.expiry_status != "expired")._renew_crl()

    @api.model
    def _cron_renew_crls(self):
        """Renew the lists of which half the time has passed, and those that could not be renewed before."""
        now = fields.Datetime.now()
        authorities = self._with_live_certificates(now)
        authorities.filtered(
            lambda authority: authority.crl_error or not authority.crl_renewal_at or authority.crl_renewal_at <= now
        )._renew_crl()

    def _renew_crl(self):
        """Sign the list anew. Where that fails the old one stays, and an alert says so."""
        # Whoever may revoke a certificate renews the list, and need not know the CA.
        for authority in self.sudo():
            now = fields.Datetime.now()
            number = authority.crl_number + 1
            try:
                crl = authority._load().sign_crl(authority._revoked(now), number, authority.crl_url, now)
            except CertificateError as error:
                authority._note_crl_failure(str(error))
                continue
            authority.write(
                {
                    "crl_pem": crl.pem,
                    "crl_number": crl.number,
                    "crl_signed_at": crl.this_update,
                    "crl_renewal_at": crl.half_life,
                    "crl_next_update": crl.next_update,
                    "crl_error": False,
                }
            )
            authority._open_crl_alert().action_resolve()

    def _revoked(self, now):
        """What belongs into the list; a certificate leaves it some time after its own end."""
        certificates = self.env["iot.device.certificate"].search(
            [
                ("authority_id", "=", self.id),
                ("revoked_at", "!=", False),
                ("not_after", ">", now - CRL_VALIDITY),
            ],
            order="revoked_at, id",
        )
        return [
            Revoked(certificate.serial_number, certificate.revoked_at, certificate.revocation_reason)
            for certificate in certificates
        ]

    # ------------------------------------------------------------------ where that fails

    def _note_crl_failure(self, problem):
        self.crl_error = problem
        if self._open_crl_alert():
            return
        # Everybody sees it, for it concerns every farm: where the key lies is not in it.
        message = _(
            "The revocation list of the device CA %(name)s could not be renewed. From %(moment)s UTC on, brokers that"
            " check it refuse every device with a certificate. The CA's own form says what is wrong.",
            name=self.name,
            moment=self.crl_next_update or fields.Datetime.now(),
        )
        event = self.env["iot.event"].record(
            CRL_FAILURE,
            timestamp=fields.Datetime.now(),
            severity="critical",
            message=message,
            data={"authority_id": self.id},
        )
        self.crl_alert_id = self.env["iot.alert"].create(
            {
                "name": _("Revocation list of %s not renewed", self.name),
                "alert_type": CRL_FAILURE,
                "severity": "critical",
                "message": message,
                "event_id": event.id,
            }
        )

    def _open_crl_alert(self):
        return self.crl_alert_id.filtered(lambda alert: alert.state != "resolved")

    # ------------------------------------------------------------------ publishing

    @api.model
    def _with_live_certificates(self, now):
        """The authorities whose certificates a broker may still see."""
        # What they publish is public, and for brokers, which are no users.
        return self.sudo().search([("not_after", ">", now)])

    @api.model
    def _published(self, authority_id, what):
        """What brokers fetch.

        :param authority_id: of one authority; None for all with live certificates
        :param what: "crl_pem", "crl_der" or "chain"
        :returns: the content and for how many seconds it may be kept, 0 where it should have been renewed; None where
            there is nothing
        """
        now = fields.Datetime.now()
        authorities = self._with_live_certificates(now)
        if authority_id:
            authorities = authorities.filtered(lambda authority: authority.id == authority_id)
        if what == "chain":
            return "".join(found.certificate_pem + (found.chain_pem or "") for found in authorities), 0
        signed = authorities.filtered("crl_pem")
        if not signed:
            return None
        content = "".join(signed.mapped("crl_pem"))
        seconds = int((min(signed.mapped("crl_renewal_at")) - now).total_seconds())
        return crl_der(content) if what == "crl_der" else content, max(seconds, 0)
