"""The REST API in the format of ICAR's Animal Data Exchange (ADE): where it is, and how it speaks of errors."""

from http import HTTPStatus

from odoo import _

from odoo.addons.smart_dairy_iot.controllers.api.apis import Api, register
from odoo.addons.smart_dairy_iot.controllers.api.base import ApiError

from ...exchange.ade import Identifier
from ...exchange.ade_schema import MESSAGE

PREFIX = "/api/v1/ade"
VISITS = "/locations/{scheme}/{location}/milking-visits"
ERROR = {
    "type": "object",
    "required": ["errors"],
    "properties": {"errors": {"type": "array", "minItems": 1, "items": MESSAGE}},
}


def messages(error):
    """An `ApiError` as ICAR's messages: one for each thing that is wrong."""
    faults = error.details or [{"message": error.message}]
    return [_message(error, fault) for fault in faults]


def _message(error, fault):
    message = {
        "type": error.code,
        "severity": "Error",
        "status": error.status,
        "title": HTTPStatus(error.status).phrase,
        "detail": fault["message"],
    }
    return {**message, "instance": fault["field"]} if fault.get("field") else message


def find_farm(call):
    """The `farm.location` of a request's path, with the caller's rights; one that is not his to see is like none."""
    identifier = Identifier(call.path["scheme"], call.path["location"])
    farm = call.env["farm.location"]._find_by_ade(identifier)
    if not farm:
        raise ApiError(404, _("There is no location %(id)s of scheme %(scheme)s that you may see.", **vars(identifier)))
    return farm


register(
    Api(
        prefix=PREFIX,
        title="Smart Dairy IoT ADE",
        description="The milkings of dairy farms as milking visits of ICAR's Animal Data Exchange 1.3. A location is a"
        " farm: by the scheme and ID of its own, or by the scheme `smart-dairy.farm` and its code. Errors are a"
        " collection of RFC 7807 problems, also where there is nothing at an address (404), or not for this method"
        " (405).",
        error_body=lambda error: {"errors": messages(error)},
        error_schema=ERROR,
    )
)
