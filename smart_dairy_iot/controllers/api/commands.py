"""Commands to a device: given, listed, looked up."""

from datetime import timedelta

from odoo import _, fields
from odoo.http import Controller

from ...models.iot_device_commands import COMMAND_NAME, LONGEST_LIFE, LONGEST_TIMEOUT, MOST_ATTEMPTS
from .base import ApiError, Operation, endpoint
from .operations import COUNT, NULLABLE_TEXT, PAGE, TIMESTAMP, page

STATES = ["queued", "sent", "accepted", "done", "failed", "expired", "cancelled"]
SORTS = {"issued_at": "id", "-issued_at": "id desc", "priority": "priority, id", "-priority": "priority desc, id"}

COMMAND = {
    "type": "object",
    "required": [
        "command_id",
        "command",
        "parameters",
        "state",
        "priority",
        "source",
        "attempts",
        "max_attempts",
        "timeout_seconds",
        "issued_at",
        "expires_at",
        "sent_at",
        "accepted_at",
        "finished_at",
        "progress",
        "message",
        "result",
        "error",
    ],
    "properties": {
        "command_id": {"type": "string", "format": "uuid"},
        "command": {"type": "string"},
        "parameters": {"type": "object"},
        "state": {"enum": STATES},
        "priority": {"type": "integer", "minimum": 0, "maximum": 3},
        "source": {"enum": ["form", "group", "api", "rollout"]},
        "attempts": {"type": "integer", "minimum": 0, "description": "How often it was sent."},
        "max_attempts": {"type": "integer", "minimum": 1},
        "timeout_seconds": {"type": "integer", "minimum": 1},
        "issued_at": TIMESTAMP,
        "expires_at": TIMESTAMP,
        "sent_at": TIMESTAMP,
        "accepted_at": TIMESTAMP,
        "finished_at": TIMESTAMP,
        "progress": {"type": "number", "minimum": 0, "maximum": 100, "description": "Per cent."},
        "message": {**NULLABLE_TEXT, "description": "What the device said last."},
        "result": {"type": ["object", "null"], "description": "What the device gave back."},
        "error": NULLABLE_TEXT,
    },
}

NEW_COMMAND = {
    "type": "object",
    "required": ["command"],
    "properties": {
        "command": {
            "type": "string",
            "pattern": f"^{COMMAND_NAME.pattern}$",
            "description": "As the device knows it, e.g. restart.",
        },
        "parameters": {"type": "object", "default": {}},
        "priority": {
            "type": "integer",
            "minimum": 0,
            "maximum": 3,
            "default": 1,
            "description": "3 is the most urgent.",
        },
        "timeout_seconds": {
            "type": "integer",
            "minimum": 1,
            "maximum": LONGEST_TIMEOUT,
            "default": 60,
            "description": "Without a word from the device for so long, the command is sent again.",
        },
        "max_attempts": {"type": "integer", "minimum": 1, "maximum": MOST_ATTEMPTS, "default": 3},
        "expires_in_seconds": {
            "type": "integer",
            "minimum": 1,
            "maximum": int(LONGEST_LIFE.total_seconds()),
            "default": 86_400,
            "description": "What the device has not begun by then it does not begin any more.",
        },
    },
    "additionalProperties": False,
}


class CommandApi(Controller):
    @endpoint(
        "POST",
        "/devices/{id}/commands",
        Operation(
            summary="Give a device a command",
            description="It is sent at once, or as soon as the device has room for it. How it goes is read by its ID.",
            body=NEW_COMMAND,
            answer={"command": COMMAND},
            status=201,
        ),
    )
    def send_command(self, call):
        """Send a command with the user's own rights."""
        asked = dict(call.body)
        seconds = asked.pop("expires_in_seconds", None)
        if "priority" in asked:
            asked["priority"] = str(int(asked["priority"]))
        for name in ("timeout_seconds", "max_attempts"):
            if name in asked:
                # JSON Schema takes 60.0 for an integer.
                asked[name] = int(asked[name])
        name = asked.pop("command")
        if seconds:
            asked["expires_at"] = fields.Datetime.now() + timedelta(seconds=int(seconds))
        command = call.device._send_command(name, asked.pop("parameters", {}), source="api", **asked)
        return {"command": _as_json(command)}

    @endpoint(
        "GET",
        "/devices/{id}/commands",
        Operation(
            summary="A device's commands",
            description="`count` is the number of commands in this answer, `total` that of all that match.",
            query={
                "state": {"type": "string", "enum": STATES, "description": "Only those in this state."},
                "sort": {
                    "type": "string",
                    "enum": list(SORTS),
                    "default": "-issued_at",
                    "description": "By what to sort; with a - before it downwards.",
                },
                **PAGE,
            },
            answer={
                "count": COUNT,
                "total": COUNT,
                "commands": {"type": "array", "items": COMMAND},
            },
        ),
    )
    def list_commands(self, call):
        """A page of a device's commands."""
        commands = call.env["iot.device.command"]
        domain = [("iot_device_id", "=", call.device.id)]
        if "state" in call.query:
            domain.append(("state", "=", call.query["state"]))
        found = commands.search(domain, order=SORTS[call.query.get("sort", "-issued_at")], **page(call.query))
        return {
            "count": len(found),
            "total": commands.search_count(domain),
            "commands": [_as_json(command) for command in found],
        }

    @endpoint(
        "GET",
        "/devices/{id}/commands/{command_id}",
        Operation(summary="One command of a device", answer={"command": COMMAND}),
    )
    def get_command(self, call):
        """How far a command has got."""
        domain = [("iot_device_id", "=", call.device.id), ("command_id", "=", call.path["command_id"])]
        command = call.env["iot.device.command"].search(domain)
        if not command:
            raise ApiError(404, _("%s has no such command.", call.device.device_id))
        return {"command": _as_json(command)}


def _as_json(command):
    times = ("issued_at", "expires_at", "sent_at", "accepted_at", "finished_at")
    return {
        "command_id": command.command_id,
        "command": command.command,
        "parameters": command.parameters or {},
        "state": command.state,
        "priority": int(command.priority),
        "source": command.source,
        "attempts": command.attempts,
        "max_attempts": command.max_attempts,
        "timeout_seconds": command.timeout_seconds,
        **{name: command[name] or None for name in times},
        "progress": command.progress,
        "message": command.message or None,
        "result": command.result or None,
        "error": command.error or None,
    }
