"""Asks what one device, a selection of them or a group is to do, and sends it."""

import json
from datetime import timedelta

from odoo import _, api, fields, models
from odoo.exceptions import UserError, ValidationError

from ..known_commands import KNOWN_COMMANDS
from ..models.iot_device_command import PRIORITIES
from ..models.iot_device_commands import LONGEST_LIFE, MOST_OPEN

OTHER = "other"


class IotDeviceCommandWizard(models.TransientModel):
    """Opened with devices or with groups."""

    _name = "iot.device.command.wizard"
    _description = "Send Command"

    device_ids = fields.Many2many("iot.device", string="Devices", default=lambda self: self._selected_devices())
    from_group = fields.Boolean(default=lambda self: self.env.context.get("active_model") == "iot.device.group")
    known_command = fields.Selection(
        [*((name, known.label) for name, known in KNOWN_COMMANDS.items()), (OTHER, "Another one")],
        string="What to Do",
        required=True,
        default="identify",
    )
    offered_commands = fields.Json(compute="_compute_offered_commands")
    command = fields.Char(help="As the device knows it, e.g. start_cleaning.")
    parameters_json = fields.Text(
        string="Parameters (JSON)",
        compute="_compute_parameters_json",
        store=True,
        readonly=False,
        help="A JSON object; what is in it, the device's maker says.",
    )
    priority = fields.Selection(PRIORITIES, required=True, default="1")
    timeout_seconds = fields.Integer(
        string="Time-out (s)",
        required=True,
        default=60,
        help="Without a word from the device for so long, it is sent again.",
    )
    max_attempts = fields.Integer(string="Most Attempts", required=True, default=3)
    expires_after_hours = fields.Float(
        string="Expires After (h)",
        required=True,
        default=24,
        help="A device that is offline for longer is not to do it.",
    )
    target_ids = fields.Many2many("iot.device", string="Sent To", compute="_compute_targets")
    target_count = fields.Integer(string="Devices to Command", compute="_compute_targets")
    left_out_count = fields.Integer(compute="_compute_targets")

    @api.model
    def _selected_devices(self):
        model, ids = self.env.context.get("active_model"), self.env.context.get("active_ids", [])
        if model == "iot.device.group":
            return self.env[model].browse(ids).device_ids
        return self.env["iot.device"].browse(ids if model == "iot.device" else [])

    @api.depends("device_ids")
    def _compute_offered_commands(self):
        """What at least one of the devices is expected to know; and any other, by its name."""
        for wizard in self:
            types = set(wizard.device_ids.mapped("device_type"))
            known = [name for name, known in KNOWN_COMMANDS.items() if any(map(known.is_for, types))]
            wizard.offered_commands = [*known, OTHER]

    @api.depends("known_command")
    def _compute_parameters_json(self):
        for wizard in self:
            known = KNOWN_COMMANDS.get(wizard.known_command)
            wizard.parameters_json = json.dumps(known.parameters, indent=4) if known and known.parameters else "{}"

    @api.depends("device_ids", "known_command")
    def _compute_targets(self):
        for wizard in self:
            known, chosen = KNOWN_COMMANDS.get(wizard.known_command), wizard.device_ids._origin
            waiting = chosen._open_command_counts()
            targets = chosen.filtered(
                lambda device, known=known, waiting=waiting: (
                    device._takes_commands()
                    and (known is None or known.is_for(device.device_type))
                    and waiting.get(device, 0) < MOST_OPEN
                )
            )
            wizard.target_ids, wizard.target_count = targets, len(targets)
            wizard.left_out_count = len(chosen - targets)

    def action_send(self):
        """Send the command to all devices that it is for."""
        self.ensure_one()
        if not self.target_ids:
            raise UserError(_("None of these devices takes this command: choose some that are in service."))
        if not 0 < self.expires_after_hours <= LONGEST_LIFE.total_seconds() / 3600:
            raise ValidationError(_("A command expires in the future, and within a year."))
        self.target_ids._send_command(
            self.command if self.known_command == OTHER else self.known_command,
            self._parameters(),
            priority=self.priority,
            timeout_seconds=self.timeout_seconds,
            max_attempts=self.max_attempts,
            expires_at=fields.Datetime.now() + timedelta(hours=self.expires_after_hours),
            source="group" if self.from_group else "form",
        )
        message = _("Devices told: %s. Their answers are among the commands.", self.target_count)
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": message,
                "next": {"type": "ir.actions.act_window_close"},
            },
        }

    def _parameters(self):
        try:
            return json.loads(self.parameters_json or "{}")
        except (RecursionError, ValueError) as error:
            raise ValidationError(_("The parameters are not JSON: %s", error)) from error
