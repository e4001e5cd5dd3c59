"""The device CA: what it is, where its key lies, and the list of the certificates it has revoked.

One authority issues at a time. Those before it are retired: the certificates they issued stay good until their own
end, and so their lists are renewed until then, too.

The key is in a file of the server, never in the database. A copy of the database can therefore issue nothing.
"""

import os
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

from odoo import _, api, fields, models, tools
from odoo.exceptions import UserError

from ..provisioning.certificates import CRL_VALIDITY, Authority, CertificateError, Revoked, crl_der
from ..provisioning.key_directory import KeyDirectory

CRL_FAILURE = "crl_not_renewed"
PROTECTED = {
    *("state", "certificate_pem", "chain_pem", "serial_number", "fingerprint", "not_before", "not_after"),
    *("next_notice_at", "crl_url", "crl_pem", "crl_number", "crl_signed_at", "crl_next_update", "crl_error"),
}
"""What a user cannot write: it is what the certificate says, or what has been signed."""


@contextmanager
def told_to_users():
    """What cannot be done with a certificate is told as it is."""
    try:
        yield
    except CertificateError as error:
        raise UserError(str(error)) from error


class IotCertificateAuthority(models.Model):
    _name = "iot.certificate.authority"
    _description = "Device Certificate Authority"
    _inherit = ["mail.thread", "mail.activity.mixin", "iot.certificate.expiry.mixin"]
    _order = "id desc"

    # A new one needs new certificates on every device: that takes more than a month.
    _notice_days = (180, 30, 7, 1)

    name = fields.Char(required=True, tracking=True)
    state = fields.Selection(
        [("issuing", "Issues Certificates"), ("retired", "Retired")],
        string="Status",
        required=True,
        readonly=True,
        default="issuing",
        tracking=True,
    )
    chain_pem = fields.Text(string="Chain (PEM)", readonly=True, help="The certificates above it, up to the root.")
    crl_url = fields.Char(
        string="Revocation List",
        readonly=True,
        help="Where brokers find the list. It is written into every certificate, and so stays as it is.",
    )
    crl_pem = fields.Text(readonly=True)
    crl_number = fields.Integer(string="List Number", readonly=True)
    crl_signed_at = fields.Datetime(string="List Signed", readonly=True)
    crl_next_update = fields.Datetime(
        string="List Good Until", readonly=True, help="A broker that has only an older list refuses every certificate."
    )
    crl_error = fields.Char(string="Why the List Was Not Renewed", readonly=True)
    key_problem = fields.Char(compute="_compute_key_problem")
    expiry_status = fields.Selection(
        [("valid", "Valid"), ("expiring", "Expiring Soon"), ("expired", "Expired")], compute="_compute_expiry_status"
    )
    certificate_ids = fields.One2many("iot.device.certificate", "authority_id", string="Certificates", readonly=True)
    certificate_count = fields.Integer(compute="_compute_certificate_count")

    _sql_constraints = [
        ("one_issues", "EXCLUDE (state WITH =) WHERE (state = 'issuing')", "Only one device CA can issue at a time."),
        ("fingerprint_unique", "UNIQUE(fingerprint)", "This device CA is here already."),
    ]

    # ------------------------------------------------------------------ computed

    @api.depends("fingerprint")
    def _compute_key_problem(self):
        keys = self._keys()
        for authority in self:
            try:
                keys.read(authority.fingerprint)
                authority.key_problem = False
            except CertificateError as error:
                authority.key_problem = str(error)

    @api.depends("not_after")
    def _compute_expiry_status(self):
        now = fields.Datetime.now()
        for authority in self:
            if authority.not_after <= now:
                authority.expiry_status = "expired"
            else:
                soon = authority.not_after <= now + timedelta(days=max(self._notice_days))
                authority.expiry_status = "expiring" if soon else "valid"

    @api.depends("certificate_ids")
    def _compute_certificate_count(self):
        issued = [("authority_id", "in", self.ids)]
        counts = dict(self.env["iot.device.certificate"]._read_group(issued, ["authority_id"], ["__count"]))
        for authority in self:
            authority.certificate_count = counts.get(authority, 0)

    # ------------------------------------------------------------------ write

    def write(self, vals):
        refused = PROTECTED & vals.keys()
        if refused and not self.env.su:
            raise UserError(_("%s of a device CA cannot be written.", ", ".join(sorted(refused))))
        return super().write(vals)

    # ------------------------------------------------------------------ setting one up

    @api.model
    def _establish(self, name, authority, crl_address):
        """Keep an authority and let it issue from now on; the one before it is retired.

        :param authority: `provisioning.certificates.Authority`
        :param crl_address: of this server as brokers reach it, e.g. "http://dairy.example"
        :returns: the record; the known one, where only its key was missing
        """
        facts = authority.facts
        known = self.search([("fingerprint", "=", facts.fingerprint)])
        if known and not known.key_problem:
            raise UserError(_("This device CA is here already, as “%s”.", known.name))
        with told_to_users():
            self._keep_key(facts.fingerprint, authority.key_pem())
        if known:
            known.message_post(body=_("The key was put back."))
            known._renew_crl()
            return known
        self.search([("state", "=", "issuing")]).write({"state": "retired"})
        self.flush_model()
        values = self._values_of(facts, fields.Datetime.now())
        record = self.create({**values, "name": name, "chain_pem": authority.chain_pem})
        record.crl_url = f"{crl_address.rstrip('/')}/iot/crl/{record.id}.pem"
        record._renew_crl()
        return record

    @api.model
    def _keys(self):
        directory = self.env["iot.settings"]._get_config().device_ca_dir
        return KeyDirectory(directory or os.path.join(tools.config["data_dir"], "device_ca", self.env.cr.dbname))

    @api.model
    def _keep_key(self, fingerprint, key):
        keys = self._keys()
        if keys.write(fingerprint, key):
            # A key without its certificate is of no use to anybody.
            self.env.cr.postrollback.add(partial(keys.remove, fingerprint))

    # ------------------------------------------------------------------ using it

    @api.model
    def _issuing(self):
        """The authority that issues now, to be asked for its signature."""
        # Whoever may issue a certificate for a device uses the CA, and need not know it.
        authority = self.sudo().search([("state", "=", "issuing")])
        if not authority:
            raise UserError(
                _("There is no device CA yet: an administrator sets it up under Dairy IoT → Configuration → Device CA.")
            )
        return authority

    def _load(self):
        """The `Authority` with its key.

        :raises CertificateError: when the key is not there, or is not its own
        """
        key = self._keys().read(self.fingerprint)
        return Authority.load(self.certificate_pem.encode(), key, (self.chain_pem or "").encode())

    # ------------------------------------------------------------------ the list of what is revoked

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
                    "crl_signed_at": now,
                    "crl_next_update": crl.next_update,
                    "crl_error": False,
                }
            )
            authority._open_crl_alerts().action_resolve()

    def _revoked(self, now):
        """What belongs into the list; a certificate leaves it some time after its own end."""
        self.env["iot.device.certificate"].flush_model()
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

    def _note_crl_failure(self, problem):
        self.crl_error = problem
        if self._open_crl_alerts():
            return
        message = _(
            "The revocation list of the device CA %(name)s could not be renewed. From %(moment)s UTC on, brokers that"
            " check it refuse every device with a certificate. The CA's own form says what is wrong.",
            name=self.name,
            moment=self.crl_next_update or fields.Datetime.now(),
        )
        event = self.env["iot.event"].record(
            CRL_FAILURE, timestamp=fields.Datetime.now(), severity="critical", message=message, data={"id": self.id}
        )
        self.env["iot.alert"].create(
            {
                "name": self._crl_alert_name(),
                "alert_type": CRL_FAILURE,
                "severity": "critical",
                "message": message,
                "event_id": event.id,
            }
        )

    def _open_crl_alerts(self):
        return self.env["iot.alert"].search(
            [("alert_type", "=", CRL_FAILURE), ("name", "=", self._crl_alert_name()), ("state", "!=", "resolved")]
        )

    def _crl_alert_name(self):
        return _("Revocation list of device CA %(name)s (%(id)s)", name=self.name, id=self.id)

    @api.model
    def _cron_renew_crls(self, now=None):
        """Renew the lists of which half the time has passed, and those that could not be renewed before.

        :param now: naive UTC; the present moment unless given
        """
        now = now or fields.Datetime.now()
        self._with_live_certificates(now).filtered(
            lambda authority: authority.crl_error or authority._crl_half_life() <= now
        )._renew_crl()

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
            return "".join(a.certificate_pem + (a.chain_pem or "") for a in authorities), 0
        signed = authorities.filtered("crl_pem")
        if not signed:
            return None
        content = "".join(signed.mapped("crl_pem"))
        seconds = min(int((authority._crl_half_life() - now).total_seconds()) for authority in signed)
        return crl_der(content) if what == "crl_der" else content, max(seconds, 0)

    def _crl_half_life(self):
        if not self.crl_signed_at:
            return fields.Datetime.from_string("1970-01-01 00:00:00")
        return self.crl_signed_at + (self.crl_next_update - self.crl_signed_at) / 2

    # ------------------------------------------------------------------ the end

    @api.model
    def _cron_give_notices(self):
        """Tell people of certificates and authorities that come to their end."""
        now = fields.Datetime.now()
        self._give_notices(now)
        self.env["iot.device.certificate"]._give_notices(now)

    def _give_notice(self, now):
        days = self._whole_days_left(now)
        if days > 1:
            text = _("The device CA %(name)s expires in %(days)s days: set up a new one.", name=self.name, days=days)
        elif days:
            text = _("The device CA %s expires within a day: set up a new one.", self.name)
        else:
            text = _("The device CA %s has expired: whoever has a certificate of it is refused.", self.name)
        self.message_post(body=text)
        self.activity_unlink(["smart_dairy_iot.activity_authority_expiry"])
        if self.state == "issuing":
            for user in self._administrators():
                self.activity_schedule(
                    "smart_dairy_iot.activity_authority_expiry",
                    date_deadline=self.not_after.date(),
                    summary=text,
                    user_id=user.id,
                )

    # ------------------------------------------------------------------ actions

    def action_renew_crl(self):
        """Sign the revocation list anew now; after its end a CA signs nothing."""
        self.filtered(lambda authority: authority.expiry_status != "expired")._renew_crl()

    def action_view_certificates(self):
        """Open the certificates that the CA has issued."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("smart_dairy_iot.iot_device_certificate_action")
        return {**action, "domain": [("authority_id", "=", self.id)], "context": {}}
