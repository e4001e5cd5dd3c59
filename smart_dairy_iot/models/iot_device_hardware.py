"""The hardware that has stood in a device's place: a successor takes it, and what was measured stays.

The device's record is the place. Its telemetry, milkings and alerts stay with it, whatever hardware they came from.
"""

from odoo import _, fields, models

from .iot_device_provisioning import STATES_WITHOUT_USER

PART_FIELDS = ("serial_number", "mac_address", "manufacturer", "model", "firmware_version", "hardware_version")
"""What tells one piece of hardware from another, on the device and in its history."""


class IotDeviceHardware(models.Model):
    _name = "iot.device.hardware"
    _description = "Former Hardware of a Device"
    _order = "removed_on desc, id desc"
    _rec_name = "device_id"

    iot_device_id = fields.Many2one(
        "iot.device", string="Device", required=True, readonly=True, index=True, ondelete="cascade"
    )
    device_id = fields.Char(string="Device ID", required=True, readonly=True, help="Its identity on the wire then.")
    serial_number = fields.Char(readonly=True)
    mac_address = fields.Char(string="MAC Address", readonly=True)
    manufacturer = fields.Char(readonly=True)
    model = fields.Char(readonly=True)
    firmware_version = fields.Char(readonly=True)
    hardware_version = fields.Char(readonly=True)
    calibration_date = fields.Date(string="Last Calibrated", readonly=True)
    installed_on = fields.Date(readonly=True)
    removed_on = fields.Date(required=True, readonly=True)
    reason = fields.Char(required=True, readonly=True)
    replaced_by_id = fields.Many2one("res.users", required=True, readonly=True)


class IotDevice(models.Model):
    _inherit = "iot.device"

    installed_on = fields.Date(
        copy=False, help="Since when this hardware is here; the day of provisioning unless told."
    )
    hardware_ids = fields.One2many("iot.device.hardware", "iot_device_id", string="Former Hardware", readonly=True)

    def write(self, vals):
        result = super().write(vals)
        if vals.get("state") == "active":
            self.filtered(lambda device: not device.installed_on).installed_on = fields.Date.context_today(self)
        return result

    def action_replace(self):
        """Ask what hardware takes this device's place."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("smart_dairy_iot.iot_device_replace_wizard_action")
        return {**action, "context": {"default_iot_device_id": self.id}}

    def _replace_hardware(self, successor, reason, removed_on):
        """Put other hardware in this place.

        The old hardware is taken off the broker, with its password and certificates, and goes into the history; the
        device is to be provisioned anew.

        :param successor: {field: value} of `device_id` and of PART_FIELDS
        :param reason: text
        :param removed_on: date on which the successor took over
        """
        self.ensure_one()
        old_id = self.device_id
        former = self._former_hardware(reason, removed_on)
        self.certificate_ids._revoke("superseded")
        if self.state not in STATES_WITHOUT_USER:
            self.action_decommission()
        self._in_action().write({"state": "provisioning", "active": True})
        self.write({**successor, "installed_on": removed_on})
        self._void_calibration()
        self._forget_reported_versions()
        # The history is nobody's to write; it was just decided that this user may replace the device.
        self.env["iot.device.hardware"].sudo().create(former)
        self.message_post(
            body=_(
                "Hardware replaced: %(old)s by %(new)s. Reason: %(reason)s",
                old=_described(old_id, former["serial_number"]),
                new=_described(self.device_id, self.serial_number),
                reason=reason,
            )
        )

    def _former_hardware(self, reason, removed_on):
        return {
            "iot_device_id": self.id,
            "device_id": self.device_id,
            **{name: self[name] for name in PART_FIELDS},
            "firmware_version": self.reported_firmware_version or self.firmware_version,
            "calibration_date": self.calibration_date,
            "installed_on": self.installed_on,
            "removed_on": removed_on,
            "reason": reason,
            "replaced_by_id": self.env.uid,
        }

    def _void_calibration(self):
        """A calibration is that of the hardware; addons forget theirs, too."""
        self.write({"calibration_date": False, "next_calibration_date": False})

    def _forget_reported_versions(self):
        """What the old hardware said that it works by, the new one has yet to say."""
        # By SQL, as the bridge writes it by SQL; it writes nothing just now, for the old hardware is off the broker.
        self.env.cr.execute(
            "UPDATE iot_device_state SET firmware_version = NULL, config_version = NULL WHERE iot_device_id IN %s",
            [tuple(self.ids)],
        )
        self.invalidate_recordset(["reported_firmware_version", "reported_config_version", "config_status"])


def _described(device_id, serial_number):
    return f"{device_id} (S/N {serial_number})" if serial_number else device_id
