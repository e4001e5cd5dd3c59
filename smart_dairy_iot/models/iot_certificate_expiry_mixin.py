"""What certificates of devices and of authorities have in common: an end, of which people are told in time."""

from datetime import timedelta

from odoo import api, fields, models


class IotCertificateExpiryMixin(models.AbstractModel):
    _name = "iot.certificate.expiry.mixin"
    _description = "Certificate with an End"

    _notice_days = (30, 7, 1)
    """How many days before the end people are told. They are told once more when it has come."""

    certificate_pem = fields.Text(string="Certificate (PEM)", required=True, readonly=True)
    serial_number = fields.Char(required=True, readonly=True, index=True, help="In hexadecimal.")
    fingerprint = fields.Char(
        string="Fingerprint (SHA-256)", required=True, readonly=True, help="Of the whole certificate, in hexadecimal."
    )
    not_before = fields.Datetime(string="Valid From", required=True, readonly=True)
    not_after = fields.Datetime(string="Valid Until", required=True, readonly=True, index=True)
    next_notice_at = fields.Datetime(readonly=True, copy=False, index=True)

    @api.model
    def _values_of(self, facts, now):
        """The fields of a new certificate.

        :param facts: `provisioning.certificates.CertificateFacts`
        """
        return {
            "certificate_pem": facts.pem,
            "serial_number": facts.serial_number,
            "fingerprint": facts.fingerprint,
            "not_before": facts.not_before,
            "not_after": facts.not_after,
            "next_notice_at": self._next_notice(facts.not_after, now),
        }

    @api.model
    def _next_notice(self, not_after, now):
        """When people are to be told next (naive UTC), or False where they have been told everything."""
        moments = [not_after - timedelta(days=days) for days in (*self._notice_days, 0)]
        return min((moment for moment in moments if moment > now), default=False)

    @api.model
    def _give_notices(self, now):
        """Tell people of the certificates whose end has come nearer, each step once.

        :param now: naive UTC
        """
        for certificate in self.search([("next_notice_at", "<=", now)]):
            certificate.next_notice_at = self._next_notice(certificate.not_after, now)
            certificate._give_notice(now)

    def _give_notice(self, now):
        """Tell whoever is responsible; models say who and where."""
        raise NotImplementedError

    def _whole_days_left(self, now):
        """Days until the end, a begun one counted whole; 0 when it has come."""
        return max(0, -((now - self.not_after) // timedelta(days=1)))

    @api.model
    def _administrators(self):
        """The dairy administrators, of whatever company."""
        users = self.env["res.users"].search([("share", "=", False)])
        return users.filtered(lambda user: user.has_group("smart_dairy_farm.group_farm_admin"))
