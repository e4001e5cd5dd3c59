"""Mosquitto with its dynamic security plugin does what the device register asks of it, and nothing more.

The package is used as it is, without Odoo; each test has a broker of its own.
"""

from dataclasses import replace

import pytest

from mosquitto_users import (
    ACCESS,
    ACTIVE,
    DISABLED,
    MOVED,
    OTHER,
    OWN,
    PASSWORD,
    command,
    connected,
    is_refused,
    make,
    tell,
)
from mqtt_client import OFF_SECONDS
from smart_dairy_iot.bridge.config import load_config
from smart_dairy_iot.provisioning import BrokerUser, DeviceAccess, broker_for


@pytest.fixture
def config(broker):
    return load_config(broker.settings(), {}, environ={})


@pytest.fixture
def users(config):
    """The broker's users, with one device among them."""
    with broker_for(config) as users:
        make(users, ACTIVE)
        yield users


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
    make(users, BrokerUser(other, True), "other password")
    with connected(config) as device:
        assert is_refused(config, username="TE_T-2", client_id=ACCESS.client_id, password="other password")
        assert device.publish(f"{OWN}/data"), "the device is still connected"


@pytest.mark.parametrize("before", [ACTIVE, None], ids=["known", "unknown"])
def test_disabling_disconnects_at_once_and_enabling_lets_in_with_the_same_password(config, users, before):
    with connected(config) as device:
        tell(users, DISABLED, before)
        assert device.disconnected.wait(OFF_SECONDS)
    assert is_refused(config)
    tell(users, ACTIVE, before and DISABLED)
    with connected(config) as device:
        assert not device.refused
        assert device.publish(f"{OWN}/data")
        assert device.subscribe(f"{OWN}/commands")


def test_a_disabled_user_has_no_role_since_a_certificate_would_let_it_in(config, users):
    tell(users, DISABLED, ACTIVE)
    (answer,) = command(config, {"command": "getClient", "username": ACCESS.username})
    assert answer["data"]["client"]["roles"] == []


def test_a_user_may_be_made_disabled(config, users):
    make(users, DISABLED)
    assert is_refused(config)
    tell(users, ACTIVE, DISABLED)
    assert not is_refused(config)


def test_deleting_disconnects_at_once_and_leaves_nothing_behind(config, users):
    with connected(config) as device:
        tell(users, None, ACTIVE)
        assert device.disconnected.wait(OFF_SECONDS)
    assert is_refused(config)
    (answer,) = command(config, {"command": "getRole", "rolename": ACCESS.username})
    assert answer["error"] == "Role not found"


def test_making_a_user_again_replaces_password_and_rights_and_disconnects(config, users):
    moved = replace(ACCESS, publish=("dairy/RIDGE/temperature/T-1/data",), subscribe=())
    with connected(config) as device:
        make(users, replace(ACTIVE, access=moved), "new password")
        assert device.disconnected.wait(OFF_SECONDS)
    assert is_refused(config)
    with connected(config, password="new password") as device:
        assert device.publish("dairy/RIDGE/temperature/T-1/data")
        assert not device.publish(f"{OWN}/data")
        assert not device.subscribe(f"{OWN}/commands")


def test_new_rights_end_an_old_subscription_even_of_a_connected_device(config, broker, users):
    with (
        connected(config) as device,
        connected(config, broker.bridge_username, broker.bridge_client_id, broker.bridge_password) as bridge,
    ):
        assert device.subscribe(f"{OWN}/commands")
        tell(users, MOVED, ACTIVE)
        assert device.disconnected.wait(OFF_SECONDS)
        assert bridge.publish(f"{OWN}/commands", b"for the old place")
    with connected(config) as device:
        assert not device.subscribe(f"{OWN}/commands")
        assert device.subscribe("dairy/RIDGE/temperature/T-1/commands")


def test_new_rights_that_ask_for_no_disconnection_apply_at_once_and_leave_the_device_connected(config, broker, users):
    with (
        connected(config) as device,
        connected(config, broker.bridge_username, broker.bridge_client_id, broker.bridge_password) as bridge,
    ):
        assert device.subscribe(f"{OWN}/commands")
        tell(users, MOVED, ACTIVE, effect="refresh")
        assert device.subscribe("dairy/RIDGE/temperature/T-1/commands")
        assert bridge.publish(f"{OWN}/commands", b"for the old place")
        assert bridge.publish("dairy/RIDGE/temperature/T-1/commands", b"for the new place")
        assert device.message().payload == b"for the new place", "the old subscription brings nothing any more"


def test_a_client_id_that_changes_is_the_only_one_from_then_on(config, users):
    renamed = replace(ACTIVE, access=replace(ACCESS, client_id="sd_T-1a"))
    with connected(config) as device:
        tell(users, renamed, ACTIVE)
        assert device.disconnected.wait(OFF_SECONDS)
    assert is_refused(config)
    assert not is_refused(config, client_id="sd_T-1a")


def test_new_rights_do_not_let_a_disabled_device_in(config, users):
    tell(users, DISABLED, ACTIVE)
    narrowed = replace(DISABLED, access=replace(ACCESS, publish=()))
    tell(users, narrowed, DISABLED)
    assert is_refused(config)
    tell(users, replace(narrowed, enabled=True), narrowed)
    with connected(config) as device:
        assert not device.publish(f"{OWN}/data")


def test_every_change_may_be_repeated(config, users):
    def twice(*arguments):
        for _time in range(2):
            tell(users, *arguments)

    for _time in range(2):
        make(users, ACTIVE)
    twice(MOVED, ACTIVE)
    twice(DISABLED, ACTIVE)
    twice(ACTIVE, DISABLED)
    assert not is_refused(config)
    twice(None, ACTIVE)
    twice(DISABLED, ACTIVE)
    twice(DISABLED)


# ---------------------------------------------------------------------- users without a password

BY_CERTIFICATE = BrokerUser(ACCESS, True)


@pytest.mark.parametrize("before", [None, ACTIVE], ids=["new", "had a password"])
def test_a_user_without_a_password_cannot_log_in_by_any(config, users, before):
    tell(users, BY_CERTIFICATE, before)
    for password in ("", PASSWORD, "None", "null", ACCESS.username):
        assert is_refused(config, password=password)
    assert is_refused(config, password=None)


def test_a_user_without_a_password_stays_without_through_all_changes(config, users):
    disabled = replace(BY_CERTIFICATE, enabled=False)
    tell(users, BY_CERTIFICATE)
    tell(users, disabled, BY_CERTIFICATE)
    tell(users, BY_CERTIFICATE, disabled)
    tell(users, BY_CERTIFICATE)
    assert is_refused(config)
    assert is_refused(config, password="")


def test_a_user_without_a_password_that_the_broker_has_lost_is_made_again(config, users):
    disabled = replace(BY_CERTIFICATE, enabled=False)
    tell(users, None, BY_CERTIFICATE)
    tell(users, replace(BY_CERTIFICATE, access=MOVED.access), BY_CERTIFICATE)
    assert users.users()[ACCESS.username].subscribe == set(MOVED.access.subscribe)
    tell(users, None, BY_CERTIFICATE)
    tell(users, BY_CERTIFICATE, disabled)
    assert users.users()[ACCESS.username].enabled
    assert is_refused(config, password="")
