"""The certificates by which devices identify themselves at the broker.

The register keeps what is public of them. A private key is the device's own: it is in no table, no log, no attachment.
"""

from odoo import fields, models


class IotDeviceCertificate(models.Model):
    _name = "iot.device.certificate"
    _description = "Device Certificate"
    _order = "not_before desc, id desc"
    _rec_name = "serial_number"

    iot_device_id = fields.Many2one("iot.device", string="Device", readonly=True, index=True, ondelete="set null")
    cn = fields.Char(string="Common Name", required=True, readonly=True, index=True)
    serial_number = fields.Char(required=True, readonly=True, index=True, help="In hexadecimal.")
    not_before = fields.Datetime(string="Valid From", required=True, readonly=True)
    not_after = fields.Datetime(string="Valid Until", required=True, readonly=True, index=True)
    revoked_at = fields.Datetime(string="Revoked", readonly=True, copy=False)


class IotDevice(models.Model):
    _inherit = "iot.device"

    certificate_ids = fields.One2many("iot.device.certificate", "iot_device_id", string="Certificates", readonly=True)

    def _has_certificate(self):
        """Whether the device has a certificate of its user name that is neither revoked nor expired."""
        self.ensure_one()
        now = fields.Datetime.now()
        # Whether a device may connect does not depend on who asks.
        device = self.sudo()
        return any(
            not certificate.revoked_at and certificate.not_after > now and certificate.cn == device.mqtt_username
            for certificate in device.certificate_ids
        )
