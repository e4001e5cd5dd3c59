"""MQTT topics: from a pattern of `iot.topic.hierarchy` to topics, subscription filters and routes.

A pattern is `dairy/{farm_id}/{device_type}/{device_id}/{message_type}` with any of the placeholders filled in already;
`{farm_id}` stands for the farm's *code*.
"""

import re
from dataclasses import dataclass

#: Device type (as on `iot.device`) -> its segment of a topic.
DEVICE_TYPE_PATHS = {
    "milk_meter": "milk_meters",
    "temperature": "temperature",
    "collar": "collars",
    "feeder": "feeders",
    "gate": "gates",
    "waterer": "waterers",
    "environmental": "environmental",
}

#: Message types that a device publishes, hence what the bridge subscribes to.
DEVICE_PUBLISHES = ("data", "status", "alerts", "ack")
#: Message types that a device may receive.
DEVICE_SUBSCRIBES = ("commands", "config")

#: First segment of every topic: the platform's own rights at the broker go as far.
ROOT = "dairy"
HEALTH_TOPIC = "dairy/system/health"

#: Farm codes and device ids: no wildcard, separator or `$` can get into a topic or an ACL.
IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,64}")

# Wildcards, and what a text of MQTT cannot or should not have (MQTT 5.0, 1.5.4): Mosquitto ends the connection over it.
_NON_CHARACTERS = "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(17))
_NOT_IN_A_TOPIC = re.compile(f"[+#\0-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef{_NON_CHARACTERS}]")
# Mosquitto's limit, and that of the protocol.
_MOST_LEVELS, _MOST_TOPIC_BYTES = 200, 65535

# A farm group has some ten thousand devices with a few topics each; the cache is emptied rather than left to grow.
_ROUTE_CACHE_SIZE = 200_000


def check_publishable(topic):
    """See that a topic can be published to.

    A broker answers what it cannot read by ending the connection; sent again, it would do so for ever.

    :raises ValueError: saying what is wrong with it
    """
    if not topic:
        raise ValueError("the topic is empty")
    if _NOT_IN_A_TOPIC.search(topic):
        raise ValueError("the topic has a wildcard or a character that no topic has")
    if topic.count("/") >= _MOST_LEVELS or len(topic.encode()) > _MOST_TOPIC_BYTES:
        raise ValueError("the topic is too long")


@dataclass(frozen=True)
class TopicPattern:
    """One active record of `iot.topic.hierarchy`."""

    pattern: str
    device_type: str
    message_type: str

    def fill(self, farm_code, device_id):
        """The topic of one device."""
        return self._replace(farm_code, device_id)

    def subscription(self):
        """The filter that matches the topics of all devices."""
        return self._replace("+", "+")

    def overlaps(self, other):
        """Whether there is a topic that both patterns match."""
        ours, theirs = self.subscription().split("/"), other.subscription().split("/")
        return len(ours) == len(theirs) and all(
            one == another or "+" in (one, another) for one, another in zip(ours, theirs, strict=True)
        )

    def _replace(self, farm_code, device_id):
        path = DEVICE_TYPE_PATHS.get(self.device_type, self.device_type)
        topic = self.pattern.replace("{farm_id}", farm_code).replace("{device_id}", device_id)
        return topic.replace("{device_type}", path).replace("{message_type}", self.message_type)

    def expression(self):
        """The compiled expression that recognises a topic, with groups `farm_code` and `device_id`."""
        expression = re.escape(self._replace("{farm_id}", "{device_id}"))
        for placeholder, group in (("{farm_id}", "farm_code"), ("{device_id}", "device_id")):
            expression = expression.replace(re.escape(placeholder), rf"(?P<{group}>{IDENTIFIER.pattern})", 1)
        return re.compile(expression)


@dataclass(frozen=True)
class Route:
    """Where a topic belongs."""

    farm_code: str
    device_type: str
    device_id: str
    message_type: str


class TopicTable:
    """Finds the route of a topic among the patterns of what devices publish."""

    def __init__(self, patterns):
        self._patterns = [
            (pattern, pattern.expression())
            for pattern in patterns
            if pattern.message_type in DEVICE_PUBLISHES and pattern.device_type in DEVICE_TYPE_PATHS
        ]
        self._routes = {}

    def subscriptions(self):
        """Sorted filters that together match all that devices publish."""
        return sorted({pattern.subscription() for pattern, _expression in self._patterns})

    def route(self, topic):
        """The `Route` of a topic, or None where no pattern matches it."""
        route = self._routes.get(topic)
        if route is None:
            route = self._find(topic)
            if route is not None:
                if len(self._routes) >= _ROUTE_CACHE_SIZE:
                    self._routes.clear()
                self._routes[topic] = route
        return route

    def _find(self, topic):
        for pattern, expression in self._patterns:
            match = expression.fullmatch(topic)
            if match:
                parts = match.groupdict()
                if {"farm_code", "device_id"} <= parts.keys():
                    return Route(parts["farm_code"], pattern.device_type, parts["device_id"], pattern.message_type)
        return None
