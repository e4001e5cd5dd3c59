"""Gives a configuration template to many devices, after saying which of them have a configuration to lose."""

import json
from collections import Counter

from odoo import _, api, fields, models
from odoo.exceptions import UserError


class IotDeviceTemplateWizard(models.TransientModel):
    """Opened with devices, to choose a template, or with a template, to choose devices."""

    _name = "iot.device.template.wizard"
    _description = "Apply Configuration Template"

    from_devices = fields.Boolean(default=lambda self: self.env.context.get("active_model") == "iot.device")
    template_id = fields.Many2one("iot.device.template", ondelete="cascade")
    allowed_template_ids = fields.Many2many("iot.device.template", compute="_compute_allowed_template_ids")
    device_type = fields.Selection(related="template_id.device_type", related_sudo=False)
    farm_id = fields.Many2one(related="template_id.farm_id", related_sudo=False)
    device_ids = fields.Many2many("iot.device", string="Devices", default=lambda self: self._selected_devices())
    group_ids = fields.Many2many("iot.device.group", string="Groups", help="All their devices of the template's type.")
    tag_ids = fields.Many2many("iot.device.tag", string="Tags", help="All devices of the template's type with one.")
    problem = fields.Char(compute="_compute_problem")
    target_ids = fields.Many2many("iot.device", string="Gets the Template", compute="_compute_targets")
    target_count = fields.Integer(compute="_compute_targets")
    left_out_count = fields.Integer(compute="_compute_targets")
    losing_ids = fields.Many2many("iot.device", string="Loses Its Own Configuration", compute="_compute_targets")
    losing_count = fields.Integer(compute="_compute_targets")

    @api.model
    def _selected_devices(self):
        context = self.env.context
        return context.get("active_ids") if context.get("active_model") == "iot.device" else False

    @api.depends("device_ids")
    def _compute_allowed_template_ids(self):
        for wizard in self:
            devices = wizard.device_ids._origin
            farm_ids = {device.farm_id.id for device in devices}
            wizard.allowed_template_ids = self.env["iot.device.template"].search(
                [
                    ("device_type", "in", devices.mapped("device_type")),
                    ("farm_id", "in", [False, *farm_ids] if len(farm_ids) == 1 else [False]),
                ]
            )

    @api.depends("from_devices", "device_ids")
    def _compute_problem(self):
        labels = dict(self.env["iot.device"]._fields["device_type"]._description_selection(self.env))
        for wizard in self:
            counts = Counter(wizard.device_ids._origin.mapped("device_type")) if wizard.from_devices else {}
            mixed = ", ".join(f"{count} × {labels[device_type]}" for device_type, count in sorted(counts.items()))
            wizard.problem = len(counts) > 1 and _(
                "You selected devices of several types (%s). A template is for one type: select devices of one type.",
                mixed,
            )

    @api.depends("template_id", "device_ids", "group_ids", "tag_ids")
    def _compute_targets(self):
        for wizard in self:
            template = wizard.template_id
            chosen = wizard.device_ids._origin | wizard.group_ids._origin.device_ids
            if wizard.tag_ids:
                chosen |= chosen.search([("tag_ids", "in", wizard.tag_ids._origin.ids)])
            targets = chosen.filtered(lambda device, template=template: _fits(device, template))
            losing = targets.filtered(lambda device, template=template: _loses(device, template))
            wizard.target_ids, wizard.target_count = targets, len(targets)
            wizard.left_out_count = len(chosen - targets)
            wizard.losing_ids, wizard.losing_count = losing, len(losing)

    def action_apply(self):
        """Give the template to all devices that it is for."""
        self.ensure_one()
        if self.problem or not self.template_id or not self.target_ids:
            raise UserError(self.problem or _("Choose a template, and devices of its type that are in use."))
        self.template_id._apply(self.target_ids)
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": _(
                    "%(template)s: applied to %(count)s devices.",
                    template=self.template_id.name,
                    count=self.target_count,
                ),
                "next": {"type": "ir.actions.act_window_close"},
            },
        }


def _fits(device, template):
    return (
        device.state != "decommissioned"
        and device.device_type == (template.device_type or device.device_type)
        and template.farm_id in (template.farm_id.browse(), device.farm_id)
    )


def _loses(device, template):
    """Whether the device has a configuration of its own that the template would replace by another."""
    if not device.config_json or not template:
        return False
    return json.loads(device.config_json) != json.loads(template.config_json)
