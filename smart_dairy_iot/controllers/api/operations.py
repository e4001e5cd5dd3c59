"""What an endpoint takes and gives, said once: requests are checked by it, and openapi.json is made of it."""

import re
from dataclasses import dataclass, field
from itertools import islice

import jsonschema_rs

from odoo import _

from ...bridge import plain_words
from ...bridge.topics import IDENTIFIER
from .apis import PREFIX
from .errors import ApiError

MOST_DETAILS = 20
"""So many faults of a body are told; who mends those is told of the next."""

LONGEST_DETAIL = 300
"""Letters of a fault's text, which may have all of what was sent in it."""

DEVICE_ID_PATTERN = f"^{IDENTIFIER.pattern}$"
LARGEST_ID = 2**31 - 1
NULLABLE_TEXT = {"type": ["string", "null"]}
TIMESTAMP = {"type": ["string", "null"], "format": "date-time", "description": "UTC, e.g. 2026-01-31T05:30:00Z."}
DATE = {"type": ["string", "null"], "format": "date"}
DATABASE_ID = {"type": "integer", "minimum": 1, "maximum": LARGEST_ID}
COUNT = {"type": "integer", "minimum": 0}

PAGE = {
    "limit": {"type": "integer", "minimum": 1, "maximum": 500, "default": 100, "description": "At most so many."},
    "offset": {
        "type": "integer",
        "minimum": 0,
        "maximum": LARGEST_ID,
        "default": 0,
        "description": "Leave out so many before them.",
    },
}
"""Of the query of a list; `page` reads them."""


@dataclass(frozen=True)
class Operation:
    """One method of one path.

    :param summary: a short line
    :param answer: {key: JSON Schema} of a good answer, beside `success`; all of them are always there. Without
        `envelope` the answer's JSON Schema
    :param description: Markdown, where the summary is not enough
    :param query: {name: JSON Schema with a description} of the query; its types are string, integer, number, boolean
    :param body: JSON Schema of the body; None where there is none
    :param body_required: whether the body may be left out; `Call.body` is {} then
    :param raw_body: the handler reads the bytes (`Call.raw`) itself; `body` is then for the document alone
    :param entries_alone: the body is a list, and the handler itself refuses each entry that has a character NUL in a
        text, so that it keeps back no other
    :param status: HTTP status of a good answer
    :param callers: who may call: "user", "device" or both; "anybody" where it is public
    :param secret: the answer holds a password: it is not kept for a repetition with the same idempotency key
    :param routine: devices send it all day long: those that a device sent, and that were good, are in no audit trail
    :param envelope: whether a good answer has `success` and the keys of `answer`; a format that is another's has not
    :param content: media type of a good answer where it is no JSON at all
    :param other_content: {media type: JSON Schema} of a good answer that is not JSON
    :param other_answers: {status: description} of further good answers, and of errors that others do not have
    """

    summary: str
    answer: dict
    description: str = ""
    query: dict = field(default_factory=dict)
    body: dict | None = None
    body_required: bool = True
    raw_body: bool = False
    entries_alone: bool = False
    status: int = 200
    callers: tuple = ("user",)
    secret: bool = False
    routine: bool = False
    envelope: bool = True
    content: str = "application/json"
    other_content: dict = field(default_factory=dict)
    other_answers: dict = field(default_factory=dict)

    def answer_schema(self):
        """JSON Schema of a good answer."""
        if not self.envelope:
            return self.answer
        return {
            "type": "object",
            "required": ["success", *self.answer],
            "properties": {"success": {"const": True}, **self.answer},
        }


@dataclass(frozen=True)
class Endpoint:
    """An operation with its address.

    `path` is relative to `prefix`, with its parameters in braces, e.g. "/devices/{id}".
    """

    method: str
    path: str
    operation: Operation
    name: str
    """Of the handler; unique, and the operation's id in the document."""
    body_validator: object = None
    query_validator: object = None
    prefix: str = PREFIX

    @classmethod
    def of(cls, method, path, operation, name, prefix):
        """An endpoint with its validators compiled."""
        body = None
        if operation.body is not None and not operation.raw_body:
            body = _compiled(operation.body)
        query = {
            "type": "object",
            "properties": operation.query,
            "additionalProperties": False,
        }
        return cls(method, path, operation, name, body, _compiled(query), prefix)

    @property
    def address(self):
        """The whole path."""
        return self.prefix + self.path

    @property
    def concerns_device(self):
        """Whether its path names a device."""
        return self.prefix == PREFIX and "{id}" in self.path

    @property
    def writes(self):
        """Whether it changes anything."""
        return self.method != "GET"

    def check_body(self, body):
        """:raises ApiError: 400 with what is wrong where"""
        _check(self.body_validator, body, _("The body is not as it has to be"))

    def read_query(self, arguments):
        """The query's parameters in their types.

        :param arguments: werkzeug's MultiDict
        :raises ApiError: 400 with what is wrong where
        """
        values = {}
        for name, texts in arguments.lists():
            if "\0" in texts[0]:
                raise ApiError(400, _("A text in the query has a character NUL."))
            if len(texts) > 1:
                raise ApiError(400, _("The parameter %s is there twice.", name))
            values[name] = _typed(self.operation.query.get(name, {}).get("type"), texts[0])
        _check(self.query_validator, values, _("The query is not as it has to be"))
        return values


ENDPOINTS = []
"""All `Endpoint`s, in the order in which they are declared: of all APIs of all addons that the process has loaded."""


def endpoints_of(prefix):
    """The `Endpoint`s of one API."""
    return [endpoint for endpoint in ENDPOINTS if endpoint.prefix == prefix]


def is_device_id(text):
    """Whether this could be the ID of a device at all."""
    return bool(IDENTIFIER.fullmatch(text))


def page(query):
    """{"limit", "offset"} of a list's query, as `search` takes them."""
    return {name: query.get(name, schema["default"]) for name, schema in PAGE.items()}


def _compiled(schema):
    return jsonschema_rs.validator_for(schema, validate_formats=True)


def _check(validator, value, sentence):
    if validator.is_valid(value):
        return
    errors = list(islice(validator.iter_errors(value), MOST_DETAILS))
    details = [
        {"field": _field(error)[:LONGEST_DETAIL], "message": plain_words.sentence(error)[:LONGEST_DETAIL]}
        for error in errors
    ]
    raise ApiError(400, f"{sentence}: {plain_words.explain(errors[:1])}", details=details)


def _field(error):
    """Where a fault is, e.g. `devices.3.mac_address`: of a field that is missing, where it has to be."""
    steps = [*error.instance_path, *([error.kind.as_dict()["property"]] if error.kind.name == "required" else [])]
    return ".".join(str(step) for step in steps)


def _typed(kind, text):
    """A text of the query in the type of its schema; the text itself where it is none of that type."""
    if kind == "integer" and re.fullmatch(r"-?[0-9]{1,18}", text):
        return int(text)
    if kind == "number" and re.fullmatch(r"-?[0-9]{1,18}(\.[0-9]{1,18})?", text):
        return float(text)
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    return text
