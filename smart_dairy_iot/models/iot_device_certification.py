"""How a device gets its certificates, and what becomes of them when the device is changed.

A certificate names the device by its user name at the broker. So one that is called otherwise needs a new one, and the
old one is revoked: the name may be another's tomorrow.
"""

from datetime import timedelta

from odoo import _, api, fields, models
from odoo.exceptions import UserError

from .iot_certificate_authority import told_to_users
from .iot_device_provisioning import ACTIONS_ONLY, CONNECTABLE_STATES, IDENTITY

ACTIONS_ONLY.update({"certificate_id", "certificate_cn", "certificate_expiry"})

EXPIRING_DAYS = 30
MOST_DAYS = 3650
RENEWAL_ACTIVITY = "smart_dairy_iot.activity_certificate_expiry"


class IotDevice(models.Model):
    _inherit = "iot.device"

    certificate_ids = fields.One2many("iot.device.certificate", "iot_device_id", string="Certificates", readonly=True)
    certificate_id = fields.Many2one(
        "iot.device.certificate",
        compute="_compute_certificate",
        store=True,
        index=True,
        help="The newest that is not revoked; the last one where all are.",
    )
    certificate_cn = fields.Char(string="Certificate CN", compute="_compute_certificate", store=True)
    certificate_expiry = fields.Date(compute="_compute_certificate", store=True)
    certificate_status = fields.Selection(
        [("valid", "Valid"), ("expiring", "Expiring Soon"), ("expired", "Expired"), ("revoked", "Revoked")],
        compute="_compute_certificate_status",
    )

    # ------------------------------------------------------------------ computed

    @api.depends("certificate_ids.revoked_at", "certificate_ids.not_after", "certificate_ids.cn")
    def _compute_certificate(self):
        for device in self:
            certificates = device.certificate_ids.sorted(lambda certificate: certificate._origin.id, reverse=True)
            kept = certificates.filtered(lambda certificate: not certificate.revoked_at)
            certificate = (kept or certificates)[:1]
            device.certificate_id = certificate
            device.certificate_cn = certificate.cn
            device.certificate_expiry = certificate.not_after and certificate.not_after.date()

    @api.depends("certificate_id.revoked_at", "certificate_id.not_after")
    def _compute_certificate_status(self):
        now = fields.Datetime.now()
        for device in self:
            certificate = device.certificate_id
            if not certificate:
                device.certificate_status = False
            elif certificate.revoked_at:
                device.certificate_status = "revoked"
            elif certificate.not_after <= now:
                device.certificate_status = "expired"
            else:
                soon = certificate.not_after <= now + timedelta(days=EXPIRING_DAYS)
                device.certificate_status = "expiring" if soon else "valid"

    def _has_certificate(self):
        """Whether the device has a certificate of its user name that is neither revoked nor expired."""
        self.ensure_one()
        now = fields.Datetime.now()
        # Whether a device may connect does not depend on who asks.
        return any(certificate._is_good(now) for certificate in self.sudo().certificate_ids)

    # ------------------------------------------------------------------ write, unlink

    def write(self, vals):
        left = self.filtered(lambda device: device.auth_method == "certificate" and device._identifies_otherwise(vals))
        result = super().write(vals)
        left.certificate_ids._revoke("superseded")
        if IDENTITY & vals.keys():
            certificates = self.certificate_ids
            certificates.filtered(lambda found: found.cn != found.iot_device_id.mqtt_username)._revoke("superseded")
        return result

    def unlink(self):
        # What was issued is good until it is revoked, whether there is still a device or not.
        certificates = self.certificate_ids
        certificates._revoke("cessation_of_operation")
        certificates._in_action().write({"iot_device_id": False})
        return super().unlink()

    def action_decommission(self):
        result = super().action_decommission()
        self.certificate_ids._revoke("cessation_of_operation")
        return result

    # ------------------------------------------------------------------ issuing

    def action_issue_certificate(self):
        """Ask for the device's request, or for a key to be made, and issue a certificate."""
        self.ensure_one()
        self._check_may_have_certificate()
        # Whether there is a CA is told before anything is filled in.
        self.env["iot.certificate.authority"]._issuing()
        name = _("Renew the Certificate") if self._has_certificate() else _("Issue a Certificate")
        return self._certificate_window(name, "iot.device.certificate.wizard", {"default_iot_device_id": self.id})

    def _certificate_window(self, name, model, context):
        return {
            "type": "ir.actions.act_window",
            "name": name,
            "res_model": model,
            "view_mode": "form",
            "views": [(False, "form")],
            "target": "new",
            "context": context,
        }

    def _check_may_have_certificate(self):
        if not self.uses_mqtt:
            raise UserError(_("%s does not connect over MQTT: it needs no certificate.", self.name))
        if not self.active or self.state not in ("provisioning", *CONNECTABLE_STATES):
            raise UserError(_("%s is out of service: put it back into service first.", self.name))

    def _issue_certificate(self, csr, days, revoke_previous=False):
        """Issue a certificate for the key of a request.

        :param csr: bytes, PEM or DER
        :param days: how long it is to be valid; it ends with the device CA at the latest
        :param revoke_previous: refuse the certificates that the device had before from now on; otherwise they stay good
            until their own end
        :returns: the new `iot.device.certificate`
        """
        return self._issue(lambda authority, **arguments: authority.issue(csr, **arguments), days, revoke_previous)[0]

    def _issue_certificate_with_key(self, days, revoke_previous=False):
        """Make a key and a certificate for it; arguments as for `_issue_certificate`.

        :returns: the new `iot.device.certificate` and the `KeyBundle`, which is kept nowhere
        """
        return self._issue(lambda authority, **arguments: authority.issue_with_key(**arguments), days, revoke_previous)

    def _issue(self, sign, days, revoke_previous):
        self.ensure_one()
        self._check_may_have_certificate()
        if not 1 <= days <= MOST_DAYS:
            raise UserError(_("A certificate is valid for 1 to %s days.", MOST_DAYS))
        users = self._broker_users()
        now = fields.Datetime.now()
        authority = self.env["iot.certificate.authority"]._issuing()
        with told_to_users():
            signed = sign(
                authority._load(),
                cn=self.mqtt_username,
                not_after=now + timedelta(days=days),
                crl_url=authority.crl_url,
                now=now,
            )
        previous = self.certificate_ids.filtered(lambda certificate: certificate.state == "valid")
        # With the user's own rights, as for all that is written here: who may not change the device issues nothing.
        certificate = self.env["iot.device.certificate"]._enter(
            self, authority, getattr(signed, "certificate", signed), now
        )
        newest = previous.filtered(lambda former: not former.superseded_by_id)
        newest._in_action().write({"superseded_by_id": certificate.id, "next_notice_at": False})
        if revoke_previous:
            previous._revoke("superseded")
        self._message_log(body=_("The certificate %(serial)s was issued.", serial=certificate.serial_number))
        self.activity_feedback([RENEWAL_ACTIVITY])
        self._tell_broker(users)
        return certificate, signed

    # ------------------------------------------------------------------ renewal in time

    def _schedule_renewal(self, summary, deadline):
        """Put the renewal on the list of whoever is responsible, in place of an earlier reminder."""
        self.activity_unlink([RENEWAL_ACTIVITY])
        for user in self._certificate_managers():
            self.activity_schedule(RENEWAL_ACTIVITY, date_deadline=deadline, summary=summary, user_id=user.id)

    def _certificate_managers(self):
        """Who sees to the device's certificates: the managers named for its farm, else who issued the last one, else
        the administrators."""
        managers = self.farm_id.user_ids | self.certificate_id.create_uid
        managers = managers.filtered(
            lambda user: (
                user.active
                and user.has_group("smart_dairy_farm.group_farm_manager")
                and (not self.company_id or self.company_id in user.company_ids)
            )
        )
        named = managers & self.farm_id.user_ids
        return named or managers or self.certificate_id._administrators()
