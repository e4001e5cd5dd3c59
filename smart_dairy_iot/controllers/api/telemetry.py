"""`POST /devices/{id}/telemetry`: messages of devices without MQTT.

They go through the very checks, dead letters and tables of those that come over the broker. What a message says is the
same, too: the body is the payload, or a list of payloads, and the query says of which type they are.
"""

import orjson

from odoo import _
from odoo.http import Controller

from ...bridge.ingestion import IngestionUnavailable
from ...bridge.messages import DEAD_LETTER, DEAD_LETTER_REASONS, DUPLICATE, STORED
from ...bridge.topics import DEVICE_PUBLISHES
from ...models.iot_device import TOPIC_FIELDS
from .base import Answer, ApiError, Operation, endpoint
from .heartbeat import unavailable
from .operations import COUNT, NULLABLE_TEXT

MOST_MESSAGES = 500

RESULT = {
    "type": "object",
    "required": ["outcome", "reason", "detail"],
    "properties": {
        "outcome": {"enum": [STORED, DUPLICATE, DEAD_LETTER]},
        "reason": {"enum": [*DEAD_LETTER_REASONS, None], "description": "Of a dead letter."},
        "detail": NULLABLE_TEXT,
    },
}


class TelemetryApi(Controller):
    @endpoint(
        "POST",
        "/devices/{id}/telemetry",
        Operation(
            summary="Send messages of a device",
            description=(
                "The body is a message as the device would publish it over MQTT, with `device_id` and `timestamp`, or"
                f" a list of up to {MOST_MESSAGES}. Each is checked and stored by itself, and `results` tells in the"
                " same order what became of it. What is there already is a `duplicate`, so that a repetition does no"
                " harm. What is refused is kept as a dead letter for a person to look at; do not send it again."
                "\n\nA device sends for itself; a farm manager may send for any device that he sees."
            ),
            query={
                "message_type": {
                    "type": "string",
                    "enum": list(DEVICE_PUBLISHES),
                    "default": "data",
                    "description": "What the messages are; all of a list are of one type.",
                }
            },
            body={
                "oneOf": [
                    {"type": "object"},
                    {"type": "array", "minItems": 1, "maxItems": MOST_MESSAGES, "items": {}},
                ]
            },
            raw_body=True,
            answer={
                "received": COUNT,
                "stored": COUNT,
                "duplicates": COUNT,
                "dead_letters": COUNT,
                "results": {"type": "array", "items": RESULT},
            },
            other_answers={
                207: "Some of the messages became dead letters; the others are stored.",
                422: "All of the messages became dead letters; `results` stands beside the error.",
                503: "The database cannot take them at the moment; send them again.",
            },
            callers=("device", "user"),
            routine=True,
        ),
    )
    def store_telemetry(self, call):
        if call.caller.kind == "user" and not call.env.user.has_group("smart_dairy_farm.group_farm_manager"):
            # A manager may issue the device's password, and so may speak for it anyway.
            raise ApiError(403, _("Only farm managers may send messages for a device."))
        payloads = _payloads(call.raw)
        message_type = call.query.get("message_type", "data")
        topic = call.device[TOPIC_FIELDS[message_type]]
        if not topic:
            raise ApiError(409, _("This device has no topic for %s messages.", message_type))
        # Superuser: the way into the store is the platform's own; that the caller may use it was checked above.
        ingestion = call.env["iot.ingestion"].sudo()._ingestion()
        try:
            return _answer(ingestion.store(topic, payloads))
        except IngestionUnavailable as error:
            raise unavailable(error) from error


def _payloads(raw):
    """Each message's bytes: of a single one those that were sent."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ApiError(400, _("The body is not JSON: %s", error)) from error
    if isinstance(body, dict):
        return [raw]
    if not isinstance(body, list) or not 1 <= len(body) <= MOST_MESSAGES:
        raise ApiError(400, _("The body is a message, or a list of 1 to %s messages.", MOST_MESSAGES))
    try:
        return [orjson.dumps(message) for message in body]
    except orjson.JSONEncodeError as error:
        raise ApiError(400, _("The body is nested too deeply.")) from error


def _answer(outcomes):
    names = [outcome.outcome for outcome in outcomes]
    refused = [outcome for outcome in outcomes if outcome.outcome == DEAD_LETTER]
    body = {
        "received": len(names),
        "stored": names.count(STORED),
        "duplicates": names.count(DUPLICATE),
        "dead_letters": len(refused),
        "results": [
            {"outcome": outcome.outcome, "reason": outcome.reason, "detail": outcome.detail} for outcome in outcomes
        ],
    }
    if len(refused) < len(names):
        return Answer(body, 207 if refused else 200)
    first = refused[0]
    message = _(
        "No message was stored. %(reason)s: %(detail)s", reason=DEAD_LETTER_REASONS[first.reason], detail=first.detail
    )
    return Answer({"success": False, "error": {"code": "invalid_payload", "message": message}, **body}, 422)
