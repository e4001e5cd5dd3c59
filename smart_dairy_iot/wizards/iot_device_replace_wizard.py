"""Asks what hardware takes the place of a device's."""

from odoo import _, api, fields, models
from odoo.exceptions import ValidationError

from ..models.iot_device_hardware import PART_FIELDS


class IotDeviceReplaceWizard(models.TransientModel):
    _name = "iot.device.replace.wizard"
    _description = "Replace Device"

    iot_device_id = fields.Many2one("iot.device", string="Device", required=True, readonly=True, ondelete="cascade")
    state = fields.Selection(related="iot_device_id.state", related_sudo=False)
    device_id = fields.Char(
        string="New Device ID",
        compute="_compute_successor",
        compute_sudo=False,
        store=True,
        precompute=True,
        readonly=False,
        required=True,
    )
    manufacturer = fields.Char(
        compute="_compute_successor", compute_sudo=False, store=True, precompute=True, readonly=False
    )
    model = fields.Char(compute="_compute_successor", compute_sudo=False, store=True, precompute=True, readonly=False)
    serial_number = fields.Char()
    mac_address = fields.Char(string="MAC Address")
    firmware_version = fields.Char()
    hardware_version = fields.Char()
    reason = fields.Char(required=True)
    removed_on = fields.Date(string="Replaced On", required=True, default=fields.Date.context_today)

    @api.depends("iot_device_id")
    def _compute_successor(self):
        """A successor is mostly of the same make, and takes the ID over."""
        for wizard in self:
            for name in ("device_id", "manufacturer", "model"):
                wizard[name] = wizard.iot_device_id[name]

    @api.constrains("removed_on")
    def _check_removed_on(self):
        for wizard in self:
            installed_on = wizard.iot_device_id.installed_on
            if wizard.removed_on > fields.Date.context_today(wizard):
                raise ValidationError(_("Hardware is replaced now or was before, not in the future."))
            if installed_on and wizard.removed_on < installed_on:
                raise ValidationError(
                    _("The present hardware was installed on %s: it was not replaced before.", installed_on)
                )

    def action_replace(self):
        """Replace the hardware; the device is then to be provisioned anew."""
        self.ensure_one()
        successor = {name: self[name] for name in ("device_id", *PART_FIELDS)}
        self.iot_device_id._replace_hardware(successor, self.reason, self.removed_on)
        return {"type": "ir.actions.act_window_close"}
