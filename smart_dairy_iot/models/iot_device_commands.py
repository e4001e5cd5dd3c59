"""Asking devices to do something: who may, of which devices, and how many commands may wait for one."""

import json
import re
from datetime import timedelta

from odoo import _, api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError

from .iot_device_command import MOST_UNDER_WAY, OPEN_STATES, UNDER_WAY
from .iot_device_provisioning import CONNECTABLE_STATES, STATES_WITHOUT_USER

COMMAND_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
MOST_OPEN = 50
"""So many commands may be waiting for, or be with, one device: what is offline for weeks must not get hundreds."""
MOST_PARAMETER_BYTES = 16_384
MOST_PARAMETER_LEVELS = 16
"""Devices have small parsers; and Python, too, copies what is nested only to a certain depth."""
EXPIRES_AFTER = timedelta(days=1)
"""Unless told otherwise. A gate that was to open yesterday is not to open today."""
LONGEST_LIFE = timedelta(days=366)
LONGEST_TIMEOUT = 24 * 3600
MOST_ATTEMPTS = 20
OF_ROLLOUTS = ("update_firmware",)
"""Only roll-outs give these: a device takes its firmware, and sends its password, wherever such a command says."""

_SELECT_WITH_ROOM = """
    SELECT iot_device_id FROM iot_device_command
     WHERE state IN %s
     GROUP BY iot_device_id
    HAVING bool_or(state = 'queued') AND count(*) FILTER (WHERE state IN %s) < %s
"""


class IotDevice(models.Model):
    _inherit = "iot.device"

    command_ids = fields.One2many("iot.device.command", "iot_device_id", string="Commands", readonly=True)
    open_command_count = fields.Integer(compute="_compute_open_command_count")

    @api.depends("command_ids.state")
    def _compute_open_command_count(self):
        counts = self._open_command_counts()
        for device in self:
            device.open_command_count = counts.get(device._origin, 0)

    def _open_command_counts(self):
        """{device: number of its commands that have not ended}"""
        is_open = [("iot_device_id", "in", self.ids), ("state", "in", OPEN_STATES)]
        return dict(self.env["iot.device.command"]._read_group(is_open, ["iot_device_id"], ["__count"]))

    def write(self, vals):
        result = super().write(vals)
        if vals.get("state") in STATES_WITHOUT_USER:
            # The hardware that was to do them is gone; who may take it away ends its commands with it.
            commands = self.env["iot.device.command"].sudo()
            still_open = commands.search([("iot_device_id", "in", self.ids), ("state", "in", OPEN_STATES)])
            still_open._finish(
                "cancelled", fields.Datetime.now(), error=_("The device was decommissioned or replaced.")
            )
        return result

    # ------------------------------------------------------------------ actions

    def action_send_command(self):
        """Ask what these devices are to do."""
        action = self.env["ir.actions.act_window"]._for_xml_id("smart_dairy_iot.iot_device_command_wizard_action")
        return {**action, "context": {"active_model": self._name, "active_ids": self.ids}}

    def action_view_commands(self):
        """Open the commands of this device."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("smart_dairy_iot.iot_device_command_action")
        return {**action, "domain": [("iot_device_id", "=", self.id)], "context": {}}

    # ------------------------------------------------------------------ sending

    def _send_command(
        self,
        command,
        parameters=None,
        priority="1",
        timeout_seconds=60,
        max_attempts=3,
        expires_at=None,
        source="form",
    ):
        """Have each of these devices do something. It is sent once this transaction is committed.

        :param command: lower-case identifier, e.g. "restart"
        :param parameters: dict that JSON can hold
        :param priority: "0" to "3", see `PRIORITIES`
        :param timeout_seconds: without a word from the device for so long it is sent again, `max_attempts` times in all
        :param expires_at: naive UTC; by default in a day
        :param source: form, group, api or rollout
        :returns: `iot.device.command`, one for each device
        :raises AccessError: for users who may not command these devices
        :raises UserError: a device is not in service, or has too many commands waiting
        :raises ValidationError: the command is none
        """
        now = fields.Datetime.now()
        self._check_may_command()
        expires_at = expires_at or now + EXPIRES_AFTER
        self._check_command(command, parameters or {}, timeout_seconds, max_attempts, expires_at)
        if command in OF_ROLLOUTS and source != "rollout":
            raise ValidationError(_("%s is no command to be given by hand: start a firmware roll-out.", command))
        self._check_takes_commands()
        # Commands are the platform's to write; that the user may give this one was checked above.
        commands = self.env["iot.device.command"].sudo()
        busy = self.sudo().filtered("open_command_count").ids
        created = commands.create(
            [
                {
                    "iot_device_id": device.id,
                    "command": command,
                    "parameters": parameters or {},
                    "priority": str(priority),
                    "timeout_seconds": timeout_seconds,
                    "max_attempts": max_attempts,
                    "issued_at": now,
                    "expires_at": expires_at,
                    "source": source,
                }
                for device in self
            ]
        )
        self._message_log_batch(bodies=dict.fromkeys(self.ids, _("Command %s given.", command)))
        # To a device that has nothing to do it goes at once, heard of lately or not: the broker keeps it for a device
        # with a session. Behind others it takes its turn.
        created.filtered(lambda record: record.iot_device_id.id not in busy)._transmit(now)
        created.iot_device_id.browse(busy)._send_waiting_commands(now)
        return created.with_env(self.env)

    def _check_may_command(self):
        if self.env.su:
            return
        if not self.env.user.has_group("smart_dairy_farm.group_farm_manager"):
            raise AccessError(_("Only a manager may command devices."))
        seen = self.with_context(active_test=False).search_count([("id", "in", self.ids)])
        if seen < len(self):
            raise AccessError(_("You may not command the devices of this farm."))

    def _check_takes_commands(self):
        counts = self._open_command_counts()
        for device in self:
            if not device._takes_commands():
                raise UserError(
                    _("%s takes no commands: it is not in service, or does not connect over MQTT.", device.name)
                )
            if counts.get(device, 0) >= MOST_OPEN:
                raise UserError(device._too_many_waiting(counts[device]))

    def _too_many_waiting(self, count):
        if self.is_online:
            return _(
                "%(device)s has %(count)s commands waiting already: wait until it has answered, or cancel some.",
                device=self.name,
                count=count,
            )
        return _(
            "%(device)s has %(count)s commands waiting already, and is offline: cancel some, or wait until it is back.",
            device=self.name,
            count=count,
        )

    def _takes_commands(self):
        self.ensure_one()
        return bool(self.active and self.uses_mqtt and self.state in CONNECTABLE_STATES and self.command_topic)

    def _send_waiting_commands(self, now):
        """Send queued commands to those that are there, as many as each may have, those of higher priority first."""
        commands = self.env["iot.device.command"]
        for device in self.filtered(lambda device: device.is_online and device._takes_commands()):
            of_device = [("iot_device_id", "=", device.id)]
            room = MOST_UNDER_WAY - commands.search_count([*of_device, ("state", "in", UNDER_WAY)])
            if room > 0:
                queued = [*of_device, ("state", "=", "queued"), ("expires_at", ">", now)]
                commands.search(queued, order="priority desc, id", limit=room)._transmit(now)

    @api.model
    def _ready_for_commands(self, limit=None):
        """Devices that are there, have commands waiting, and room for one; `limit` of them at most."""
        self.env["iot.device.command"].flush_model(["iot_device_id", "state"])
        self.env.cr.execute(_SELECT_WITH_ROOM, [OPEN_STATES, UNDER_WAY, MOST_UNDER_WAY])
        waiting = [device_id for (device_id,) in self.env.cr.fetchall()]
        if not waiting:
            return self.browse()
        in_service = [("uses_mqtt", "=", True), ("state", "in", CONNECTABLE_STATES), ("command_topic", "!=", False)]
        return self.search([("id", "in", waiting), ("is_online", "=", True), *in_service], limit=limit)

    @api.model
    def _check_command(self, command, parameters, timeout_seconds, max_attempts, expires_at):
        if not COMMAND_NAME.fullmatch(command or ""):
            raise ValidationError(
                _("“%s” is no command: use up to 64 small letters, digits and _, a letter first.", command)
            )
        if not isinstance(parameters, dict):
            raise ValidationError(_("The parameters of a command must be a JSON object."))
        if _levels_exceed(parameters, MOST_PARAMETER_LEVELS):
            raise ValidationError(_("The parameters of a command have up to %s levels.", MOST_PARAMETER_LEVELS))
        try:
            text = json.dumps(parameters, allow_nan=False, ensure_ascii=False).encode()
        except (TypeError, ValueError) as error:
            raise ValidationError(_("The parameters of a command must be such as JSON can hold.")) from error
        if b"\\u0000" in text:
            raise ValidationError(_("The parameters of a command must not have a character NUL."))
        if len(text) > MOST_PARAMETER_BYTES:
            raise ValidationError(_("The parameters of a command take up to %s bytes.", MOST_PARAMETER_BYTES))
        if not 1 <= timeout_seconds <= LONGEST_TIMEOUT or not 1 <= max_attempts <= MOST_ATTEMPTS:
            raise ValidationError(
                _(
                    "The time-out must be from 1 to %(seconds)s seconds, the attempts from 1 to %(attempts)s.",
                    seconds=LONGEST_TIMEOUT,
                    attempts=MOST_ATTEMPTS,
                )
            )
        now = fields.Datetime.now()
        if expires_at <= now:
            raise ValidationError(_("The command would have expired already."))
        if expires_at > now + LONGEST_LIFE:
            raise ValidationError(_("A command expires within a year."))


def _levels_exceed(value, most):
    """Whether objects and lists are nested in one another more than so many times."""
    level = [value]
    for _level in range(most):
        nested = [item for item in level if isinstance(item, dict | list)]
        level = [inner for item in nested for inner in (item.values() if isinstance(item, dict) else item)]
    return any(isinstance(item, dict | list) for item in level)
