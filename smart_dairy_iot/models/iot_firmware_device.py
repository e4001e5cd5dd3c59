"""What firmware has to do with the rest: the device's form, its commands, the address that it downloads from."""

from urllib.parse import quote, urlsplit

from odoo import _, api, fields, models
from odoo.exceptions import UserError

from ..reactors.rollouts import RolloutLoop

LOOPBACK = ("localhost", "127.0.0.1", "::1")


class IotDevice(models.Model):
    _inherit = "iot.device"

    firmware_line_ids = fields.One2many("iot.firmware.rollout.line", "iot_device_id", string="Firmware Roll-outs")
    firmware_line_count = fields.Integer(compute="_compute_firmware_line_count")

    @api.depends("firmware_line_ids")
    def _compute_firmware_line_count(self):
        counts = dict(
            self.env["iot.firmware.rollout.line"]._read_group(
                [("iot_device_id", "in", self.ids)], ["iot_device_id"], ["__count"]
            )
        )
        for device in self:
            device.firmware_line_count = counts.get(device._origin, 0)

    def action_view_firmware(self):
        """Open the roll-outs that the device is or was in."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("smart_dairy_iot.iot_firmware_rollout_line_action")
        return {**action, "name": _("Firmware of %s", self.name), "domain": [("iot_device_id", "=", self.id)]}


class IotDeviceCommand(models.Model):
    _inherit = "iot.device.command"

    def _on_command_progress(self):
        result = super()._on_command_progress()
        # Who may see or cancel a command need not see the roll-out that it belongs to, which follows it all the same.
        lines = self.env["iot.firmware.rollout.line"].sudo().search([("device_command_id", "in", self.ids)])
        lines._follow_command()
        return result


class IotFirmware(models.Model):
    _inherit = "iot.firmware"

    @api.model
    def _base_url(self):
        # One setting, of no secrecy: devices are told it with every command.
        return self.env["ir.config_parameter"].sudo().get_param("web.base.url", "").rstrip("/")

    def _check_may_roll_out(self):
        """:raises UserError: it is not to be handed out, or there is no address to hand it out at"""
        for firmware in self:
            if firmware.state != "released":
                raise UserError(_("%s is not released.", firmware.display_name))
        self._check_download_address()

    @api.model
    def _check_download_address(self):
        """Devices send their password with the download: not unencrypted, but to a server on the very same machine."""
        address = urlsplit(self._base_url())
        if address.scheme != "https" and address.hostname not in LOOPBACK:
            raise UserError(
                _(
                    "Devices download firmware with their password, and so over HTTPS only. Serve Odoo over HTTPS, set"
                    " the system parameter web.base.url to that address, and web.base.url.freeze to True, that it stays"
                    " so; it is %s.",
                    self._base_url() or _("empty"),
                )
            )

    def _download_url(self, device):
        """Where the device downloads this firmware with its own user name and password."""
        version = quote(self.version, safe="")
        return f"{self._base_url()}/api/v1/iot/devices/{device.device_id}/firmware/{version}"


class IotSettings(models.AbstractModel):
    _inherit = "iot.settings"

    @api.model
    def _workers(self, context):
        """Beside the others what keeps the roll-outs going."""
        return [*super()._workers(context), RolloutLoop(context.db_name)]
