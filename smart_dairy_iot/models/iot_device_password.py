"""The passwords of devices: of each the register keeps the salted hash, and the one before while its grace lasts."""

from odoo import _, fields, models
from odoo.exceptions import UserError

from ..provisioning import PasswordHash
from .iot_device_provisioning import ACTIONS_ONLY, CONNECTABLE_STATES

HASH_FIELDS = ("mqtt_password_hash", "mqtt_password_salt", "mqtt_previous_hash", "mqtt_previous_salt")

_WRITE_HASHES = """
    UPDATE iot_device device
       SET mqtt_previous_hash = CASE WHEN input.keep_previous THEN device.mqtt_password_hash END,
           mqtt_previous_salt = CASE WHEN input.keep_previous THEN device.mqtt_password_salt END,
           mqtt_password_hash = input.hash, mqtt_password_salt = input.salt
      FROM (VALUES %s) AS input (id, keep_previous, hash, salt) WHERE device.id = input.id
"""

ACTIONS_ONLY.update({*HASH_FIELDS, "previous_password_until", "password_issued_at"})


class IotDevice(models.Model):
    _inherit = "iot.device"

    mqtt_password_hash = fields.Char(
        string="MQTT Password (Hashed)",
        copy=False,
        readonly=True,
        groups="smart_dairy_farm.group_farm_admin",
        help="SHA-256 of salt and password, in hex.",
    )
    mqtt_password_salt = fields.Char(copy=False, readonly=True, groups="smart_dairy_farm.group_farm_admin")
    mqtt_previous_hash = fields.Char(copy=False, readonly=True, groups="smart_dairy_farm.group_farm_admin")
    mqtt_previous_salt = fields.Char(copy=False, readonly=True, groups="smart_dairy_farm.group_farm_admin")
    password_issued_at = fields.Datetime(string="Password Issued", copy=False, readonly=True)
    previous_password_until = fields.Datetime(
        copy=False,
        readonly=True,
        help="Until then the password before this one is good, too, so that the device can be given the new one.",
    )

    # ------------------------------------------------------------------ actions

    def action_rotate_password(self):
        """Issue new passwords. Where the broker can have two, the old ones stay good for the hours of grace."""
        return self._credentials_action(self._renew_passwords(grace=True))

    def action_replace_password(self):
        """Issue new passwords, as when one has become known. The old ones are refused from now on."""
        return self._credentials_action(self._renew_passwords(grace=False))

    def _renew_passwords(self, grace):
        """:returns: what `iot.device.auth` issued"""
        for device in self:
            if device.state not in CONNECTABLE_STATES or not device.active or not device.uses_mqtt:
                raise UserError(
                    _("%s gets no new password: it is not in service, or does not connect over MQTT.", device.name)
                )
            if device.auth_method != "password":
                raise UserError(_("%s identifies itself by a certificate, and has no password.", device.name))
        return self.env["iot.device.auth"]._issue_passwords(self, grace=grace)

    def _store_passwords(self, passwords, previous_until):
        """Keep the salted hashes of new passwords.

        :param passwords: {device: password}
        :param previous_until: until when the present passwords stay good; None: they are void
        """
        # With the user's own rights: who may not write the device may not issue its password.
        self._in_action().write(
            {"password_issued_at": fields.Datetime.now(), "previous_password_until": previous_until}
        )
        # Hash and salt are for administrators to read; everybody who may provision makes new ones.
        renewed = self.sudo().filtered("mqtt_password_hash")
        renewed._message_log_batch(bodies=dict.fromkeys(renewed.ids, _("A new password was issued.")))
        self._write_hashes(passwords, keep_previous=bool(previous_until))

    def _write_hashes(self, passwords, keep_previous):
        # By SQL: each device has values of its own, and nothing follows from them that the ORM would have to see to. It
        # would take a millisecond for each.
        hashes = {device.id: PasswordHash.of(password) for device, password in passwords.items()}
        self.flush_recordset(HASH_FIELDS)
        self.env.cr.execute_values(
            _WRITE_HASHES,
            [(device_id, keep_previous, password.digest, password.salt) for device_id, password in hashes.items()],
            page_size=len(hashes),
        )
        self.invalidate_recordset(HASH_FIELDS)

    def _forget_password_hashes(self):
        self._in_action().write({"password_issued_at": False, "previous_password_until": False})
        # Nobody but administrators has rights to the hash; whoever may write the device may make it useless.
        self.sudo().write(dict.fromkeys(HASH_FIELDS, False))

    def _note_lost_password(self):
        self.message_post(
            body=_(
                "An action that issued a new password was undone after the broker had taken it. The device's old"
                " password may be refused, and nobody has the new one: issue another password."
            )
        )
