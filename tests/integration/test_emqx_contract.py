"""What EMQX lets a device do, by its own configuration, on the tables as the device register writes them.

Every device type, every type of message, publishing and subscribing, on the device's own topics and on others', in
every state that a user can be in. The queries are those of docker/emqx/config/emqx.conf; `emqx_semantics` judges their
rows.
"""

import os
import subprocess
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

import psycopg2
import pytest

from smart_dairy_iot.bridge.topics import DEVICE_PUBLISHES, DEVICE_SUBSCRIBES, DEVICE_TYPE_PATHS, TopicPattern
from smart_dairy_iot.provisioning import BrokerError, BrokerUser, Change, DeviceAccess, PasswordHash, broker_for
from stack.emqx_tables import INIT_SCRIPTS

PATTERN = "dairy/{farm_id}/{device_type}/{device_id}/{message_type}"
MESSAGE_TYPES = ("data", "status", "commands", "config", "alerts", "events", "aggregated", "health", "ack")
ATTEMPTS = 64
"""Of connections while two passwords are good: that all of them get the same hash has a chance of 2 to the -63."""

FARM, OTHER_FARM = "HILL", "RIDGE"


def topic_of(farm, device_type, device_id, message_type):
    return TopicPattern(PATTERN, device_type, message_type).fill(farm, device_id)


@dataclass(frozen=True)
class Device:
    """A device of the register, and the password that it was given."""

    device_type: str
    device_id: str
    farm: str = FARM

    @property
    def password(self):
        return f"password of {self.username}"  # not a secret: the tables live as long as the run

    @property
    def username(self):
        return f"{self.device_type[:2].upper()}_{self.device_id}"

    @property
    def client_id(self):
        return f"sd_{self.device_id}"

    def topic(self, message_type):
        return topic_of(self.farm, self.device_type, self.device_id, message_type)

    def user(self, **values):
        access = DeviceAccess(
            self.username,
            self.client_id,
            publish=tuple(map(self.topic, DEVICE_PUBLISHES)),
            subscribe=tuple(map(self.topic, DEVICE_SUBSCRIBES)),
        )
        return BrokerUser(access, **({"enabled": True, "password": PasswordHash.of(self.password)} | values))

    def change(self, user):
        return Change(self.username, self.client_id, user)


@pytest.fixture(params=DEVICE_TYPE_PATHS)
def device(request):
    """A device of each type."""
    return Device(request.param, "D-1")


@pytest.fixture
def neighbours(device):
    """Others, all of them in service: on the same farm, on another, and of another type."""
    other_type = next(name for name in DEVICE_TYPE_PATHS if name != device.device_type)
    return [Device(device.device_type, "D-2"), Device(device.device_type, "D-3", OTHER_FARM), Device(other_type, "D-4")]


@pytest.fixture
def provision(emqx_config):
    def apply(*changes):
        with broker_for(emqx_config) as broker:
            assert list(broker.apply(list(changes))) == list(changes)

    return apply


def foreign_topics(device, neighbours):
    """Topics that are not the device's: of others, of its own id elsewhere, of the platform, and filters over all."""
    for message_type in MESSAGE_TYPES:
        for neighbour in neighbours:
            yield neighbour.topic(message_type)
        for device_type in DEVICE_TYPE_PATHS:
            if device_type != device.device_type:
                yield topic_of(device.farm, device_type, device.device_id, message_type)
        yield topic_of(OTHER_FARM, device.device_type, device.device_id, message_type)
        yield topic_of(device.farm, device.device_type, "+", message_type)
        yield topic_of("+", device.device_type, device.device_id, message_type)
        yield f"{device.topic(message_type)}/more"
        yield device.topic(message_type).upper()
    yield from ("dairy/system/health", "dairy/system/alerts", f"dairy/{device.farm}/aggregated/hourly")
    yield from ("#", "+/#", "dairy/#", f"dairy/{device.farm}/#", f"{device.topic('')}#", f"{device.topic('')}+")
    yield from ("$SYS/#", "$SYS/brokers", "$delayed/60/dairy/system/health", "$share/bridge/dairy/#")


def rights(emqx, client, device, neighbours):
    """What the client may do, as (action, topic, QoS, retain): with the device's own topics, and with all others."""
    own = [(topic, qos, retain) for topic in map(device.topic, MESSAGE_TYPES) for qos in (0, 1, 2) for retain in (0, 1)]
    others = [(topic, 1, 0) for topic in foreign_topics(device, neighbours)]
    return {
        (action, topic, qos, retain)
        for action in ("publish", "subscribe")
        for topic, qos, retain in own + others
        if emqx.may(client, action, topic, qos, bool(retain))
    }


def rights_in_service(device):
    """What a device may do: publish and receive on its own topics, with any QoS, retained or not."""
    topics = {"publish": DEVICE_PUBLISHES, "subscribe": DEVICE_SUBSCRIBES}
    return {
        (action, device.topic(message_type), qos, retain)
        for action, message_types in topics.items()
        for message_type in message_types
        for qos in (0, 1, 2)
        for retain in (0, 1)
    }


def test_a_device_in_service_publishes_and_receives_on_its_own_topics_and_on_no_other(
    emqx, provision, device, neighbours
):
    provision(device.change(device.user()), *(other.change(other.user()) for other in neighbours))
    client = emqx.connect(device.username, device.client_id, device.password)
    assert not client.is_superuser
    assert rights(emqx, client, device, neighbours) == rights_in_service(device)


def test_a_device_with_a_certificate_has_the_same_rights_and_the_same_client_id(emqx, provision, device, neighbours):
    provision(device.change(device.user(password=None)), *(other.change(other.user()) for other in neighbours))
    client = emqx.connect_with_certificate(device.username)
    assert client.clientid == device.client_id
    assert rights(emqx, client, device, neighbours) == rights_in_service(device)
    assert emqx.connect(device.username, device.client_id, device.password) is None, "it was given no password"


def test_a_certificate_s_name_counts_and_not_what_the_client_calls_itself(emqx, provision, device, neighbours):
    victim = neighbours[0]
    provision(device.change(device.user(password=None)), victim.change(victim.user()))
    client = emqx.connect_with_certificate(device.username, username=victim.username, clientid=victim.client_id)
    assert (client.username, client.clientid) == (device.username, device.client_id)


@pytest.mark.parametrize("state", ["disabled", "deleted", "never provisioned"])
def test_a_device_out_of_service_does_not_get_in_and_has_no_rights_if_it_is_in(
    emqx, provision, device, neighbours, state
):
    provision(*(other.change(other.user()) for other in neighbours))
    if state != "never provisioned":
        provision(device.change(device.user()))
        provision(device.change(device.user(enabled=False) if state == "disabled" else None))
    assert emqx.connect(device.username, device.client_id, device.password) is None
    connected_before = emqx.connect_with_certificate(device.username)
    assert rights(emqx, connected_before, device, neighbours) == set()


def test_a_device_that_is_enabled_again_has_its_rights_back(emqx, provision, device, neighbours):
    user = device.user()
    provision(device.change(user))
    provision(device.change(replace(user, enabled=False)))
    provision(device.change(user))
    client = emqx.connect(device.username, device.client_id, device.password)
    assert rights(emqx, client, device, neighbours) == rights_in_service(device)


def test_a_device_that_moves_has_the_rights_of_its_new_farm_and_none_of_the_old(emqx, provision, device, neighbours):
    moved = replace(device, farm=OTHER_FARM)
    provision(device.change(device.user()))
    provision(moved.change(moved.user()))
    client = emqx.connect(device.username, device.client_id, device.password)
    assert rights(emqx, client, moved, neighbours) == rights_in_service(moved)
    assert not [right for right in rights(emqx, client, device, neighbours) if f"/{device.farm}/" in right[1]]


def test_only_the_very_password_and_client_id_get_in(emqx, provision, device, neighbours):
    other = neighbours[0]
    provision(device.change(device.user()), other.change(other.user()))
    assert emqx.connect(device.username, device.client_id, device.password)
    for username, client_id, password in [
        (device.username, device.client_id, other.password),
        (device.username, device.client_id, device.password.upper()),
        (device.username, device.client_id, f"{device.password} "),
        (device.username, device.client_id, ""),
        (device.username, device.client_id, None),
        (device.username, other.client_id, device.password),
        (device.username, device.username, device.password),
        (device.username, device.client_id.upper(), device.password),
        (device.username, "", device.password),
        (device.username, "sd_bridge", device.password),
        (other.username, device.client_id, device.password),
        (device.username.lower(), device.client_id, device.password),
        ("", device.client_id, device.password),
        ("' OR TRUE --", device.client_id, device.password),
    ]:
        assert emqx.connect(username, client_id, password) is None, (username, client_id, password)


def test_a_topic_of_the_register_is_never_a_filter_or_a_template(emqx, provision):
    device = Device("temperature", "T-1")
    topics = ("dairy/+/temperature/T-1/data", "dairy/HILL/${username}/data", "dairy/HILL/#")
    access = DeviceAccess(device.username, device.client_id, publish=topics, subscribe=topics)
    provision(device.change(replace(device.user(), access=access)))
    client = emqx.connect(device.username, device.client_id, device.password)
    for topic in ("dairy/HILL/temperature/T-1/data", "dairy/HILL/TE_T-1/data", "dairy/HILL/collars/C-1/data"):
        assert not emqx.may(client, "publish", topic)
        assert not emqx.may(client, "subscribe", topic)


def test_the_stored_hash_is_not_a_password(emqx, provision, device):
    user = device.user()
    provision(device.change(user))
    for secret in (user.password.digest, user.password.salt, user.password.salt + device.password):
        assert emqx.connect(device.username, device.client_id, secret) is None


# ---------------------------------------------------------------------- rotation


def rotated(device, until):
    return device.user(
        password=PasswordHash.of("new password"),
        previous_password=PasswordHash.of(device.password),
        previous_until=until.astimezone(timezone.utc).replace(tzinfo=None),
    )


def times_let_in(emqx, device, password):
    return sum(emqx.connect(device.username, device.client_id, password) is not None for _ in range(ATTEMPTS))


def test_in_the_grace_period_a_device_with_either_password_gets_in_within_a_few_attempts(emqx, provision, device):
    provision(device.change(rotated(device, datetime.now(timezone.utc) + timedelta(hours=1))))
    # The broker compares one hash at a time, which of the two is left to chance.
    assert 0 < times_let_in(emqx, device, "new password") < ATTEMPTS
    assert 0 < times_let_in(emqx, device, device.password) < ATTEMPTS
    assert times_let_in(emqx, device, "another password") == 0


def test_after_the_grace_period_only_the_new_password_gets_in_and_at_every_attempt(emqx, provision, device):
    provision(device.change(rotated(device, datetime.now(timezone.utc) - timedelta(seconds=1))))
    assert times_let_in(emqx, device, "new password") == ATTEMPTS
    assert times_let_in(emqx, device, device.password) == 0


def test_in_the_grace_period_a_disabled_device_gets_in_with_neither_password(emqx, provision, device):
    user = rotated(device, datetime.now(timezone.utc) + timedelta(hours=1))
    provision(device.change(replace(user, enabled=False)))
    assert times_let_in(emqx, device, "new password") == times_let_in(emqx, device, device.password) == 0


def test_a_previous_password_without_an_end_is_not_good(emqx, provision, device):
    provision(device.change(device.user(previous_password=PasswordHash.of("old password"))))
    assert times_let_in(emqx, device, "old password") == 0
    assert times_let_in(emqx, device, device.password) == ATTEMPTS


# ---------------------------------------------------------------------- rules that others wrote


@pytest.fixture
def client(emqx, provision):
    device = Device("temperature", "T-1")
    provision(device.change(device.user()))
    return emqx.connect(device.username, device.client_id, device.password)


@pytest.fixture
def write(emqx_tables):
    """Run a statement on the tables, as somebody does who may."""

    def execute(statement, *parameters):
        connection = psycopg2.connect(**emqx_tables.dsn())
        with connection, connection.cursor() as cursor:
            cursor.execute(statement, parameters)
        connection.close()

    return execute


ADD = "INSERT INTO mqtt_acl (username, permission, action, topic, qos, retain) VALUES ('TE_T-1', %s, %s, %s, %s, %s)"


def test_rules_are_tried_in_the_order_in_which_they_were_written(emqx, client, write):
    write(ADD, "deny", "all", "test/first", None, None)
    write(ADD, "allow", "all", "test/#", None, None)
    write(ADD, "deny", "all", "test/last", None, None)
    assert not emqx.may(client, "publish", "test/first")
    assert emqx.may(client, "publish", "test/last")


def test_a_topic_with_eq_is_taken_literally_and_one_without_is_a_filter(emqx, client, write):
    write(ADD, "allow", "subscribe", "eq literal/+/${username}", None, None)
    write(ADD, "allow", "subscribe", "filter/+/${username}/#", None, None)
    assert emqx.may(client, "subscribe", "literal/+/${username}")
    assert not emqx.may(client, "subscribe", "literal/a/${username}")
    assert not emqx.may(client, "subscribe", "literal/a/TE_T-1")
    assert emqx.may(client, "subscribe", "filter/a/TE_T-1/b/c")
    assert emqx.may(client, "subscribe", "filter/+/TE_T-1")
    assert not emqx.may(client, "subscribe", "filter/a/TE_T-2/b")
    assert not emqx.may(client, "subscribe", "filter/#")


def test_a_rule_for_one_qos_or_for_retained_messages_holds_for_those_alone(emqx, client, write):
    write(ADD, "allow", "publish", "qos", 1, None)
    write(ADD, "allow", "publish", "retained", None, 1)
    write(ADD, "allow", "publish", "fleeting", None, 0)
    assert [emqx.may(client, "publish", "qos", qos) for qos in (0, 1, 2)] == [False, True, False]
    assert [emqx.may(client, "publish", "retained", retain=retain) for retain in (False, True)] == [False, True]
    assert [emqx.may(client, "publish", "fleeting", retain=retain) for retain in (False, True)] == [True, False]


def test_a_wildcard_at_the_start_does_not_reach_the_broker_s_own_topics(emqx, client, write):
    write(ADD, "allow", "all", "#", None, None)
    assert emqx.may(client, "subscribe", "anything/at/all")
    assert not emqx.may(client, "subscribe", "$SYS/brokers")


def test_the_tables_take_no_superuser_no_user_without_a_salt_and_no_wildcard_in_a_name(client, write):
    insert = (
        "INSERT INTO mqtt_user (username, clientid, password_hash, salt, is_superuser) VALUES (%s, %s, 'x', %s, %s)"
    )
    write(insert, "XX_1", "sd_1", "salt", False)
    for values in [
        ("XX_2", "sd_2", "salt", True),
        ("XX_2", "sd_2", "", False),
        ("XX_2", "sd_2", None, False),
        ("XX_+", "sd_2", "salt", False),
        ("XX_2", "sd/2", "salt", False),
        ("XX_2", "sd_$", "salt", False),
        ("XX_2", "sd_1", "salt", False),
    ]:
        with pytest.raises(psycopg2.IntegrityError):
            write(insert, *values)
    with pytest.raises(psycopg2.IntegrityError):
        write("UPDATE mqtt_user SET is_superuser = TRUE")
    for values in [
        ("maybe", "all", "x", None, None),
        ("allow", "read", "x", None, None),
        ("allow", "all", "x", 3, None),
    ]:
        with pytest.raises(psycopg2.IntegrityError):
            write(ADD, *values)


def test_a_database_that_cannot_answer_lets_nobody_in_and_gives_no_rights(emqx, client, bed, emqx_tables):
    device = Device("temperature", "T-1")
    assert emqx.may(client, "publish", device.topic("data"))
    superuser = bed.postgres.superuser()
    for table in ("mqtt_acl", "mqtt_user"):
        superuser.query(emqx_tables.database, f"ALTER TABLE {table} RENAME TO away")
        try:
            assert not emqx.may(client, "publish", device.topic("data"))
        finally:
            superuser.query(emqx_tables.database, f"ALTER TABLE away RENAME TO {table}")
    emqx.close()
    superuser.query(emqx_tables.database, "ALTER ROLE emqx_broker NOLOGIN")
    try:
        assert emqx.connect(device.username, device.client_id, device.password) is None
        assert not emqx.may(client, "publish", device.topic("data"))
    finally:
        superuser.query(emqx_tables.database, "ALTER ROLE emqx_broker LOGIN")
    assert emqx.may(client, "publish", device.topic("data"))


# ---------------------------------------------------------------------- the platform's own users


@pytest.fixture
def make_bridge_user(bed, emqx_tables):
    """Runs the script that makes the bridge's user, as the container of the database does."""
    superuser = bed.postgres.superuser()
    environ = os.environ | superuser.environ()
    environ |= {"POSTGRES_USER": superuser.user, "POSTGRES_DB": emqx_tables.database}
    environ["PATH"] = f"{superuser.bin_dir}{os.pathsep}{environ['PATH']}"

    def make(password):
        environ["SMART_DAIRY_MQTT_BRIDGE_PASSWORD"] = password
        subprocess.run(["sh", INIT_SCRIPTS / "03-bridge-user.sh"], env=environ, check=True, timeout=30)

    return make


def test_the_bridge_may_use_all_topics_of_devices_and_none_of_the_broker_s_and_is_no_superuser(emqx, make_bridge_user):
    make_bridge_user("first password")
    make_bridge_user('it\'s "new" $(now)')
    assert emqx.connect("sd_bridge", "sd_bridge", "first password") is None
    assert emqx.connect("sd_bridge", "sd_T-1", 'it\'s "new" $(now)') is None
    bridge = emqx.connect("sd_bridge", "sd_bridge", 'it\'s "new" $(now)')
    assert not bridge.is_superuser
    for topic in ("dairy/HILL/temperature/T-1/commands", "dairy/system/health"):
        assert emqx.may(bridge, "publish", topic, qos=2, retain=True)
    for topic in ("dairy/+/temperature/+/data", "$share/bridges/dairy/+/collars/+/status"):
        assert emqx.may(bridge, "subscribe", topic)
    for topic in ("#", "$SYS/#", "other/topic"):
        assert not emqx.may(bridge, "subscribe", topic)


def test_a_device_cannot_be_given_the_bridge_s_client_id(emqx, make_bridge_user, provision):
    make_bridge_user("password of the bridge")
    impostor = Device("milk_meter", "bridge")
    with pytest.raises(BrokerError, match="sd_bridge"):
        provision(impostor.change(impostor.user()))
    assert emqx.connect("sd_bridge", "sd_bridge", "password of the bridge")


# ---------------------------------------------------------------------- the roles


def test_the_broker_s_role_reads_and_writes_nothing(emqx_tables):
    for statement in (
        "INSERT INTO mqtt_user (username, clientid) VALUES ('XX_1', 'sd_1')",
        "UPDATE mqtt_user SET is_active = TRUE",
        "DELETE FROM mqtt_acl",
        "CREATE TABLE more (id int)",
        "CREATE TEMPORARY TABLE more (id int)",
    ):
        connection = psycopg2.connect(**emqx_tables.dsn("emqx_broker"))
        connection.set_session(readonly=False)  # the role's own setting is no more than a hint
        with connection.cursor() as cursor:
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(statement)
        connection.close()


def test_the_register_s_role_changes_no_table(write):
    for statement in (
        "DROP TABLE mqtt_acl",
        "ALTER TABLE mqtt_user DROP CONSTRAINT mqtt_user_never_superuser",
        "CREATE TABLE more (id int)",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            write(statement)
