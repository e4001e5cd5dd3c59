"""What Mosquitto tells the device register, how it takes many changes, and what is said when it cannot take one."""

import json
from dataclasses import replace

import pytest

from cable import Cable
from mosquitto_users import (
    ACCESS,
    ACTIVE,
    DISABLED,
    MOVED,
    OTHER,
    OWN,
    PASSWORD,
    change_of,
    command,
    connected,
    is_refused,
    make,
    numbered,
    tell,
)
from smart_dairy_iot.bridge.config import load_config
from smart_dairy_iot.provisioning import (
    BrokerError,
    BrokerUnreachable,
    BrokerUser,
    DeviceAccess,
    FoundUser,
    PasswordHash,
    broker_for,
    mosquitto,
)
from smart_dairy_iot.provisioning.mosquitto import MOST_IN_ONE_MESSAGE, RESPONSE_TOPIC


@pytest.fixture
def config(broker):
    return load_config(broker.settings(), {}, environ={})


@pytest.fixture
def users(config):
    """The broker's users, with one device among them."""
    with broker_for(config) as users:
        make(users, ACTIVE)
        yield users


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


def test_a_broker_that_hangs_is_told_in_plain_words(config, monkeypatch):
    monkeypatch.setattr(mosquitto, "TIMEOUT_S", 0.5)
    with Cable(config.mqtt_broker_port) as cable:
        cable.freeze()
        with pytest.raises(BrokerUnreachable, match="does not answer"):
            with broker_for(replace(config, mqtt_broker_port=cable.port)):
                pytest.fail("the connection was made")


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
