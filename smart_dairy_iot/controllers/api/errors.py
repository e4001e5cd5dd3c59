"""What an API request is answered when it fails: a stable code, a sentence and the HTTP status, never a traceback."""

import psycopg2
from psycopg2 import errorcodes
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from odoo import _
from odoo.exceptions import AccessDenied, AccessError, MissingError, UserError, ValidationError

from ...provisioning import BrokerError

CODES = {
    400: "invalid_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    411: "length_required",
    413: "too_large",
    415: "unsupported_media_type",
    416: "range_not_satisfiable",
    422: "invalid_payload",
    429: "rate_limited",
    500: "internal_error",
    503: "broker_unavailable",
}
"""The code that goes with each status."""

OTHER_CODES = ("idempotency_conflict", "unavailable")
"""Further ones: of 409, and of 503 where it is the database that cannot be had."""

HANDLED = (UserError, BrokerError, psycopg2.IntegrityError, psycopg2.DataError)
"""What the platform says of a request beside `ApiError`; everything else is a fault of the server."""

RETRY_SECONDS = "5"
"""What `Retry-After` says where it is the database that cannot be had."""

_TAKEN = (errorcodes.UNIQUE_VIOLATION, errorcodes.EXCLUSION_VIOLATION)


class ApiError(Exception):
    """A request that cannot be served.

    :param status: HTTP status, a key of `CODES`
    :param message: a sentence for the integrator
    :param code: where it is not the one of `CODES`
    :param details: list of {"field": path or name, "message": sentence}, e.g. of a body with several faults
    :param headers: further headers of the answer
    """

    def __init__(self, status, message, code=None, details=None, headers=None):
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code or CODES[status]
        self.details = details or []
        self.headers = headers or {}

    def body(self):
        """The answer's body."""
        error = {"code": self.code, "message": self.message}
        return {"success": False, "error": {**error, "details": self.details} if self.details else error}


def as_api_error(env, error):
    """The `ApiError` that an exception of the platform stands for."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, HTTPException):
        return _of_http(error)
    if isinstance(error, BrokerError) or isinstance(error.__cause__, BrokerError):
        return ApiError(503, str(error))
    if isinstance(error, psycopg2.IntegrityError):
        return ApiError(409 if error.pgcode in _TAKEN else 422, _integrity_message(env, error))
    if isinstance(error, psycopg2.DataError):
        return ApiError(422, _("A value is out of its range."))
    if isinstance(error, psycopg2.OperationalError):
        message = _("The database is busy or out of reach: try again.")
        return ApiError(503, message, code="unavailable", headers={"Retry-After": RETRY_SECONDS})
    statuses = {AccessDenied: 401, AccessError: 403, MissingError: 404, ValidationError: 422, UserError: 409}
    for kind, status in statuses.items():
        if isinstance(error, kind):
            return ApiError(status, str(error.args[0]))
    return ApiError(500, _("The server failed. What happened is in its log."))


def _of_http(error):
    if error.code == 404 or isinstance(error, RequestRedirect):
        return ApiError(404, _("There is nothing at this address."))
    if error.code == 405:
        return ApiError(
            405,
            _("This address does not take this method."),
            headers={"Allow": ", ".join(sorted(error.valid_methods or ()))},
        )
    if error.code in CODES:
        return ApiError(error.code, error.description)
    return ApiError(400, error.description or _("This request cannot be understood."))


def _integrity_message(env, error):
    """The sentence of the constraint that was violated."""
    # Superuser: the sentence that Odoo itself shows to everybody who meets the constraint.
    constraints = env["ir.model.constraint"].sudo()
    violated = constraints.search([("name", "=", error.diag.constraint_name)], limit=1)
    return violated.message or _("This contradicts what is registered already.")
