"""The API's own description: an OpenAPI 3.1 document made of the endpoints' declarations, and a page to read.

Both are public: what they tell is the product's, nothing of the database is in them.
"""

import re

from odoo.http import Controller, Response

from .apis import PREFIX, Api, api_of, register
from .base import Operation, endpoint
from .dispatcher import json_response
from .docs_page import docs_page
from .errors import CODES, OTHER_CODES, ApiError
from .idempotency import HEADER, KEY_PATTERN
from .operations import DEVICE_ID_PATTERN, endpoints_of

VERSION = "1.0.0"
PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

ERRORS = {
    400: "The request cannot be understood: its query, its body, its headers.",
    401: "No good credentials.",
    403: "The caller may not do this.",
    404: "Nothing of that name that the caller may see, or nothing at this address.",
    405: "The address is there, and does not take this method; `Allow` tells those that it takes.",
    409: "The state of things does not allow it, or the idempotency key stands for something else.",
    411: "A body without its length.",
    413: "The body is too large.",
    415: "The body is no `application/json`.",
    422: "Well-formed, but a value cannot be.",
    429: "Too many requests in this minute; `Retry-After` tells the seconds to wait.",
    503: "The broker or the database is out of reach, and nothing was changed.",
}
ERROR = {
    "type": "object",
    "required": ["success", "error"],
    "properties": {
        "success": {"const": False},
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {
                    "type": "string",
                    "enum": sorted({*CODES.values(), *OTHER_CODES}),
                    "description": "Stable: programs decide by it.",
                },
                "message": {"type": "string", "description": "A sentence for people, in the user's language."},
                "details": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["field", "message"],
                        "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
                    },
                },
            },
        },
    },
}
_ERROR_CONTENT = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
SECURITY = {
    "user": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key of an Odoo user, made in his preferences (Account Security). By it he may what he"
        " may on the screen.",
    },
    "device": {
        "type": "http",
        "scheme": "basic",
        "description": "A device's MQTT user name and password, for its own addresses.",
    },
}
_DEVICE_PARAMETER = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "The device ID.",
    "schema": {"type": "string", "pattern": DEVICE_ID_PATTERN},
}
_KEY_PARAMETER = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "Chosen by the caller, e.g. a UUID: a repetition with the same key within 24 hours does nothing anew"
    " and gets the answer of the first.",
    "schema": {"type": "string", "pattern": KEY_PATTERN},
}
_GOOD = {200: "Done.", 201: "Made.", 202: "Taken."}

register(
    Api(
        prefix=PREFIX,
        title="Smart Dairy IoT",
        description="The devices of dairy farms. Moments are UTC. Errors have a stable code and a sentence; so has the"
        " answer where there is nothing at an address (404), or not for this method (405).",
        error_body=ApiError.body,
        error_schema=ERROR,
    )
)


class OpenApi(Controller):
    @endpoint(
        "GET",
        "/openapi.json",
        Operation(
            summary="This description, as an OpenAPI 3.1 document",
            callers=("anybody",),
            answer={},
            content="application/vnd.oai.openapi+json",
        ),
    )
    def openapi_document(self, _call):
        """The document."""
        return document_response(PREFIX)

    @endpoint(
        "GET",
        "/docs",
        Operation(summary="This description, to read", callers=("anybody",), answer={}, content="text/html"),
    )
    def openapi_page(self, _call):
        """The document as a page that needs nothing from elsewhere."""
        return page_response(PREFIX)


def document_response(prefix):
    """The OpenAPI document of an API as a response."""
    headers = {"Content-Type": "application/vnd.oai.openapi+json; charset=utf-8"}
    return json_response(document(prefix), headers=headers)


def page_response(prefix):
    """The description of an API, to read, as a response."""
    headers = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": PAGE_POLICY}
    return Response(docs_page(document(prefix)), headers=headers)


def document(prefix=PREFIX):
    """The OpenAPI document of an API as a dict."""
    api = api_of(prefix)
    paths, callers = {}, set()
    for endpoint_ in sorted(endpoints_of(prefix), key=lambda declared: declared.path):
        paths.setdefault(endpoint_.address, {})[endpoint_.method.lower()] = _operation(endpoint_)
        callers |= set(endpoint_.operation.callers)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": api.title,
            "version": VERSION,
            "description": api.description,
        },
        "paths": paths,
        "components": {
            "securitySchemes": {caller: scheme for caller, scheme in SECURITY.items() if caller in callers},
            "schemas": {"Error": api.error_schema},
            "responses": {
                str(status): {"description": description, "content": _ERROR_CONTENT}
                for status, description in ERRORS.items()
            },
        },
    }


def _operation(declared):
    operation = declared.operation
    described = {
        "operationId": declared.name,
        "summary": operation.summary,
        "parameters": _parameters(declared),
        "responses": _responses(declared),
        "security": [{caller: []} for caller in operation.callers if caller in SECURITY],
    }
    if operation.description:
        described["description"] = operation.description
    if operation.body is not None:
        described["requestBody"] = {
            "required": operation.body_required,
            "content": {"application/json": {"schema": operation.body}},
        }
    return described


def _parameters(declared):
    operation = declared.operation
    parameters = []
    for name in re.findall(r"{(\w+)}", declared.path):
        other = {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        parameters.append(_DEVICE_PARAMETER if declared.concerns_device and name == "id" else other)
    for name, schema in operation.query.items():
        described = {"name": name, "in": "query", "required": False}
        told = {key: value for key, value in schema.items() if key != "description"}
        parameters.append({**described, "description": schema["description"], "schema": told})
    if declared.method == "POST":
        parameters.append(_KEY_PARAMETER)
    return parameters


def _responses(declared):
    operation = declared.operation
    is_json = operation.content == "application/json"
    content = {operation.content: operation.answer_schema() if is_json else {}, **operation.other_content}
    good = {"content": {media_type: {"schema": schema} for media_type, schema in content.items()}}
    responses = {str(operation.status): {"description": _GOOD[operation.status], **good}}
    for status in sorted(_errors(declared)):
        responses[str(status)] = {"$ref": f"#/components/responses/{status}"}
    for status, description in operation.other_answers.items():
        answer = good if status < 300 else {} if status < 400 else {"content": _ERROR_CONTENT}
        responses[str(status)] = {"description": description, **answer}
    return responses


def _errors(declared):
    """The statuses with which this operation may fail."""
    operation = declared.operation
    found = {400, 429}
    if "anybody" not in operation.callers:
        found |= {401, 403, 503}
    if "{" in declared.path:
        found |= {404}
    if operation.body is not None:
        found |= {411, 413, 415}
    if declared.writes:
        found |= {409, 422}
    return found
