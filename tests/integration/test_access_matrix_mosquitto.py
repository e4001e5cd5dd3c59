"""Every type of device × every topic × publish and subscribe × own and foreign × active, revoked and unknown.

What counts is what is delivered: everything that a device tries to publish is looked for at an observer, and to
everything that it tries to subscribe to something is published. The broker's answers have to say the same.
"""

from contextlib import contextmanager
from dataclasses import replace

import pytest

from access_matrix import DEVICE_TYPES, FARM, PATTERNS, access_of, cases, device_id
from device_ca import DeviceCa
from mqtt_client import OFF_SECONDS, MqttClient
from smart_dairy_iot.bridge.config import load_config
from smart_dairy_iot.provisioning import BrokerUser, Change, broker_for

PASSWORD = "only for these tests"


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return DeviceCa(tmp_path_factory.mktemp("device_ca"))


@pytest.fixture(scope="module")
def broker(bed, ca):
    """One broker for all, with a listener for passwords and one for certificates."""
    with bed.broker("access_matrix", (ca.ca_file, ca.crl_file)) as running:
        yield running


@pytest.fixture(scope="module")
def config(broker):
    return load_config(broker.settings(), {}, environ={})


@pytest.fixture(scope="module")
def observer(config):
    """The bridge: it may publish, and receives, everything."""
    client = MqttClient(config, config.mqtt_bridge_client_id, config.mqtt_bridge_username, config.mqtt_bridge_password)
    assert client.subscribe("dairy/#")
    yield client
    client.close()


class Device:
    """One device of a type, whose user is made by password or by certificate alone."""

    def __init__(self, device_type, by_certificate, config, broker, ca):
        self.by_certificate = by_certificate
        self.access = access_of(device_type)
        self.active = BrokerUser(self.access, True)
        self._config = config
        self._password = None if by_certificate else PASSWORD
        self._how = {"username": self.access.username, "password": PASSWORD}
        if by_certificate:
            path, _facts = ca.certificate(self.access.username)
            self._how = {"certificate": path, "port": broker.certificates.port}

    def tell(self, after, before=None, password=None):
        change = Change(self.access.username, self.access.client_id, after, before, password=password)
        with broker_for(self._config) as users:
            assert list(users.apply([change])) == [change]

    def provision(self):
        self.tell(self.active, password=self._password)

    def remove(self):
        self.tell(None, self.active)

    @contextmanager
    def connected(self):
        client = MqttClient(self._config, self.access.client_id, **self._how)
        try:
            yield client
        finally:
            client.close()


@pytest.fixture(params=DEVICE_TYPES)
def device_type(request):
    return request.param


@pytest.fixture(params=[False, True], ids=["password", "certificate"])
def device(request, device_type, config, broker, ca):
    """A device that is active; gone afterwards."""
    device = Device(device_type, request.param, config, broker, ca)
    device.provision()
    yield device
    device.remove()


MARKER = ("dairy/marker", b"all that was published before has been delivered")


def payload(case):
    """What is published for a case, by the device or, where it tries to subscribe, by the observer."""
    return f"{case.action} {case.owner} {case.topic}".encode()


def attempts(client, observer, table):
    """Have the device try everything; what the broker granted and what was delivered, as two sets of cases."""
    requests = {
        case: client.send(case.topic, payload(case)) if case.action == "publish" else client.ask(case.topic)
        for case in table
    }
    granted = {case for case, request in requests.items() if client.granted(request)}
    wanted = [case for case in table if case.action == "subscribe" and case.owner != "everybody"]
    publications = [observer.send(case.topic, payload(case)) for case in wanted]
    publications.append(observer.send(*MARKER))
    assert all(observer.granted(publication) for publication in publications)
    at_observer = []
    while MARKER not in at_observer:
        message = observer.message()
        at_observer.append((message.topic, message.payload))
    # The answer to this comes after everything that the broker had for the device.
    client.subscribe("dairy/nothing")
    at_device = client.received()
    assert set(at_device) <= {(case.topic, payload(case)) for case in wanted} and len(at_device) == len(set(at_device))
    delivered = {
        case
        for case in table
        if (case.topic, payload(case)) in (at_observer if case.action == "publish" else at_device)
    }
    return granted, delivered


def assert_gets(client, observer, table, expected):
    granted, delivered = attempts(client, observer, table)
    assert delivered == expected
    assert granted == expected


def rights(table):
    return {case for case in table if case.allowed}


def assert_gets_nothing(device, observer, table):
    """A password is refused; a certificate that no list has revoked lets in, to do nothing."""
    with device.connected() as client:
        if device.by_certificate:
            assert_gets(client, observer, table, set())
        else:
            assert client.refused


# ---------------------------------------------------------------------- the tests


def test_the_table_has_every_topic_of_the_product_and_allows_each_device_six():
    for device_type in DEVICE_TYPES:
        table = cases(device_type)
        assert {case.action for case in table} == {"publish", "subscribe"}
        owners = {"own", "other_device", "other_farm", "other_type", "platform", "everybody"}
        assert {case.owner for case in table} == owners
        tried = {(case.topic, case.action) for case in table}
        assert all((pattern.fill(FARM, device_id(device_type)), "publish") in tried for pattern in PATTERNS)
        assert sorted((case.action, case.topic.rsplit("/")[-1]) for case in rights(table)) == [
            ("publish", "acks"),
            ("publish", "alerts"),
            ("publish", "data"),
            ("publish", "status"),
            ("subscribe", "commands"),
            ("subscribe", "config"),
        ]


def test_an_active_device_does_what_its_type_may_and_nothing_else(device, device_type, observer):
    table = cases(device_type)
    with device.connected() as client:
        assert_gets(client, observer, table, rights(table))


@pytest.mark.parametrize("kind", ["disabled", "deleted"])
def test_a_revoked_device_is_off_within_seconds_and_gets_nothing_when_it_returns(device, device_type, observer, kind):
    table = cases(device_type)
    revoked = replace(device.active, enabled=False) if kind == "disabled" else None
    with device.connected() as client:
        assert all(client.subscribe(topic) for topic in device.access.subscribe)
        device.tell(revoked, device.active)
        assert client.disconnected.wait(OFF_SECONDS)
    assert_gets_nothing(device, observer, table)


def test_a_device_that_is_enabled_again_has_its_rights_again(device, device_type, observer):
    table = cases(device_type)
    disabled = replace(device.active, enabled=False)
    device.tell(disabled, device.active)
    device.tell(device.active, disabled)
    with device.connected() as client:
        assert_gets(client, observer, table, rights(table))


@pytest.mark.parametrize("by_certificate", [False, True], ids=["password", "certificate"])
def test_a_device_that_was_never_provisioned_gets_nothing(device_type, by_certificate, config, broker, ca, observer):
    assert_gets_nothing(Device(device_type, by_certificate, config, broker, ca), observer, cases(device_type))
