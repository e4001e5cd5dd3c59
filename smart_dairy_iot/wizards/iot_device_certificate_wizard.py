"""Issues a certificate for a device, and shows once what exists once."""

import base64

from odoo import _, api, fields, models
from odoo.exceptions import UserError

from ..models.iot_device_certificate import REVOCATION_REASONS


class IotDeviceCertificateWizard(models.TransientModel):
    _name = "iot.device.certificate.wizard"
    _description = "Issue a Device Certificate"

    iot_device_id = fields.Many2one("iot.device", string="Device", required=True, readonly=True, ondelete="cascade")
    cn = fields.Char(string="Common Name", related="iot_device_id.mqtt_username", related_sudo=False)
    key_source = fields.Selection(
        [("device", "The device has made its key"), ("server", "Make a key for the device")],
        string="Private Key",
        required=True,
        default="device",
    )
    csr_file = fields.Binary(string="Request (File)", attachment=False, help="The device's CSR, PEM or DER.")
    csr_filename = fields.Char()
    csr_text = fields.Text(string="Request (Text)", help="The device's CSR, PEM.")
    days = fields.Integer(string="Valid for (Days)", required=True, default=365)
    previous_id = fields.Many2one("iot.device.certificate", compute="_compute_previous_id")
    previous_until = fields.Datetime(related="previous_id.not_after", related_sudo=False)
    revoke_previous = fields.Boolean(
        string="Revoke the Present One",
        help="The device is disconnected, and refused until it has the new certificate.",
    )

    @api.depends("iot_device_id")
    def _compute_previous_id(self):
        for wizard in self:
            previous = wizard.iot_device_id.certificate_id
            wizard.previous_id = previous if previous.state == "valid" else False

    def action_issue(self):
        """Issue the certificate and show it, with its key where that was made here."""
        self.ensure_one()
        if self.key_source == "server":
            certificate, bundle = self.iot_device_id._issue_certificate_with_key(self.days, self.revoke_previous)
            return self._delivery(
                certificate,
                default_pkcs12=base64.b64encode(bundle.pkcs12).decode(),
                default_passphrase=bundle.passphrase,
            )
        return self._delivery(
            self.iot_device_id._issue_certificate(self._request_given(), self.days, self.revoke_previous)
        )

    def _request_given(self):
        if bool(self.csr_file) == bool(self.csr_text):
            raise UserError(_("Give the device's request, as a file or as a text."))
        return base64.b64decode(self.csr_file) if self.csr_file else self.csr_text.encode()

    def _delivery(self, certificate, **secrets):
        return self.iot_device_id._certificate_window(
            _("Device Certificate"),
            "iot.device.certificate.delivery.wizard",
            {"default_certificate_id": certificate.id, **secrets},
        )


class IotDeviceCertificateDeliveryWizard(models.TransientModel):
    """Key and passphrase live in the action that opened it and on the screen; the table has no column for them."""

    _name = "iot.device.certificate.delivery.wizard"
    _description = "Issued Device Certificate"

    certificate_id = fields.Many2one(
        "iot.device.certificate", string="Issued", required=True, readonly=True, ondelete="cascade"
    )
    iot_device_id = fields.Many2one(related="certificate_id.iot_device_id", related_sudo=False)
    cn = fields.Char(related="certificate_id.cn", related_sudo=False)
    serial_number = fields.Char(related="certificate_id.serial_number", related_sudo=False)
    not_after = fields.Datetime(related="certificate_id.not_after", related_sudo=False)
    certificate_name = fields.Char(compute="_compute_files")
    certificate = fields.Char(compute="_compute_files")
    pkcs12 = fields.Char(string="Key and Certificate", store=False, readonly=True)
    pkcs12_name = fields.Char(compute="_compute_files")
    passphrase = fields.Char(store=False, readonly=True)

    @api.depends("certificate_id")
    def _compute_files(self):
        for wizard in self:
            wizard.pkcs12_name = f"{wizard.cn}.p12"
            wizard.certificate_name = f"{wizard.cn}.pem"
            pem = wizard.certificate_id.certificate_pem or ""
            wizard.certificate = base64.b64encode(pem.encode()).decode()


class IotDeviceCertificateRevokeWizard(models.TransientModel):
    _name = "iot.device.certificate.revoke.wizard"
    _description = "Revoke Device Certificates"

    certificate_ids = fields.Many2many(
        "iot.device.certificate", "iot_certificate_revoke_rel", string="Certificates", required=True, readonly=True
    )
    reason = fields.Selection(
        REVOCATION_REASONS,
        required=True,
        default="key_compromise",
    )

    def action_revoke(self):
        """Revoke, for good."""
        if all(certificate.state != "valid" for certificate in self.certificate_ids):
            raise UserError(_("Only a valid certificate can be revoked: these are revoked or expired already."))
        self.certificate_ids._revoke(self.reason)
        return {"type": "ir.actions.act_window_close"}
