"""What every endpoint of the REST API is made with: `endpoint`, which leaves to the handler only what is its own.

    class DeviceApi(Controller):
        @endpoint("GET", "/devices/{id}", Operation(summary="A device", answer={"device": DEVICE}))
        def get_device(self, call):
            return {"device": ...}

Before the handler: who calls, how often, how much; body and query against the operation's schemas; the device of the
path, with the caller's rights; a repetition by its idempotency key. After it: the answer as JSON, or the error as a
code, a sentence and a status; the audit trail. What the handler changed is undone where it raises.
"""

import functools
import hashlib
from dataclasses import dataclass, field

import orjson
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from odoo import _
from odoo.http import request, route

from . import idempotency
from .apis import PREFIX
from .audit import AuditEntry
from .callers import anybody, check_rate, identify
from .dispatcher import error_response, json_response
from .errors import HANDLED, ApiError, as_api_error
from .operations import ENDPOINTS, Endpoint, Operation, is_device_id

__all__ = ["Answer", "ApiError", "Call", "Operation", "endpoint"]


DEEPEST = 100


@dataclass
class Call:
    """A request that has been let in.

    `caller` is a `CallerUser` or a `CallerDevice`; `device` the `iot.device` that the path names, or that the handler
    registered, with the caller's own rights (a device's own record: the superuser's); `path` the other parameters of
    the path.
    """

    endpoint: Endpoint
    caller: object
    device: object = None
    path: dict = field(default_factory=dict)
    query: dict = field(default_factory=dict)
    body: object = None
    raw: bytes = b""

    @property
    def env(self):
        """The caller's environment."""
        return request.env


@dataclass
class Answer:
    """A good answer with more to say than its body.

    :param body: what is told beside `success`; without the operation's `envelope` all that is told
    """

    body: dict | list
    status: int = 200
    headers: dict = field(default_factory=dict)


def endpoint(method, path, operation, prefix=PREFIX):
    """Make a controller's method, handler(self, call), serve a method of a path.

    The handler returns the good answer as a dict, an `Answer`, or where it is no JSON a `Response`; it raises
    `ApiError` or what Odoo raises (UserError 409, ValidationError 422, AccessError 403, MissingError 404), or a
    BrokerError (503).

    :param path: relative to the prefix; below `/api/v1/iot` `{id}` is a device's ID
    :param operation: `Operation`
    :param prefix: that of an `Api`
    """

    def decorate(handler):
        declared = Endpoint.of(method, path, operation, handler.__name__, prefix)
        ENDPOINTS.append(declared)
        address = declared.address.replace("{", "<string:").replace("}", ">")

        def serve(self, **path_parameters):
            return _serve(declared, functools.partial(handler, self), path_parameters)

        # Not functools.wraps: Odoo looks for the parameters of what is wrapped.
        functools.update_wrapper(serve, handler)
        del serve.__wrapped__
        # Who may call is decided in _serve, by the declaration; a session counts for nothing. 19.0 would first try what
        # has no `auth` in a transaction that may only read, and do again what it did outside of it.
        options = {"auth": "none", "readonly": False, "csrf": False, "save_session": False}
        return route(address, type="iot_api", methods=[method], **options)(serve)

    return decorate


# ---------------------------------------------------------------------- one request


def _serve(declared, handler, path_parameters):
    """The response to the present request."""
    call = Call(declared, None)
    error = None
    replayed = False
    request.iot_api_entry = entry = AuditEntry(call)
    try:
        _check_method(declared)
        config = request.env["iot.settings"]._get_config()
        call.caller = anybody() if "anybody" in declared.operation.callers else identify(config)
        check_rate(call.caller, config)
        # What is done is undone where it fails; that it was tried stays in the audit trail.
        with request.env.cr.savepoint():
            _let_in(call, path_parameters)
            _read(call, config)
            response, replayed = _once(call, handler)
    except (ApiError, HTTPException, *HANDLED) as raised:
        error = as_api_error(request.env, raised)
        response = error_response(error, declared.address)
    entry.note(request.env, response.status_code, error, replayed)
    return response


def _check_method(declared):
    """Odoo lets OPTIONS through to every route."""
    allowed = {other.method for other in ENDPOINTS if other.address == declared.address}
    method = request.httprequest.method
    if method != declared.method and not (method == "HEAD" and declared.method == "GET"):
        raise MethodNotAllowed(sorted(allowed))


def _let_in(call, path_parameters):
    """Whether the caller may call this at all, and for which device."""
    if call.caller.kind not in call.endpoint.operation.callers:
        raise ApiError(
            403, _("This is not for devices.") if call.caller.kind == "device" else _("This is for devices.")
        )
    call.path = dict(path_parameters)
    if any("\0" in text for text in call.path.values()):
        raise ApiError(404, _("There is nothing at this address."))
    if call.endpoint.concerns_device:
        call.device = _device(call.caller, call.path.pop("id"))


def _read(call, config):
    """What is asked: the query and the body."""
    operation = call.endpoint.operation
    call.query = call.endpoint.read_query(request.httprequest.args)
    if operation.body is None:
        call.body = {}
        return
    call.raw = _read_raw(config)
    if not operation.raw_body:
        call.body = _read_body(call.endpoint, call.raw)


def _read_raw(config):
    """The body's bytes."""
    http = request.httprequest
    most = config.api_max_body_kb * 1024
    if http.headers.get("Transfer-Encoding"):
        raise ApiError(411, _("Send the body in one piece, with its Content-Length."))
    if (http.content_length or 0) > most:
        raise ApiError(413, _("The body may have up to %s KiB.", config.api_max_body_kb))
    if http.content_length and http.mimetype != "application/json":
        raise ApiError(415, _("Send the body as application/json."))
    return http.get_data()


def _read_body(declared, raw):
    """The body, checked; {} where there is none."""
    if not raw:
        if declared.operation.body_required:
            raise ApiError(400, _("A body is missing."))
        return {}
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ApiError(400, _("The body is not JSON: %s", error)) from error
    _check_texts(body, may_have_nul=declared.operation.entries_alone)
    declared.check_body(body)
    return body


def _check_texts(body, may_have_nul):
    """:raises ApiError: 400 for the one character that no text in the database can have, and for what is nested deeper
    than can be written again
    """
    waiting = [(body, 0)]  # no recursion: a body may be nested deeper than Python's stack
    while waiting:
        value, depth = waiting.pop()
        if depth > DEEPEST:
            raise ApiError(400, _("The body is nested deeper than %s levels.", DEEPEST))
        if isinstance(value, str) and "\0" in value and not may_have_nul:
            raise ApiError(400, _("A text in the body has a character NUL."))
        if isinstance(value, dict):
            waiting += [(inner, depth + 1) for inner in (*value, *value.values())]
        elif isinstance(value, list):
            waiting += [(inner, depth + 1) for inner in value]


def _device(caller, device_id):
    """The device of a path; one that is not the caller's to see is like none."""
    if caller.kind == "device":
        device = caller.device if device_id == caller.device.device_id else None
    else:
        devices = request.env["iot.device"].with_context(active_test=False)
        device = is_device_id(device_id) and devices.search([("device_id", "=", device_id)])
    if not device:
        raise ApiError(404, _("There is no device %s that you may see.", device_id))
    return device


def _once(call, handler):
    """(response, whether it is that of an earlier request with the same idempotency key)"""
    key = request.httprequest.headers.get(idempotency.HEADER)
    if key is None or call.endpoint.method != "POST":
        return _response(call, handler(call)), False
    return idempotency.once(request.env, call, key, _fingerprint(call.raw), lambda: _response(call, handler(call)))


def _fingerprint(raw):
    """What makes a request the same as another."""
    asked = f"{request.httprequest.method} {request.httprequest.full_path}\n".encode()
    return hashlib.sha256(asked + raw).hexdigest()


def _response(call, result):
    if isinstance(result, dict):
        result = Answer(result, call.endpoint.operation.status)
    if isinstance(result, Answer):
        body = {"success": True, **result.body} if call.endpoint.operation.envelope else result.body
        return json_response(body, result.status, result.headers)
    return result
