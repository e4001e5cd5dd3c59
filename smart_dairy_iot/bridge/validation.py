"""Payload validation by the active JSON schemas of `iot.topic.schema`, compiled once (jsonschema-rs)."""

import json

import jsonschema_rs

from .plain_words import explain


class PayloadValidator:
    """Checks payloads per (device type, message type).

    :param schemas: {(device_type, message_type): JSON schema as text}
    """

    def __init__(self, schemas):
        self._validators = {
            key: jsonschema_rs.validator_for(json.loads(schema), validate_formats=True)
            for key, schema in schemas.items()
        }

    def error(self, key, payload, brief=False):
        """What is wrong with a payload, as one sentence, or None where it is valid.

        A message type without an active schema accepts nothing: what is not described is not let in.

        :param brief: say no more than the first thing. The library writes all complaints at once, each with what it
            complains of: of a message of a megabyte that took seconds, for which everybody else's messages waited.
        """
        validator = self._validators.get(key)
        if validator is None:
            return f"no active schema for {key[1]} messages of type {key[0]}"
        if validator.is_valid(payload):
            return None
        return explain(_first_error(validator, payload) if brief else validator.iter_errors(payload))


def _first_error(validator, payload):
    try:
        validator.validate(payload)
    except jsonschema_rs.ValidationError as error:
        return [error]
    return []
