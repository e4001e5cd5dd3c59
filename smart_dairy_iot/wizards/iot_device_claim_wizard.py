"""The form on which a device is claimed, made for a phone."""

from odoo import _, api, fields, models
from odoo.exceptions import UserError

from ..models.iot_topic_hierarchy import DEVICE_TYPES


class IotDeviceClaimWizard(models.TransientModel):
    """It knows the device by its code alone until the user has claimed it: who guesses an id learns nothing."""

    _name = "iot.device.claim.wizard"
    _description = "Claim a Device"

    claim_code = fields.Char(required=True, readonly=True)
    iot_device_id = fields.Many2one("iot.device", string="Device", readonly=True, ondelete="cascade")
    device_id = fields.Char(string="Device ID", compute="_compute_device")
    device_type = fields.Selection(DEVICE_TYPES, compute="_compute_device")
    hardware = fields.Char(compute="_compute_device", help="Manufacturer, model and serial number.")
    may_be_provisioned = fields.Boolean(compute="_compute_device")
    name = fields.Char(string="Device Name", compute="_compute_name", compute_sudo=False, store=True, readonly=False)
    farm_id = fields.Many2one("farm.location", default=lambda self: self._only_farm())
    location_id = fields.Many2one("farm.pen", string="Pen/Location", domain="[('farm_id', '=', farm_id)]")
    location_description = fields.Char(string="Where Exactly")

    @api.model
    def _only_farm(self):
        farms = self.env["farm.location"].search([], limit=2)
        return farms if len(farms) == 1 else farms.browse()

    @api.depends("claim_code", "iot_device_id")
    def _compute_device(self):
        for wizard in self:
            device = wizard._device()
            wizard.device_id = device.device_id
            wizard.device_type = device.device_type
            wizard.hardware = " ".join(filter(None, (device.manufacturer, device.model, device.serial_number)))
            wizard.may_be_provisioned = wizard.iot_device_id.state == "provisioning"

    @api.depends("claim_code")
    def _compute_name(self):
        for wizard in self:
            wizard.name = wizard._device().name

    @api.onchange("farm_id")
    def _onchange_farm_id(self):
        if self.location_id.farm_id != self.farm_id:
            self.location_id = False

    def _compute_display_name(self):
        for wizard in self:
            wizard.display_name = _("Claim a Device")

    def action_claim(self):
        """Attach the device to the chosen farm; the form then offers to provision it."""
        self.ensure_one()
        if not self.farm_id:
            raise UserError(_("Choose the farm that the device belongs to."))
        device = self._waiting_device()
        if not device:
            raise UserError(_("This device does not wait to be claimed any more: somebody has claimed it meanwhile."))
        device._claim(
            self.farm_id,
            {
                "name": self.name or device.name,
                "location_id": self.location_id.id,
                "location_description": self.location_description,
            },
        )
        self.iot_device_id = device.id
        return True

    def action_provision(self):
        """Let the claimed device connect."""
        return self.iot_device_id.action_provision()

    def action_open_device(self):
        """Open the claimed device."""
        action = self.env["ir.actions.act_window"]._for_xml_id("smart_dairy_iot.iot_device_action")
        return {**action, "res_id": self.iot_device_id.id, "views": [(False, "form")]}

    def _device(self):
        return self.iot_device_id or self._waiting_device()

    def _waiting_device(self):
        return self.env["iot.device"]._claimable(self.claim_code or "")
