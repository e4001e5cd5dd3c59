"""The certificates by which devices identify themselves at the broker.

The register keeps what is public of them. A private key is the device's own: it is in no table, no log, no attachment.
What a device has of them, and how it gets them, is in `iot_device_certification`.
"""

import base64

from odoo import _, api, fields, models
from odoo.exceptions import UserError

from .iot_device_provisioning import IN_ACTION

REVOCATION_REASONS = [
    ("key_compromise", "The key may be in other hands"),
    ("superseded", "Replaced by another certificate"),
    ("cessation_of_operation", "The device is out of service"),
    ("privilege_withdrawn", "The device may no longer connect"),
    ("unspecified", "Another reason"),
]


class IotDeviceCertificate(models.Model):
    _name = "iot.device.certificate"
    _description = "Device Certificate"
    _inherit = ["iot.certificate.expiry.mixin"]
    _order = "id desc"
    _rec_names_search = ["cn", "serial_number"]

    iot_device_id = fields.Many2one("iot.device", string="Device", readonly=True, index=True, ondelete="set null")
    farm_id = fields.Many2one(related="iot_device_id.farm_id", store=True, index=True)
    authority_id = fields.Many2one(
        "iot.certificate.authority", string="Device CA", required=True, readonly=True, index=True, ondelete="restrict"
    )
    cn = fields.Char(string="Common Name", required=True, readonly=True, index=True)
    state = fields.Selection(
        [("valid", "Valid"), ("expired", "Expired"), ("revoked", "Revoked")],
        string="Status",
        compute="_compute_state",
        search="_search_state",
    )
    superseded_by_id = fields.Many2one(
        "iot.device.certificate",
        readonly=True,
        copy=False,
        ondelete="set null",
        help="The device has a newer one. Unless it is revoked, this one is good until its own end.",
    )
    revoked_at = fields.Datetime(string="Revoked", readonly=True, copy=False, index=True)
    revocation_reason = fields.Selection(REVOCATION_REASONS, readonly=True, copy=False)
    revoked_by_id = fields.Many2one("res.users", readonly=True, copy=False)
    certificate_file = fields.Binary(string="File", compute="_compute_certificate_file")
    certificate_filename = fields.Char(compute="_compute_certificate_file")

    # ------------------------------------------------------------------ computed

    @api.depends("revoked_at", "not_after")
    def _compute_state(self):
        now = fields.Datetime.now()
        for certificate in self:
            if certificate.revoked_at:
                certificate.state = "revoked"
            else:
                certificate.state = "valid" if certificate.not_after > now else "expired"

    def _search_state(self, operator, value):
        wanted = set(value) if operator in ("in", "not in") else {value}
        if operator in ("!=", "not in"):
            wanted = {"valid", "expired", "revoked"} - wanted
        now = fields.Datetime.now()
        domains = {
            "revoked": [("revoked_at", "!=", False)],
            "valid": ["&", ("revoked_at", "=", False), ("not_after", ">", now)],
            "expired": ["&", ("revoked_at", "=", False), ("not_after", "<=", now)],
        }
        chosen = [domains[state] for state in sorted(wanted & domains.keys())]
        if not chosen:
            return [(0, "=", 1)]
        return ["|"] * (len(chosen) - 1) + [term for domain in chosen for term in domain]

    @api.depends("cn", "serial_number")
    def _compute_display_name(self):
        for certificate in self:
            certificate.display_name = f"{certificate.cn} ({certificate.serial_number[:8]}…)"

    @api.depends("certificate_pem")
    def _compute_certificate_file(self):
        for certificate in self:
            certificate.certificate_file = base64.b64encode(certificate.certificate_pem.encode())
            certificate.certificate_filename = f"{certificate.cn}.pem"

    # ------------------------------------------------------------------ create, write

    @api.model_create_multi
    def create(self, vals_list):
        self._check_in_action()
        return super().create(vals_list)

    def write(self, vals):
        self._check_in_action()
        return super().write(vals)

    def _check_in_action(self):
        if not self.env.su and self.env.context.get("iot_device_action") is not IN_ACTION:
            raise UserError(_("Certificates are issued, renewed and revoked: nobody writes them."))

    def _in_action(self):
        return self.with_context(iot_device_action=IN_ACTION)

    @api.model
    def _enter(self, device, authority, facts, now):
        """Keep what is public of a certificate that was just issued.

        :param facts: `provisioning.certificates.CertificateFacts`
        """
        values = {"iot_device_id": device.id, "authority_id": authority.id, "cn": facts.cn}
        return self.browse(self._in_action().create({**values, **self._values_of(facts, now)}).id)

    def _is_good(self, now):
        """Whether the certificate identifies its device, or what that is called now."""
        self.ensure_one()
        return not self.revoked_at and self.not_after > now and self.cn == self.iot_device_id.mqtt_username

    # ------------------------------------------------------------------ revocation

    def action_revoke(self):
        """Ask why, and revoke."""
        return {
            "type": "ir.actions.act_window",
            "name": _("Revoke"),
            "res_model": "iot.device.certificate.revoke.wizard",
            "view_mode": "form",
            "views": [(False, "form")],
            "target": "new",
            "context": {"default_certificate_ids": [(6, 0, self.ids)]},
        }

    def _revoke(self, reason):
        """Refuse these certificates: in the lists of their authorities, and at the broker in the same action.

        A device that has no other loses its user there; any other is disconnected, for nobody knows which of its
        certificates the connection was made with.

        :param reason: one of REVOCATION_REASONS
        """
        certificates = self.filtered(lambda certificate: certificate.state == "valid")
        if not certificates:
            return
        devices = certificates.iot_device_id
        users = devices._broker_users()
        certificates._in_action().write(
            {
                "revoked_at": fields.Datetime.now(),
                "revocation_reason": reason,
                "revoked_by_id": self.env.uid,
                "next_notice_at": False,
            }
        )
        certificates._free_superseded()
        # Whose lists these are: the CA is for administrators to read.
        certificates.sudo().authority_id._renew_crl()
        reasons = dict(self._fields["revocation_reason"]._description_selection(self.env))
        bodies = {
            certificate.iot_device_id.id: _(
                "The certificate %(serial)s was revoked: %(reason)s.",
                serial=certificate.serial_number,
                reason=reasons[reason].lower(),
            )
            for certificate in certificates
            if certificate.iot_device_id
        }
        devices._message_log_batch(bodies=bodies)
        devices._tell_broker(users)
        unchanged = devices._broker_users()
        connected = devices.filtered(lambda device: users[device.id] and users[device.id] == unchanged[device.id])
        if connected:
            self.env["iot.provisioning.entry"]._request(connected.mapped("mqtt_username"))

    def _free_superseded(self):
        """What a revoked certificate had superseded is the device's own again, or that of the next one that is good."""
        superseded = [("superseded_by_id", "in", self.ids), ("revoked_at", "=", False)]
        now = fields.Datetime.now()
        for certificate in self.search(superseded):
            successor = certificate.superseded_by_id
            while successor.revoked_at:
                successor = successor.superseded_by_id
            certificate._in_action().write(
                {
                    "superseded_by_id": successor.id,
                    "next_notice_at": not successor and self._next_notice(certificate.not_after, now),
                }
            )

    def action_download(self):
        """Download the certificate."""
        self.ensure_one()
        path = f"/web/content/{self._name}/{self.id}/certificate_file/{self.certificate_filename}"
        return {"type": "ir.actions.act_url", "url": f"{path}?download=true", "target": "download"}

    # ------------------------------------------------------------------ the end

    def _give_notice(self, now):
        device = self.iot_device_id
        if not device or device.state == "decommissioned":
            return
        days = self._whole_days_left(now)
        if days > 1:
            text = _("The certificate of %(device)s expires in %(days)s days: renew it.", device=device.name, days=days)
        elif days:
            text = _("The certificate of %s expires within a day: renew it.", device.name)
        else:
            text = _("The certificate of %s has expired.", device.name)
        device.message_post(body=text)
        device._schedule_renewal(text, self.not_after.date())
        if not days and device.auth_method == "certificate" and not device._has_certificate():
            # A connection made before lasts beyond the end of the certificate.
            self.env["iot.provisioning.entry"]._request([device.mqtt_username])
