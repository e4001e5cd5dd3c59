"""Sets up the device CA: a new one, or one that was made elsewhere."""

import base64
from urllib.parse import urlsplit

from odoo import _, api, fields, models
from odoo.exceptions import UserError

from ..models.iot_certificate_authority import told_to_users
from ..provisioning.certificates import Authority

SECRETS = ("key_file", "passphrase")
MOST_YEARS = 30


class IotCertificateAuthorityWizard(models.TransientModel):
    """Key and passphrase go from the request that brings them into the key's file: the table has no column for them.

    So the authority is set up where the wizard is saved, which is the one moment at which the server has them.
    """

    _name = "iot.certificate.authority.wizard"
    _description = "Set Up a Device CA"

    source = fields.Selection(
        [("generate", "Make a new CA here"), ("import", "Use a CA made elsewhere")], required=True, default="generate"
    )
    name = fields.Char(required=True, default=lambda self: _("%s Device CA", self.env.company.name))
    years = fields.Integer(string="Valid for (Years)", default=10)
    crl_address = fields.Char(
        string="Address for Brokers",
        required=True,
        default=lambda self: self._default_crl_address(),
        help="Under it brokers fetch the list of revoked certificates. It is written into every certificate.",
    )
    certificate_file = fields.Binary(string="Certificate", attachment=False, help="PEM or DER.")
    chain_file = fields.Binary(
        string="Certificates Above It", attachment=False, help="PEM, up to the root; not needed for a root."
    )
    key_file = fields.Binary(string="Private Key", store=False, attachment=False, help="PEM.")
    # Without a name the web client would show the key itself.
    certificate_filename = fields.Char()
    chain_filename = fields.Char()
    key_filename = fields.Char()
    passphrase = fields.Char(store=False, help="Of the private key, if it has one.")
    authority_id = fields.Many2one("iot.certificate.authority", readonly=True, ondelete="cascade")
    replaced_id = fields.Many2one("iot.certificate.authority", compute="_compute_replaced_id")

    def _default_crl_address(self):
        # Reading one setting, of no secrecy.
        base = urlsplit(self.env["ir.config_parameter"].sudo().get_param("web.base.url") or "")
        return f"http://{base.netloc}"

    @api.depends("source")
    def _compute_replaced_id(self):
        issuing = self.env["iot.certificate.authority"].search([("state", "=", "issuing")])
        for wizard in self:
            wizard.replaced_id = issuing

    @api.model_create_multi
    def create(self, vals_list):
        secrets = [{name: vals.pop(name, False) for name in SECRETS} for vals in vals_list]
        wizards = super().create(vals_list)
        for wizard, given in zip(wizards, secrets, strict=True):
            wizard.authority_id = wizard._set_up(**given)
        return wizards

    def _set_up(self, key_file, passphrase):
        self._check_address()
        with told_to_users():
            authority = self._generated() if self.source == "generate" else self._imported(key_file, passphrase)
        # Nobody makes an authority but by this wizard, which is for administrators.
        return self.env["iot.certificate.authority"].sudo()._establish(self.name, authority, self.crl_address)

    def _check_address(self):
        address = urlsplit(self.crl_address)
        if address.scheme != "http" or not address.netloc or address.path.strip("/") or address.query:
            raise UserError(
                _(
                    "The address for brokers is like http://dairy.example:8069, without https: EMQX fetches revocation"
                    " lists, which are signed, over http alone."
                )
            )

    def _generated(self):
        if not 1 <= self.years <= MOST_YEARS:
            raise UserError(_("A device CA is valid for 1 to %s years.", MOST_YEARS))
        return Authority.generate(self.name, self.years * 365, fields.Datetime.now())

    def _imported(self, key_file, passphrase):
        if not self.certificate_file or not key_file:
            raise UserError(_("Give the certificate and its private key."))
        return Authority.import_intermediate(
            base64.b64decode(self.certificate_file),
            base64.b64decode(key_file),
            passphrase,
            base64.b64decode(self.chain_file or b""),
            fields.Datetime.now(),
        )

    def action_open(self):
        """Open the CA that was set up."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "iot.certificate.authority",
            "res_id": self.authority_id.id,
            "view_mode": "form",
            "views": [(False, "form")],
        }
