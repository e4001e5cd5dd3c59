"""Commands to devices: what was asked for, how far it got, and what the device said about it.

queued → sent → accepted → done | failed, or expired or cancelled. A device is sent a few at a time, those of higher
priority first. A command that is not answered in time is sent again under the same `command_id`, so that a device that
has done it already only answers again. What the device reports stands: the first `done` or `failed` is final, whatever
comes after it, and counts even when the platform had given the command up before.
"""

import json
import logging
import uuid
from datetime import timedelta

from odoo import _, api, fields, models
from odoo.exceptions import AccessError, UserError

from ..bridge.timestamps import format_timestamp

_logger = logging.getLogger(__name__)

UNDER_WAY = ("sent", "accepted")
NOT_BEGUN = ("queued", "sent")
OPEN_STATES = ("queued", *UNDER_WAY)
MOST_UNDER_WAY = 5
"""So many commands may be with one device at a time."""

KEEP_ENDED = timedelta(days=365)

PRIORITIES = [("0", "Low"), ("1", "Normal"), ("2", "High"), ("3", "Urgent")]


class IotDeviceCommand(models.Model):
    """Written by the platform alone: users ask for commands through `iot.device._send_command`, and cancel them."""

    _name = "iot.device.command"
    _description = "Device Command"
    _order = "id desc"
    _rec_name = "command"

    command_id = fields.Char(
        string="Command ID",
        required=True,
        readonly=True,
        copy=False,
        default=lambda self: str(uuid.uuid4()),
        help="Its identity on the wire. A repeat has the same one, and does no harm.",
    )
    command = fields.Char(required=True, readonly=True)
    parameters = fields.Json(readonly=True)
    parameters_text = fields.Text(string="Parameters (JSON)", compute="_compute_texts")
    iot_device_id = fields.Many2one(
        "iot.device", string="Device", required=True, readonly=True, index=True, ondelete="cascade"
    )
    farm_id = fields.Many2one(related="iot_device_id.farm_id", store=True, index=True)
    state = fields.Selection(
        [
            ("queued", "Queued"),
            ("sent", "Sent"),
            ("accepted", "Accepted"),
            ("done", "Done"),
            ("failed", "Failed"),
            ("expired", "Expired"),
            ("cancelled", "Cancelled"),
        ],
        string="Status",
        required=True,
        readonly=True,
        default="queued",
        index=True,
    )
    priority = fields.Selection(PRIORITIES, required=True, readonly=True, default="1")
    source = fields.Selection(
        [("form", "Devices"), ("group", "Group"), ("api", "API"), ("rollout", "Roll-out")],
        string="Sent From",
        required=True,
        readonly=True,
        default="form",
    )
    attempts = fields.Integer(readonly=True, help="How often it was sent.")
    max_attempts = fields.Integer(string="Most Attempts", required=True, readonly=True, default=3)
    timeout_seconds = fields.Integer(
        string="Time-out (s)",
        required=True,
        readonly=True,
        default=60,
        help="Without a word from the device for so long, it is sent again.",
    )
    issued_at = fields.Datetime(required=True, readonly=True, default=fields.Datetime.now)
    expires_at = fields.Datetime(readonly=True, help="What the device has not begun by then it must not begin.")
    sent_at = fields.Datetime(readonly=True, help="When it was last sent.")
    timeout_at = fields.Datetime(readonly=True, index=True)
    accepted_at = fields.Datetime(readonly=True)
    finished_at = fields.Datetime(readonly=True)
    reported_at = fields.Datetime(
        string="Outcome Reported", readonly=True, help="When the device itself said how the command ended."
    )
    progress = fields.Float(string="Progress (%)", readonly=True, group_operator=False)
    message = fields.Char(readonly=True, help="What the device said last.")
    result = fields.Json(readonly=True)
    result_text = fields.Text(string="Result (JSON)", compute="_compute_texts")
    error = fields.Char(readonly=True)
    outbox_id = fields.Many2one(
        "iot.outbox", readonly=True, ondelete="set null", index="btree_not_null", groups="base.group_system"
    )

    _sql_constraints = [
        ("command_id_unique", "UNIQUE(command_id)", "A command has an ID of its own."),
        ("limits", "CHECK(max_attempts > 0 AND timeout_seconds > 0)", "Attempts and the time-out are at least 1."),
    ]

    @api.depends("parameters", "result")
    def _compute_texts(self):
        for command in self:
            command.parameters_text = _as_text(command.parameters)
            command.result_text = _as_text(command.result)

    # ------------------------------------------------------------------ actions

    def action_cancel(self):
        """Send those that have not ended no more.

        What a device has begun it may still finish, and its answer is then noted.
        """
        if not self.env.su and not self.env.user.has_group("smart_dairy_farm.group_farm_manager"):
            raise AccessError(_("Only a manager may cancel commands."))
        still_open = self.filtered(lambda command: command.state in OPEN_STATES)
        if self and not still_open:
            raise UserError(_("These commands have ended already."))
        # No user may write commands; that he sees these, and may cancel them, was checked above.
        still_open.sudo()._finish("cancelled", fields.Datetime.now())
        return True

    # ------------------------------------------------------------------ on the way to the device

    def _wire_message(self):
        """What is published: command_id, command, parameters, issued_at and expires_at (UTC, or null)."""
        self.ensure_one()
        return {
            "command_id": self.command_id,
            "command": self.command,
            "parameters": self.parameters or {},
            "issued_at": format_timestamp(self.issued_at),
            "expires_at": format_timestamp(self.expires_at) if self.expires_at else None,
        }

    def _transmit(self, now):
        """Send these, or send them again, once this transaction is committed."""
        topics = self.env["iot.topic.hierarchy"]._of_devices()
        for command in self:
            device = command.iot_device_id
            topic = topics[device.device_type].filtered(lambda topic: topic.message_type == "commands")
            entry = self.env["iot.mqtt.service"].publish(
                device.command_topic, command._wire_message(), int(topic.qos_level), topic.retain, device
            )
            command.write(
                {
                    "state": "sent" if command.state == "queued" else command.state,
                    "attempts": command.attempts + 1,
                    "sent_at": now,
                    "timeout_at": now + timedelta(seconds=command.timeout_seconds),
                    "outbox_id": entry.id,
                }
            )

    def _finish(self, state, now, **values):
        """End these commands, tell whoever waits for it, and let the next ones go.

        :param values: further values; `finished_at` where they ended before now
        """
        for command in self:
            if command.outbox_id.state == "queued":
                # It has not left yet, and need not any more.
                command.outbox_id.unlink()
            command.write({"state": state, "finished_at": now, "timeout_at": False, **values})
        self._log_outcomes()
        self._on_command_progress()
        self.iot_device_id._send_waiting_commands(now)

    def _log_outcomes(self):
        labels = dict(self._fields["state"]._description_selection(self.env))
        for command in self:
            said = {
                "command": command.command,
                "state": labels[command.state].lower(),
                "detail": command.error or command.message,
            }
            if said["detail"]:
                line = _("Command %(command)s: %(state)s (%(detail)s)", **said)
            else:
                line = _("Command %(command)s: %(state)s", **said)
            command.iot_device_id._message_log(body=line)

    def _on_command_progress(self):
        """Called, in the same transaction, whenever commands have ended or the device told of progress.

        A seam for others. A command may end twice: first for want of an answer, then by the device's late one.
        """

    # ------------------------------------------------------------------ what the device says

    @api.model
    def _react_command_ack(self, messages):
        """The inbox's handler of acknowledgements: a device answers for its own commands, and for no other's."""
        ids = {message.payload["command_id"] for message in messages}
        by_id = self.search([("command_id", "in", list(ids))]).grouped("command_id")
        now = fields.Datetime.now()
        for message in messages:
            command = by_id.get(message.payload["command_id"], self.browse())
            if command.iot_device_id.id == message.iot_device_id:
                command._acknowledge(message.payload, message.received_at, now)
            else:
                _logger.info(
                    "Device %s acknowledges %s, which is no command of its own",
                    message.iot_device_id,
                    message.payload["command_id"],
                )

    def _acknowledge(self, payload, heard_at, now):
        """Note one acknowledgement. It may come twice, late, and before an earlier one.

        :param payload: by the schema command_ack.json
        :param heard_at: when it came in, which may be long ago where the inbox was not processed meanwhile
        """
        self.ensure_one()
        if self.reported_at:
            return
        status = payload["status"]
        said = {"message": payload["message"]} if payload.get("message") else {}
        said["accepted_at"] = self.accepted_at or heard_at
        if status in ("done", "failed"):
            said.update(reported_at=heard_at, finished_at=heard_at, result=payload.get("result"), error=False)
            if status == "done":
                said["progress"] = 100
            else:
                said["error"] = payload.get("message") or _("The device gave no reason.")
            self._finish(status, now, **said)
        elif self.state in OPEN_STATES:
            self.write(
                {
                    "state": "accepted",
                    "timeout_at": now + timedelta(seconds=self.timeout_seconds),
                    "progress": max(self.progress, payload.get("progress", 0)),
                    **said,
                }
            )
            self._on_command_progress()

    # ------------------------------------------------------------------ what the device does not say

    @api.model
    def _due(self, now, limit=None):
        """Commands whose time is up, the urgent ones first: see `_look_after`.

        :param now: naive UTC
        :param limit: most of them
        """
        domain = [
            *("|", "&", ("state", "in", NOT_BEGUN), ("expires_at", "<=", now)),
            *("&", ("state", "in", UNDER_WAY), ("timeout_at", "<=", now)),
        ]
        return self.search(domain, order="priority desc, id", limit=limit)

    def _look_after(self, now):
        """Expire the command, send it again or give it up, whichever is due."""
        self.ensure_one()
        if self.state in NOT_BEGUN and self.expires_at and self.expires_at <= now:
            self._finish("expired", now, error=_("The device had not begun it in time."))
        elif self.state in UNDER_WAY and self.timeout_at and self.timeout_at <= now:
            self._time_out(now)

    def _time_out(self, now):
        """The device has not answered for as long as it may take."""
        self.ensure_one()
        if self.outbox_id.state == "queued":
            # The broker itself has not got it yet: that is no fault of the device's, and no second one is needed.
            self.timeout_at = now + timedelta(seconds=self.timeout_seconds)
        elif self.attempts >= self.max_attempts:
            self._finish("failed", now, error=self._silence())
        elif self.expires_at and self.expires_at <= now:
            self._finish("expired", now, error=self._silence())
        elif self.iot_device_id.is_online and self.iot_device_id._takes_commands():
            self._transmit(now)
        elif self.state == "sent":
            # It is sent again when the device is back.
            self.write({"state": "queued", "timeout_at": False})
        else:
            self.timeout_at = now + timedelta(seconds=self.timeout_seconds)

    @api.autovacuum
    def _gc_ended(self):
        # By SQL, in one go: what integrators send every minute adds up.
        self.env.cr.execute(
            "DELETE FROM iot_device_command WHERE state NOT IN %s AND finished_at < %s",
            [OPEN_STATES, fields.Datetime.now() - KEEP_ENDED],
        )

    def _silence(self):
        if self.state == "accepted":
            return _("The device accepted it, and was then silent; sent %s times.", self.attempts)
        return _("The device did not answer; sent %s times.", self.attempts)


def _as_text(value):
    return json.dumps(value, indent=4, sort_keys=True) if value else False
