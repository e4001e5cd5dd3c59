"""A device's configuration: desired by the user, reported by the device."""

import json
import re

from odoo import _
from odoo.http import Controller, request

from .base import Answer, ApiError, Operation, endpoint

VERSION = {"type": "integer", "minimum": 0, "description": "Counts the changes of the configuration."}
REPORTED = {"type": ["integer", "null"], "minimum": 0, "description": "The version that the device says it works by."}
IF_MATCH = re.compile(r'(?:W/)?"?([0-9]{1,9})"?')


class ConfigApi(Controller):
    @endpoint(
        "GET",
        "/devices/{id}/config",
        Operation(
            summary="A device's configuration",
            answer={
                "config": {"type": "object"},
                "config_version": VERSION,
                "reported_config_version": REPORTED,
            },
            callers=("user", "device"),
        ),
    )
    def get_config(self, call):
        """What the device is to work by, and what it says it works by."""
        device = call.device
        answer = {
            "config": device._configuration(),
            "config_version": device.config_version,
            "reported_config_version": device.reported_config_version or None,
        }
        return Answer(answer, headers={"ETag": f'"{device.config_version}"'})

    @endpoint(
        "PUT",
        "/devices/{id}/config",
        Operation(
            summary="Change a device's configuration",
            description=(
                "The configuration as a whole is replaced, kept as a new version, and sent to the device, retained."
                " With `If-Match`, the version that was read, or `config_version` in the body, it is changed only where"
                " nobody has changed it meanwhile; otherwise the answer is 409."
            ),
            body={
                "type": "object",
                "required": ["config"],
                "properties": {
                    "config": {"type": "object"},
                    "config_version": {**VERSION, "maximum": 2**31 - 1, "description": "The version that was read."},
                },
                "additionalProperties": False,
            },
            answer={"message": {"type": "string"}, "config_version": VERSION},
        ),
    )
    def put_config(self, call):
        """Give the device another configuration, with the user's own rights."""
        device = call.device
        read = call.body.get("config_version", _if_match())
        if read is not None and read != device.config_version:
            raise ApiError(409, _("The configuration is at version %s by now: read it again.", device.config_version))
        # As texts: to Python true is 1.
        if _as_text(device._configuration()) != _as_text(call.body["config"]):
            device.config_json = json.dumps(call.body["config"], indent=4)
        answer = {"message": _("Configuration updated"), "config_version": device.config_version}
        return Answer(answer, headers={"ETag": f'"{device.config_version}"'})


def _as_text(config):
    return json.dumps(config, sort_keys=True)


def _if_match():
    """The version in the header `If-Match`, None where there is none."""
    given = request.httprequest.headers.get("If-Match", "").strip()
    if not given or given == "*":
        return None
    match = IF_MATCH.fullmatch(given)
    if not match:
        raise ApiError(400, _('If-Match must be the version that was read, e.g. "3".'))
    return int(match.group(1))
