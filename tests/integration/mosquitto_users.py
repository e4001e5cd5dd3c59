"""A device's user at Mosquitto, in the states that tests need, and how it fares there."""

import json
from contextlib import contextmanager
from dataclasses import replace

from mqtt_client import MqttClient
from smart_dairy_iot.provisioning import BrokerUser, Change, DeviceAccess, PasswordHash
from smart_dairy_iot.provisioning.mosquitto import CONTROL_TOPIC, RESPONSE_TOPIC

OWN = "dairy/HILL/temperature/T-1"
OTHER = "dairy/HILL/temperature/T-2"
ACCESS = DeviceAccess(
    "TE_T-1",
    "sd_T-1",
    publish=(f"{OWN}/data", f"{OWN}/status"),
    subscribe=(f"{OWN}/commands", f"{OWN}/config"),
)
PASSWORD = "a password of the device"  # not a secret: the broker lives as long as the test
ACTIVE = BrokerUser(ACCESS, True, PasswordHash.of(PASSWORD))
DISABLED = replace(ACTIVE, enabled=False)
MOVED = replace(ACTIVE, access=replace(ACCESS, subscribe=("dairy/RIDGE/temperature/T-1/commands",)))


def make(users, user, password=PASSWORD):
    """Make a user anew, with a password."""
    tell(users, user, password=password)


def tell(users, after, before=None, **options):
    """Carry out one change; it is to be confirmed."""
    access = (after or before).access
    change = Change(access.username, access.client_id, after, before, **options)
    assert list(users.apply([change])) == [change]


def command(config, *commands):
    """Tell the plugin something as another administrator would; returns its answers."""
    with connected(config, config.mqtt_admin_username, "another_admin", config.mqtt_admin_password) as client:
        assert client.subscribe(RESPONSE_TOPIC)
        assert client.publish(CONTROL_TOPIC, json.dumps({"commands": commands}))
        return json.loads(client.message().payload)["responses"]


@contextmanager
def connected(config, username=ACCESS.username, client_id=ACCESS.client_id, password=PASSWORD):
    """A connection with these credentials, whether the broker lets it in or not."""
    client = MqttClient(config, client_id, username=username, password=password)
    try:
        yield client
    finally:
        client.close()


def is_refused(config, **identity):
    """Whether the broker lets nobody in with the device's credentials, some of them changed."""
    with connected(config, **identity) as client:
        return client.refused


def change_of(user, before=None, **options):
    """The `Change` to a user who is to be there afterwards."""
    return Change(user.access.username, user.access.client_id, user, before, **options)


def numbered(number):
    """One of many users."""
    topic = f"dairy/HILL/temperature/N-{number}"
    access = DeviceAccess(f"TE_N-{number}", f"sd_N-{number}", (f"{topic}/data",), (f"{topic}/commands",))
    return BrokerUser(access, True, PasswordHash.of(PASSWORD))
