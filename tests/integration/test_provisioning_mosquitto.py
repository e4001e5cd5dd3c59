"""Mosquitto with its dynamic security plugin does what the device register asks of it, and nothing more.

The package is used as it is, without Odoo; each test has a broker of its own.
"""

import json
from contextlib import contextmanager
from dataclasses import replace

import pytest

from mqtt_client import MqttClient
from smart_dairy_iot.bridge.config import load_config
from smart_dairy_iot.provisioning import (
    BrokerError,
    BrokerUnreachable,
    BrokerUser,
    Change,
    DeviceAccess,
    FoundUser,
    PasswordHash,
    broker_for,
)
from smart_dairy_iot.provisioning.mosquitto import CONTROL_TOPIC, MOST_IN_ONE_MESSAGE, RESPONSE_TOPIC

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


@pytest.fixture
def config(broker):
    return load_config(broker.settings(), {}, environ={})


@pytest.fixture
def users(config):
    """The broker's users, with one device among them."""
    with broker_for(config) as users:
        make(users, ACTIVE)
        yield users


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
    client = MqttClient(config, client_id, username=username, password=password)
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
    make(users, BrokerUser(other, True), "other password")
    with connected(config) as device:
        assert is_refused(config, username="TE_T-2", client_id=ACCESS.client_id, password="other password")
        assert device.publish(f"{OWN}/data"), "the device is still connected"


@pytest.mark.parametrize("before", [ACTIVE, None], ids=["known", "unknown"])
def test_disabling_disconnects_at_once_and_enabling_lets_in_with_the_same_password(config, users, before):
    with connected(config) as device:
        tell(users, DISABLED, before)
        assert device.disconnected.wait(2)
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
        assert device.disconnected.wait(2)
    assert is_refused(config)
    (answer,) = command(config, {"command": "getRole", "rolename": ACCESS.username})
    assert answer["error"] == "Role not found"


def test_making_a_user_again_replaces_password_and_rights_and_disconnects(config, users):
    moved = replace(ACCESS, publish=("dairy/RIDGE/temperature/T-1/data",), subscribe=())
    with connected(config) as device:
        make(users, replace(ACTIVE, access=moved), "new password")
        assert device.disconnected.wait(2)
    assert is_refused(config)
    with connected(config, password="new password") as device:
        assert device.publish("dairy/RIDGE/temperature/T-1/data")
        assert not device.publish(f"{OWN}/data")
        assert not device.subscribe(f"{OWN}/commands")


MOVED = replace(ACTIVE, access=replace(ACCESS, subscribe=("dairy/RIDGE/temperature/T-1/commands",)))


def test_new_rights_end_an_old_subscription_even_of_a_connected_device(config, broker, users):
    with (
        connected(config) as device,
        connected(config, broker.bridge_username, broker.bridge_client_id, broker.bridge_password) as bridge,
    ):
        assert device.subscribe(f"{OWN}/commands")
        tell(users, MOVED, ACTIVE)
        assert device.disconnected.wait(2)
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
        assert device.disconnected.wait(2)
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


# ---------------------------------------------------------------------- certificate-only users

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


# ---------------------------------------------------------------------- what is asked and what is refused


def test_the_users_are_told_as_they_are(config, broker, users):
    disabled = DeviceAccess("TE_T-2", "sd_T-2", publish=(f"{OTHER}/data",))
    make(users, BrokerUser(disabled, enabled=False))
    found = users.users()
    assert found.keys() == {broker.admin_username, broker.bridge_username, "TE_T-1", "TE_T-2"}
    assert found["TE_T-1"] == FoundUser(
        "TE_T-1", "sd_T-1", True, publish=frozenset(ACCESS.publish), subscribe=frozenset(ACCESS.subscribe)
    )
    assert found["TE_T-2"] == FoundUser("TE_T-2", "sd_T-2", False, publish=frozenset({f"{OTHER}/data"}))
    assert found[broker.bridge_username].others == (
        "it may publish dairy/#",
        "it may receive dairy/#",
        "it may subscribe dairy/#",
    )


def test_what_others_did_to_a_user_is_told_and_put_right_by_telling_everything(config, users):
    command(
        config,
        {"command": "createGroup", "groupname": "friends"},
        {"command": "addGroupClient", "groupname": "friends", "username": ACCESS.username},
        {
            "command": "addRoleACL",
            "rolename": ACCESS.username,
            "acltype": "subscribePattern",
            "topic": "dairy/#",
            "allow": True,
        },
        {
            "command": "addRoleACL",
            "rolename": ACCESS.username,
            "acltype": "publishClientSend",
            "topic": "x",
            "allow": False,
        },
        {"command": "modifyClient", "username": ACCESS.username, "clientid": ""},
    )
    before = users.users()[ACCESS.username]
    assert before.client_id is None
    assert set(before.others) == {"it is in the group friends", "it may subscribe dairy/#", "it may not publish x"}
    tell(users, ACTIVE)
    assert users.users()[ACCESS.username] == FoundUser(
        "TE_T-1", "sd_T-1", True, publish=frozenset(ACCESS.publish), subscribe=frozenset(ACCESS.subscribe)
    )
    assert not is_refused(config)


def test_a_disabled_user_that_kept_its_role_is_told_as_such(config, users):
    command(config, {"command": "disableClient", "username": ACCESS.username})
    (told,) = users.users()[ACCESS.username].others
    assert "a certificate lets it in" in told


def test_a_user_that_the_broker_does_not_know_is_named_with_what_to_do(users):
    unknown = BrokerUser(replace(ACCESS, username="TE_T-9", client_id="sd_T-9"), True, PasswordHash.of("lost"))
    for before in (None, replace(unknown, enabled=False), MOVED):
        with pytest.raises(BrokerError, match=r"does not know the user TE_T-9 .* new password"):
            tell(users, unknown, before)
    assert "TE_T-9" not in users.users()


def test_a_broker_that_allows_by_default_gets_no_devices_but_revokes(config, users):
    for wrong in ("publishClientSend", "publishClientReceive", "subscribe"):
        command(config, {"command": "setDefaultACLAccess", "acls": [{"acltype": wrong, "allow": True}]})
        other = BrokerUser(replace(ACCESS, username="TE_T-2", client_id="sd_T-2"), True)
        confirmed = []
        with pytest.raises(BrokerError, match=f"allows by default what it has to deny .{wrong}."):
            confirmed.extend(users.apply([change_of(other, password=PASSWORD), change_of(DISABLED, before=ACTIVE)]))
        assert is_refused(config, username="TE_T-2", client_id="sd_T-2")
        assert is_refused(config)
        command(config, {"command": "setDefaultACLAccess", "acls": [{"acltype": wrong, "allow": False}]})


def test_two_administrators_at_once_do_not_throw_each_other_out(config, users):
    with broker_for(config) as second:
        tell(second, DISABLED, ACTIVE)
        tell(users, ACTIVE, DISABLED)
        tell(second, None, ACTIVE)
    assert is_refused(config)


# ---------------------------------------------------------------------- many at a time


def change_of(user, before=None, **options):
    return Change(user.access.username, user.access.client_id, user, before, **options)


def numbered(number):
    topic = f"dairy/HILL/temperature/N-{number}"
    access = DeviceAccess(f"TE_N-{number}", f"sd_N-{number}", (f"{topic}/data",), (f"{topic}/commands",))
    return BrokerUser(access, True, PasswordHash.of(PASSWORD))


def test_many_changes_go_in_small_messages_revocations_first(config, users):
    known = [numbered(number) for number in range(40)]
    assert len(list(users.apply([change_of(user, password=PASSWORD) for user in known]))) == 40
    creations = [change_of(numbered(number), password=PASSWORD) for number in range(100, 220)]
    narrowings = [change_of(replace(user, access=replace(user.access, publish=())), user) for user in known[:20]]
    revocations = [change_of(replace(user, enabled=False), user) for user in known[20:]]
    with connected(config, config.mqtt_admin_username, "listener", config.mqtt_admin_password) as listener:
        assert listener.subscribe(RESPONSE_TOPIC)
        assert list(users.apply(creations + narrowings + revocations)) == revocations + narrowings + creations
        # One command of each kind of change, which only that kind has; one list for each message.
        kinds, telling = ("disableClient", "modifyRole", "createClient"), []
        while sum(map(len, telling)) < len(creations + narrowings + revocations):
            answers = json.loads(listener.message().payload)["responses"]
            telling.append([answer["command"] for answer in answers if answer["command"] in kinds])
    sizes = [len(commands) for commands in telling if commands]
    assert sizes[0] == 1, "how long one takes is not known yet"
    assert max(sizes) <= MOST_IN_ONE_MESSAGE
    order = [kinds.index(command) for commands in telling for command in commands]
    assert order == sorted(order)


def test_a_change_is_yielded_when_the_broker_has_it_and_not_all_wait_for_the_last(config, users):
    changes = [change_of(numbered(number), password=PASSWORD) for number in range(100)]
    under_way = users.apply(changes)
    with broker_for(config) as second:
        assert next(under_way).username in second.users()
        assert changes[-1].username not in second.users()
        assert list(under_way) == changes[1:]
        assert changes[-1].username in second.users()


@pytest.mark.parametrize("position", [0, 5, 29])
def test_what_the_broker_took_before_it_refused_something_is_told_exactly(config, users, position):
    known = [numbered(number) for number in range(30)]
    list(users.apply([change_of(user, password=PASSWORD) for user in known]))
    stranger = numbered(500)
    narrowings = [
        change_of(replace(user, access=replace(user.access, publish=())), user) for user in (*known, stranger)
    ]
    narrowings.insert(position, narrowings.pop())
    confirmed = []
    with pytest.raises(BrokerError, match=f"does not know the user {stranger.access.username}"):
        confirmed.extend(change.username for change in users.apply(narrowings))
    taken = {username for username, user in users.users().items() if not user.publish and "TE_N" in username}
    assert set(confirmed) == taken


def test_what_changes_nothing_is_confirmed_without_a_word_to_the_broker(config, users):
    assert list(users.apply([])) == []
    with connected(config) as device:
        tell(users, ACTIVE, ACTIVE, effect="none")
        tell(users, DISABLED, DISABLED, effect="none")
        assert device.publish(f"{OWN}/data")


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
    with pytest.raises(BrokerUnreachable, match=sentence) as error, broker_for(replace(config, **change)):
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
        with pytest.raises(BrokerUnreachable, match=r"closed the connection|did not answer"):
            make(users, ACTIVE)


def test_a_kind_of_broker_that_is_not_known_is_named(config):
    with pytest.raises(BrokerError, match="“carrier pigeon” is not known"):
        broker_for(replace(config, mqtt_broker_type="carrier pigeon"))
