"""What differs between EMQX's tables and the register is found, and mended so that devices' own passwords fit again.

The tables are changed behind the register's back, as a person with psql would; who gets in afterwards is decided by
EMQX's own queries (see emqx_semantics).
"""

import time
from contextlib import closing
from types import SimpleNamespace

import psycopg2
import pytest

from cable import Cable
from emqx_semantics import Emqx
from emqx_stand_in import EmqxApiStandIn
from simulation.rpc import RpcError
from smart_dairy_iot.bridge.config import load_config
from smart_dairy_iot.provisioning import BrokerUser, Change, DeviceAccess, EmqxBroker, PasswordHash
from stack.emqx_tables import EmqxTables
from support import Database, Farm, log_in, new_code, takes_less_than

FOREIGN = "grafana"


@pytest.fixture(scope="module")
def emqx(test_bed_and_template):
    """An Odoo on EMQX's tables: its administrator's session, EMQX's side of them, the API, and a way to tamper."""
    bed, template = test_bed_and_template
    bed.copy_database(template, "drift")
    with EmqxTables(bed.postgres) as tables, EmqxApiStandIn() as api, Cable(bed.postgres.port) as cable:
        settings = {**tables.settings(), **api.settings(), "mqtt_auth_db_port": str(cable.port)}

        def tamper(statement, *parameters):
            with closing(psycopg2.connect(**tables.dsn())) as connection, connection, connection.cursor() as cursor:
                cursor.execute(statement, parameters)

        with bed.instance("drift", None, **settings) as instance:
            yield SimpleNamespace(
                odoo=log_in(instance),
                tables=Database(tables.dsn()),
                broker=Emqx(lambda: psycopg2.connect(**tables.dsn("emqx_broker"))),
                api=api,
                cable=cable,
                tamper=tamper,
            )
    bed.drop_database("drift")


@pytest.fixture
def device(emqx):
    emqx.cable.plug()
    emqx.api.requests.clear()
    return Farm(emqx.odoo, new_code()).provision(new_code("DR-"))


def check(emqx):
    emqx.odoo.call("iot.broker.drift", "action_check_now", [])


def found(emqx, username):
    """The rows of a user that are not mended yet."""
    domain = [["username", "=", username], ["state", "!=", "mended"]]
    return emqx.odoo.call("iot.broker.drift", "search_read", domain, ["kind", "details", "needs_password", "state"])


def found_one(emqx, username):
    check(emqx)
    (row,) = found(emqx, username)
    return row


def act(emqx, row, action):
    emqx.odoo.call("iot.broker.drift", action, [row["id"]])


def client_of(emqx, device):
    """The device as EMQX lets it in with its password, or None."""
    credentials = device.credentials
    return emqx.broker.connect(credentials.username, credentials.client_id, credentials.password)


def test_what_was_just_provisioned_is_no_drift(emqx, device):
    check(emqx)
    assert found(emqx, device.credentials.username) == []


def test_a_user_that_was_deleted_is_made_again_with_the_password_the_device_has(emqx, device):
    username = device.credentials.username
    emqx.tamper("DELETE FROM mqtt_user WHERE username = %s", username)
    assert client_of(emqx, device) is None
    row = found_one(emqx, username)
    assert (row["kind"], row["needs_password"]) == ("missing", False)
    act(emqx, row, "action_mend")
    client = client_of(emqx, device)
    assert emqx.broker.may(client, "publish", device.topic())
    assert found(emqx, username) == [], "the row closes itself"


def test_rights_that_were_added_are_named_and_taken_away(emqx, device):
    username = device.credentials.username
    emqx.tamper(
        "INSERT INTO mqtt_acl (username, permission, action, topic) VALUES (%s, 'allow', 'all', 'dairy/#')", username
    )
    row = found_one(emqx, username)
    assert row["kind"] == "stale"
    assert "dairy/#" in row["details"]
    act(emqx, row, "action_mend")
    client = client_of(emqx, device)
    assert not emqx.broker.may(client, "subscribe", "dairy/#")
    assert emqx.broker.may(client, "publish", device.topic())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("password_hash = repeat('0', 64)", "password"),
        ("password_hash = NULL", "no password"),
        ("is_active = false", "refused"),
        ("clientid = 'sd_somebody'", "sd_somebody"),
    ],
)
def test_a_user_that_was_changed_is_found_and_fits_its_device_again_once_it_is_mended(emqx, device, change, said):
    username = device.credentials.username
    emqx.tamper(f"UPDATE mqtt_user SET {change} WHERE username = %s", username)
    assert client_of(emqx, device) is None
    row = found_one(emqx, username)
    assert row["kind"] == "stale"
    assert said in row["details"]
    act(emqx, row, "action_mend")
    assert client_of(emqx, device)


def test_a_second_password_that_somebody_added_is_found_and_taken_away(emqx, device):
    username, client_id = device.credentials.username, device.credentials.client_id
    added = PasswordHash.of("added")
    emqx.tamper(
        "UPDATE mqtt_user SET previous_password_hash = %s, previous_salt = %s,"
        " previous_valid_until = CURRENT_TIMESTAMP + interval '10 years' WHERE username = %s",
        added.digest,
        added.salt,
        username,
    )
    assert any(emqx.broker.connect(username, client_id, "added") for _attempt in range(50))
    row = found_one(emqx, username)
    assert (row["kind"], "second password" in row["details"]) == ("stale", True)
    act(emqx, row, "action_mend")
    assert not any(emqx.broker.connect(username, client_id, "added") for _attempt in range(50))
    assert client_of(emqx, device)


def test_a_foreign_user_is_found_and_removed_with_its_connection(emqx, device):
    emqx.tamper(
        "INSERT INTO mqtt_user (username, clientid, password_hash, salt) VALUES (%s, 'grafana_1', 'no hash', 's')",
        FOREIGN,
    )
    row = found_one(emqx, FOREIGN)
    assert row["kind"] == "foreign"
    act(emqx, row, "action_ignore")
    assert found_one(emqx, FOREIGN)["state"] == "ignored"
    act(emqx, row, "action_remove")
    assert found(emqx, FOREIGN) == []
    assert emqx.tables.rows("SELECT 1 FROM mqtt_user WHERE username = %s", FOREIGN) == []
    assert "grafana_1" in emqx.api.kicked()


def test_an_authentication_database_that_is_away_is_told_in_a_sentence(emqx, device):
    emqx.cable.unplug()
    with pytest.raises(RpcError, match="authentication database"):
        check(emqx)
    assert "authentication database" in emqx.odoo.call("iot.broker.check", "summary")["problem"]
    emqx.cable.plug()
    check(emqx)
    assert not emqx.odoo.call("iot.broker.check", "summary")["problem"]


def test_tables_that_have_lost_everything_are_filled_again_as_fast_as_for_the_first_time(bed):
    with EmqxTables(bed.postgres) as tables, EmqxApiStandIn() as api:
        config = load_config({**tables.settings(), **api.settings()}, {}, environ={})
        changes = [creation(number) for number in range(10_000)]

        def fill():
            with EmqxBroker(config) as broker:
                assert len(list(broker.apply(changes))) == len(changes)

        def lose_everything():
            for statement in ("DELETE FROM mqtt_user", "VACUUM ANALYZE mqtt_user", "VACUUM ANALYZE mqtt_acl"):
                bed.postgres.superuser().query(tables.database, statement)

        started = time.monotonic()
        fill()
        first = time.monotonic() - started
        # It took eleven times as long when the planner took the tables for empty.
        assert takes_less_than(4 * first, fill, before=lose_everything)


def creation(number):
    topic = f"dairy/F/collars/C-{number}"
    topics = tuple(f"{topic}/{last}" for last in ("data", "status", "alerts", "commands", "config"))
    access = DeviceAccess(f"CO_C-{number}", f"sd_C-{number}", publish=topics[:3], subscribe=topics[3:])
    user = BrokerUser(access, enabled=True, password=PasswordHash("0" * 64, "salt"))
    return Change(access.username, access.client_id, user, effect="none")
