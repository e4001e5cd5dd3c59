"""From a message to what it means: a reading, a status or an alert of a known device, or a dead letter.

Defence in depth: topic, farm, type and device must be those of a registered device that may publish, and the payload
must be valid and name the topic's device, whatever the broker let through.
"""

from datetime import timedelta

import orjson

from .messages import Accepted, Refused
from .timestamps import parse_timestamp

#: A device's clock may be this far ahead of ours.
CLOCK_TOLERANCE = timedelta(minutes=5)
# Bytes of a payload of which all that is wrong is told; of a longer one it is the first thing.
_LONGEST_EXPLAINED = 16 * 1024


class Decoder:
    """Decodes messages with the topics, schemas and devices that hold at the moment.

    :param topics: `TopicTable`
    :param validator: `PayloadValidator`
    :param devices: `DeviceCache`
    :param retention: callable(device type) -> timedelta; an older reading would be dropped at once, so it is refused
    """

    def __init__(self, topics, validator, devices, retention):
        self.topics = topics
        self.validator = validator
        self.devices = devices
        self.retention = retention

    def doubtful(self, messages):
        """Ids of devices that would be refused by what is in memory, to be read again from the database."""
        routes = (self.topics.route(message.topic) for message in messages)
        return {route.device_id for route in routes if route is not None and self.devices.refusal(route)}

    def decode(self, message):
        """:return: `Accepted` or `Refused`"""
        route = self.topics.route(message.topic)
        if route is None:
            return Refused(message, "topic", "no topic pattern of a device matches this topic")
        device = self.devices.get(route.device_id)
        refusal = self.devices.refusal(route)
        if refusal:
            return Refused(message, *refusal, device=device)
        return self._decode_payload(message, route, device)

    def _decode_payload(self, message, route, device):
        try:
            payload = orjson.loads(message.payload)
        except orjson.JSONDecodeError as error:
            return Refused(message, "invalid_json", str(error), device)
        brief = len(message.payload) > _LONGEST_EXPLAINED
        error = self.validator.error((route.device_type, route.message_type), payload, brief)
        if error:
            return Refused(message, "schema", error, device)
        # Schemas are data that a user may edit: what the platform itself relies on is checked whatever they say.
        if not isinstance(payload, dict) or not isinstance(payload.get("timestamp"), str):
            return Refused(message, "schema", "a payload is an object with device_id and timestamp", device)
        if payload.get("device_id") != device.device_id:
            detail = f"the payload says {payload.get('device_id')}, the topic {device.device_id}"
            return Refused(message, "device_mismatch", detail, device)
        try:
            timestamp = parse_timestamp(payload["timestamp"])
        except ValueError as error:
            return Refused(message, "schema", f"timestamp: {error}", device)
        detail = self._clock_error(timestamp, message.received_at, self.retention(device.device_type))
        if detail:
            return Refused(message, "clock", detail, device)
        return Accepted(message, device, route.message_type, timestamp, payload.get("channel", 0), payload)

    def _clock_error(self, timestamp, received_at, retention):
        if timestamp > received_at + CLOCK_TOLERANCE:
            return f"{_utc(timestamp)} is more than five minutes ahead of {_utc(received_at)}"
        if timestamp < received_at - retention:
            return f"{_utc(timestamp)} is older than telemetry is kept ({retention.days} days)"
        return None


def _utc(moment):
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
