"""What each type of device may do on each topic: one table that every broker is held to.

The topics are those of the product's own data; who may do what with them is stated here a second time, so that a change
of the product's rules is noticed.
"""

from dataclasses import dataclass
from xml.etree import ElementTree

from smart_dairy_iot.bridge.topics import DEVICE_PUBLISHES, DEVICE_SUBSCRIBES, TopicPattern
from smart_dairy_iot.provisioning import DeviceAccess
from stack.paths import ROOT

TOPIC_DATA = ROOT / "smart_dairy_iot" / "data" / "iot_topic_hierarchy.xml"
MAY_PUBLISH = {"data", "status", "alerts", "ack"}
MAY_SUBSCRIBE = {"commands", "config"}

FARM, OTHER_FARM = "HILL", "RIDGE"
OTHER_DEVICE = "OTHER-1"
FILTERS = ("#", "dairy/#", f"dairy/{FARM}/#", "dairy/+/+/+/data", "+/+/+/+/commands", "$share/group/dairy/#", "$SYS/#")
"""What only somebody who may read everything may subscribe to."""


@dataclass(frozen=True)
class Case:
    """One thing that a device tries.

    `owner` is whose topic it is: own, other_device, other_farm, other_type, platform, or everybody (a filter).
    `allowed` is what it gets while it is active; in any other state, nothing.
    """

    device_type: str
    action: str
    owner: str
    topic: str
    allowed: bool


def _patterns():
    """The active topic records of the product's data."""
    patterns = []
    for record in ElementTree.parse(TOPIC_DATA).getroot().iter("record"):
        if record.get("model") == "iot.topic.hierarchy":
            fields = {field.get("name"): field.text for field in record.iter("field")}
            patterns.append(TopicPattern(fields["topic_pattern"], fields["device_type"], fields["message_type"]))
    return patterns


PATTERNS = _patterns()
OF_DEVICES = [pattern for pattern in PATTERNS if "{device_id}" in pattern.pattern]
OF_PLATFORM = [pattern for pattern in PATTERNS if pattern not in OF_DEVICES]
DEVICE_TYPES = sorted({pattern.device_type for pattern in OF_DEVICES})


def device_id(device_type):
    """The id of the device that tries; names of nothing that the platform itself uses."""
    return f"{device_type.upper()}-1"


def access_of(device_type, farm=FARM, device=None):
    """The `DeviceAccess` of a device by the product's own rules (models/iot_acl_manager.py)."""
    device = device or device_id(device_type)
    own = [pattern for pattern in OF_DEVICES if pattern.device_type == device_type]
    return DeviceAccess(
        f"{device_type[:2].upper()}_{device}",
        f"sd_{device}",
        publish=tuple(pattern.fill(farm, device) for pattern in own if pattern.message_type in DEVICE_PUBLISHES),
        subscribe=tuple(pattern.fill(farm, device) for pattern in own if pattern.message_type in DEVICE_SUBSCRIBES),
    )


def cases(device_type):
    """All that a device of this type is to try, on its own topics and on everybody else's."""
    own, table = device_id(device_type), []

    def add(owner, topic, message_type):
        may = {"publish": MAY_PUBLISH, "subscribe": MAY_SUBSCRIBE} if owner == "own" else {}
        for action in ("publish", "subscribe"):
            table.append(Case(device_type, action, owner, topic, message_type in may.get(action, ())))

    for pattern in OF_DEVICES:
        if pattern.device_type == device_type:
            add("own", pattern.fill(FARM, own), pattern.message_type)
            add("other_device", pattern.fill(FARM, OTHER_DEVICE), pattern.message_type)
            add("other_farm", pattern.fill(OTHER_FARM, own), pattern.message_type)
        else:
            add("other_type", pattern.fill(FARM, own), pattern.message_type)
    for pattern in OF_PLATFORM:
        add("platform", pattern.fill(FARM, own), pattern.message_type)
    table += [Case(device_type, "subscribe", "everybody", topic_filter, False) for topic_filter in FILTERS]
    return table
