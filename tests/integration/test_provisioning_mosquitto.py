"""Mosquitto with its dynamic security plugin does what the device register asks of it, and nothing more.

The package is used as it is, without Odoo; each test has a broker of its own.
"""

import threading
from contextlib import contextmanager
from dataclasses import replace

import paho.mqtt.client as mqtt
import pytest

from smart_dairy_iot.bridge.config import load_config
from smart_dairy_iot.provisioning import BrokerError, DeviceAccess, broker_for

OWN = "dairy/HILL/temperature/T-1"
OTHER = "dairy/HILL/temperature/T-2"
ACCESS = DeviceAccess(
    "TE_T-1",
    "sd_T-1",
    publish=(f"{OWN}/data", f"{OWN}/status"),
    subscribe=(f"{OWN}/commands", f"{OWN}/config"),
)
PASSWORD = "a password of the device"  # not a secret: the broker lives as long as the test
PATIENCE_SECONDS = 10


@pytest.fixture
def config(broker):
    return load_config(broker.settings(), {}, environ={})


@pytest.fixture
def users(config):
    """The broker's users, with one device among them."""
    with broker_for(config) as users:
        users.create(ACCESS, PASSWORD)
        yield users


class Client:
    """A device at the broker, over MQTT 5, which says what it refuses."""

    def __init__(self, config, username, client_id, password):
        self.refused = None
        self._lock = threading.Condition()
        self._answers = {}
        self.disconnected = threading.Event()
        self._client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5, reconnect_on_failure=False
        )
        self._client.username_pw_set(username, password)
        self._client.tls_set(ca_certs=config.mqtt_ca_file)
        self._client.on_connect = lambda _c, _d, _f, reason, _p: self._note("connect", reason)
        self._client.on_publish = lambda _c, _d, mid, reason, _p: self._note(mid, reason)
        self._client.on_subscribe = lambda _c, _d, mid, reasons, _p: self._note(mid, reasons[0])
        self._client.on_message = lambda _c, _d, message: self._note("message", message)
        self._client.on_disconnect = lambda *_arguments: self.disconnected.set()
        self._client.connect(config.mqtt_broker_host, config.mqtt_broker_port)
        self._client.loop_start()
        self.refused = self._answer("connect").is_failure

    def publish(self, topic, payload=b"{}", retain=False):
        """Whether the broker took it."""
        with self._lock:
            mid = self._client.publish(topic, payload, qos=1, retain=retain).mid
        return not self._answer(mid).is_failure

    def subscribe(self, topic):
        """Whether the broker granted it."""
        with self._lock:
            mid = self._client.subscribe(topic, qos=1)[1]
        return not self._answer(mid).is_failure

    def message(self):
        """The next message that comes in."""
        return self._answer("message")

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()

    def _note(self, key, answer):
        with self._lock:
            self._answers.setdefault(key, []).append(answer)
            self._lock.notify_all()

    def _answer(self, key):
        with self._lock:
            assert self._lock.wait_for(lambda: self._answers.get(key), PATIENCE_SECONDS), f"no answer: {key}"
            return self._answers[key].pop(0)


@contextmanager
def connected(config, username=ACCESS.username, client_id=ACCESS.client_id, password=PASSWORD):
    client = Client(config, username, client_id, password)
    try:
        yield client
    finally:
        client.close()


def is_refused(config, **identity):
    with connected(config, **identity) as client:
        return client.refused


def test_a_user_connects_with_its_own_password_and_client_id_alone(config, broker, users):
    assert not is_refused(config)
    assert is_refused(config, password="another")
    assert is_refused(config, password="")
    assert is_refused(config, client_id="sd_T-2")
    assert is_refused(config, client_id=broker.bridge_client_id)
    assert is_refused(config, username="TE_T-2")


def test_a_user_uses_its_own_topics_and_no_others(config, users):
    with connected(config) as device:
        assert all(device.publish(topic) for topic in ACCESS.publish)
        assert all(device.subscribe(topic) for topic in ACCESS.subscribe)
        for topic in (*ACCESS.subscribe, f"{OTHER}/data", "dairy/system/health", "$CONTROL/dynamic-security/v1"):
            assert not device.publish(topic), topic
        for topic in (
            *ACCESS.publish,
            f"{OTHER}/commands",
            f"{OWN}/#",
            "dairy/+/temperature/T-1/commands",
            "#",
            "$SYS/#",
        ):
            assert not device.subscribe(topic), topic


def test_a_user_receives_what_is_published_on_its_own_topics(config, broker, users):
    with (
        connected(config) as device,
        connected(config, broker.bridge_username, broker.bridge_client_id, broker.bridge_password) as bridge,
    ):
        assert device.subscribe(f"{OWN}/commands")
        assert bridge.publish(f"{OWN}/commands", b"milk")
        assert device.message().payload == b"milk"


def test_another_user_cannot_take_over_a_device_s_client_id(config, users):
    other = DeviceAccess("TE_T-2", "sd_T-2", publish=(f"{OTHER}/data",))
    users.create(other, "other password")
    with connected(config) as device:
        assert is_refused(config, username="TE_T-2", client_id=ACCESS.client_id, password="other password")
        assert device.publish(f"{OWN}/data"), "the device is still connected"


def test_disabling_disconnects_at_once_and_enabling_lets_in_with_the_same_password(config, users):
    with connected(config) as device:
        users.disable(ACCESS.username)
        assert device.disconnected.wait(2)
    assert is_refused(config)
    users.enable(ACCESS.username)
    assert not is_refused(config)


def test_deleting_disconnects_at_once_and_leaves_nothing_behind(config, users):
    with connected(config) as device:
        users.delete(ACCESS.username)
        assert device.disconnected.wait(2)
    assert is_refused(config)
    # Were the role still there, making it would be refused.
    users._command({"command": "createRole", "rolename": ACCESS.username, "acls": []})


def test_making_a_user_again_replaces_password_and_rights_and_disconnects(config, users):
    moved = replace(ACCESS, publish=("dairy/RIDGE/temperature/T-1/data",), subscribe=())
    with connected(config) as device:
        users.create(moved, "new password")
        assert device.disconnected.wait(2)
    assert is_refused(config)
    with connected(config, password="new password") as device:
        assert device.publish("dairy/RIDGE/temperature/T-1/data")
        assert not device.publish(f"{OWN}/data")
        assert not device.subscribe(f"{OWN}/commands")


def test_new_rights_end_an_old_subscription_even_of_a_connected_device(config, broker, users):
    moved = replace(ACCESS, subscribe=("dairy/RIDGE/temperature/T-1/commands",))
    with (
        connected(config) as device,
        connected(config, broker.bridge_username, broker.bridge_client_id, broker.bridge_password) as bridge,
    ):
        assert device.subscribe(f"{OWN}/commands")
        users.set_acl(moved)
        assert device.disconnected.wait(2)
        assert bridge.publish(f"{OWN}/commands", b"for the old place")
    with connected(config) as device:
        assert not device.subscribe(f"{OWN}/commands")
        assert device.subscribe("dairy/RIDGE/temperature/T-1/commands")


def test_new_rights_do_not_let_a_disabled_device_in(config, users):
    users.disable(ACCESS.username)
    users.set_acl(replace(ACCESS, publish=()))
    assert is_refused(config)
    users.enable(ACCESS.username)
    with connected(config) as device:
        assert not device.publish(f"{OWN}/data")


def test_every_command_may_be_repeated(config, users):
    for _time in range(2):
        users.create(ACCESS, PASSWORD)
        users.set_acl(ACCESS)
    for _time in range(2):
        users.disable(ACCESS.username)
    for _time in range(2):
        users.enable(ACCESS.username)
    assert not is_refused(config)
    for _time in range(2):
        users.delete(ACCESS.username)
        users.disable(ACCESS.username)


def test_a_user_that_the_broker_does_not_know_is_named_with_what_to_do(users):
    with pytest.raises(BrokerError, match=r"does not know the user TE_T-9 .* new password"):
        users.enable("TE_T-9")


def test_a_broker_that_allows_by_default_gets_no_devices(config, users):
    users._command(
        {"command": "setDefaultACLAccess", "acls": [{"acltype": "publishClientSend", "allow": True}]},
    )
    with pytest.raises(BrokerError, match="allows by default what it has to deny"):
        users.create(replace(ACCESS, username="TE_T-2", client_id="sd_T-2"), PASSWORD)
    assert is_refused(config, username="TE_T-2", client_id="sd_T-2")


def test_two_administrators_at_once_do_not_throw_each_other_out(config, users):
    with broker_for(config) as second:
        second.disable(ACCESS.username)
        users.enable(ACCESS.username)
        second.delete(ACCESS.username)
    assert is_refused(config)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"mqtt_broker_port": 1}, "cannot be reached"),
        ({"mqtt_admin_password": "wrong"}, "refused the administrator"),
        ({"mqtt_ca_file": ""}, "cannot be reached"),
        ({"mqtt_broker_host": "host.invalid"}, "cannot be reached"),
    ],
)
def test_what_keeps_the_administrator_away_is_one_clear_sentence(config, change, sentence):
    with pytest.raises(BrokerError, match=sentence) as error, broker_for(replace(config, **change)):
        pytest.fail("the connection was made")
    assert "\n" not in str(error.value)
    assert config.mqtt_admin_password not in str(error.value)


def test_a_user_who_is_no_administrator_cannot_manage_users(config, broker, users):
    as_bridge = replace(config, mqtt_admin_username=broker.bridge_username, mqtt_admin_password=broker.bridge_password)
    with pytest.raises(BrokerError, match=r"refused the administrator|does not let the administrator"):
        with broker_for(as_bridge):
            pytest.fail("the connection was made")


def test_a_broker_that_stops_in_between_is_one_clear_sentence(config, broker):
    with broker_for(config) as users:
        broker.stop()
        with pytest.raises(BrokerError, match=r"closed the connection|did not answer"):
            users.create(ACCESS, PASSWORD)


def test_a_kind_of_broker_that_is_not_known_is_named(config):
    with pytest.raises(BrokerError, match="“carrier pigeon” is not known"):
        broker_for(replace(config, mqtt_broker_type="carrier pigeon"))
