"""The device CA: what it is, and where its key lies. What it has revoked is in `iot_certificate_revocation_list`.

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

from ..provisioning.certificates import Authority, CertificateError
from ..provisioning.key_directory import KeyDirectory

SIGNED = {
    *("state", "certificate_pem", "chain_pem", "serial_number", "fingerprint", "not_before", "not_after"),
    "next_notice_at",
}
"""What a user cannot write, nor what begins with `crl_`: it is what the certificate or the list says."""


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
        refused = {name for name in vals if name in SIGNED or name.startswith("crl_")}
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

    def action_view_certificates(self):
        """Open the certificates that the CA has issued."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("smart_dairy_iot.iot_device_certificate_action")
        return {**action, "domain": [("authority_id", "=", self.id)], "context": {}}
