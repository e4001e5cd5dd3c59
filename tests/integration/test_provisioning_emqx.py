"""A running Odoo that provisions on EMQX's tables, and what becomes of it when these, or EMQX's API, are away.

The tables are EMQX's own, and who gets in is decided by its own queries (see emqx_semantics); of the API there is a
stand-in. What Odoo reaches of both goes through cables that the tests unplug.
"""

from types import SimpleNamespace

import psycopg2
import pytest

from cable import Cable
from emqx_semantics import Emqx
from emqx_stand_in import BASE, EmqxApiStandIn
from mqtt_client import OFF_SECONDS
from simulation.devices import Credentials
from stack.emqx_tables import EmqxTables
from support import Database, Device, Farm, eventually, log_in, new_code, takes_less_than

MENDED_WITHIN_SECONDS = 180  # the scheduled action comes by once a minute


@pytest.fixture(scope="module")
def emqx(test_bed_and_template):
    """An Odoo on EMQX's tables; its administrator's session, its database, the tables, the API and the cables."""
    bed, template = test_bed_and_template
    bed.copy_database(template, "emqx")
    with EmqxTables(bed.postgres) as tables, EmqxApiStandIn() as api:
        with Cable(bed.postgres.port) as tables_cable, Cable(api.port) as api_cable:
            settings = tables.settings() | api.settings()
            settings["mqtt_auth_db_port"] = str(tables_cable.port)
            settings["emqx_api_url"] = f"http://127.0.0.1:{api_cable.port}{BASE}"
            with bed.instance("emqx", None, **settings) as instance:
                yield SimpleNamespace(
                    odoo=log_in(instance),
                    stored=Database(bed.postgres.dsn("emqx")),
                    tables=Database(tables.dsn()),
                    broker=Emqx(lambda: psycopg2.connect(**tables.dsn("emqx_broker"))),
                    api=api,
                    tables_cable=tables_cable,
                    api_cable=api_cable,
                    log=instance.log_file,
                )
    bed.drop_database("emqx")


@pytest.fixture(autouse=True)
def everything_in_reach(emqx):
    emqx.tables_cable.plug()
    emqx.api_cable.plug()
    emqx.api.requests.clear()


@pytest.fixture
def farm(emqx):
    return Farm(emqx.odoo, new_code())


def is_let_in(emqx, device, **changes):
    identity = {**vars(device.credentials), **changes}
    return emqx.broker.connect(identity["username"], identity["client_id"], identity["password"]) is not None


def act(emqx, device, action):
    return emqx.odoo.call("iot.device", action, [device.record_id])


def broker_state(emqx, device):
    (record,) = emqx.odoo.call("iot.device", "read", [device.record_id], ["state", "broker_state", "broker_error"])
    return record


def test_a_provisioned_device_is_let_in_by_the_broker_s_own_query_and_the_plain_password_is_nowhere(emqx, farm):
    device = farm.provision(new_code("EM-"))
    assert is_let_in(emqx, device)
    assert not is_let_in(emqx, device, client_id="sd_another")
    assert not is_let_in(emqx, device, password=device.credentials.password[:-1])
    for database in (emqx.tables, emqx.stored):
        assert not database.rows(
            "SELECT 1 FROM information_schema.tables AS t, LATERAL query_to_xml("
            "format('SELECT * FROM %%I.%%I AS r WHERE r::text LIKE %%L', t.table_schema, t.table_name, %s), "
            "false, true, '') AS found WHERE t.table_type = 'BASE TABLE' "
            "AND t.table_schema IN ('public') AND found::text LIKE '%%<row%%'",
            f"%{device.credentials.password}%",
        )
    assert device.credentials.password not in emqx.log.read_text(errors="replace")


def test_deactivating_refuses_the_device_and_ends_its_connection_and_reactivating_lets_it_in(emqx, farm):
    device = farm.provision(new_code("EM-"))

    def let_in():
        if not is_let_in(emqx, device):
            act(emqx, device, "action_reactivate")
        assert is_let_in(emqx, device)
        emqx.api.requests.clear()

    def shut_out():
        act(emqx, device, "action_deactivate")
        assert not is_let_in(emqx, device)
        assert device.credentials.client_id in emqx.api.kicked()

    assert takes_less_than(OFF_SECONDS, shut_out, before=let_in)
    let_in()


def test_decommissioning_leaves_nothing_of_the_device_in_the_tables(emqx, farm):
    device = farm.provision(new_code("EM-"))
    act(emqx, device, "action_decommission")
    username = device.credentials.username
    assert not emqx.tables.rows("SELECT 1 FROM mqtt_user WHERE username = %s", username)
    assert not emqx.tables.rows("SELECT 1 FROM mqtt_acl WHERE username = %s", username)
    assert device.credentials.client_id in emqx.api.kicked()


def test_with_the_tables_away_the_action_is_done_the_device_says_so_and_it_is_mended_by_itself(emqx, farm):
    emqx.tables_cable.unplug()
    device = farm.provision(new_code("EM-"))
    waiting = broker_state(emqx, device)
    assert (waiting["state"], waiting["broker_state"]) == ("active", "waiting")
    assert "authentication database" in waiting["broker_error"]
    assert not is_let_in(emqx, device)
    emqx.tables_cable.plug()
    eventually(lambda: is_let_in(emqx, device), "the device is let in", seconds=MENDED_WITHIN_SECONDS)
    eventually(lambda: broker_state(emqx, device)["broker_state"] == "up_to_date", "the device says so")


def test_with_tables_that_hang_the_user_is_not_kept_waiting_for_long(emqx, farm):
    emqx.tables_cable.freeze()
    device = farm.provision(new_code("EM-"))  # would run into the session's time-out if it hung
    assert broker_state(emqx, device)["broker_state"] == "waiting"
    emqx.tables_cable.plug()
    act(emqx, device, "action_tell_broker")
    assert is_let_in(emqx, device)


def test_a_revoked_device_whose_connection_could_not_be_ended_is_disconnected_once_the_api_is_back(emqx, farm):
    device = farm.provision(new_code("EM-"))
    emqx.api_cable.unplug()
    act(emqx, device, "action_deactivate")
    waiting = broker_state(emqx, device)
    assert (waiting["state"], waiting["broker_state"]) == ("inactive", "waiting")
    assert not is_let_in(emqx, device), "it cannot come back, whether or not its connection could be ended"
    assert not emqx.api.kicked()
    emqx.api_cable.plug()
    act(emqx, device, "action_tell_broker")
    assert device.credentials.client_id in emqx.api.kicked()


def test_both_passwords_are_good_while_the_grace_lasts_and_a_leaked_one_is_void_at_once(emqx, farm):
    device = farm.provision(new_code("EM-"))
    first = device.credentials.password
    second = act(emqx, device, "action_rotate_password")["context"]["default_mqtt_password"]
    # EMQX compares one of the two hashes, by chance: each is good within a few attempts.
    for password in (first, second):
        eventually(lambda password=password: is_let_in(emqx, device, password=password), "let in", every=0)
    third = act(emqx, device, "action_replace_password")["context"]["default_mqtt_password"]
    assert is_let_in(emqx, device, password=third)
    for password in (first, second):
        assert not any(is_let_in(emqx, device, password=password) for _attempt in range(20))
    assert device.credentials.client_id in emqx.api.kicked()


def test_moving_a_farm_moves_the_rights_of_its_devices(emqx, farm):
    device = farm.provision(new_code("EM-"))
    old, code = device.topic(), new_code("M")
    emqx.odoo.call("farm.location", "write", [farm.id], {"code": code})
    new = old.replace(f"/{farm.code}/", f"/{code}/")
    client = emqx.broker.connect(*vars(device.credentials).values())
    assert emqx.broker.may(client, "publish", new)
    assert not emqx.broker.may(client, "publish", old)
    assert emqx.broker.may(client, "subscribe", device.topic("config"))


def test_a_database_connection_that_is_killed_in_mid_action_costs_nothing(emqx, farm):
    first = farm.provision(new_code("EM-"))
    emqx.tables.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE usename = current_user AND datname = current_database() AND pid <> pg_backend_pid()"
    )
    second = farm.provision(new_code("EM-"))
    assert is_let_in(emqx, first)
    assert is_let_in(emqx, second)
    assert broker_state(emqx, second)["broker_state"] == "up_to_date"


def test_many_are_provisioned_and_decommissioned_in_one_action_each(emqx, farm):
    record_ids = [farm.register(f"{farm.code}-{number}", "collar") for number in range(60)]
    action = emqx.odoo.call("iot.device", "action_provision", record_ids)
    rows = action["params"]["credentials"]
    assert len(rows) == 60
    devices = [
        Device(
            farm,
            None,
            row["device_id"],
            "collar",
            Credentials(row["username"], row["client_id"], row["password"]),
        )
        for row in rows
    ]
    assert all(is_let_in(emqx, device) for device in devices)
    emqx.odoo.call("iot.device", "action_decommission", record_ids)
    assert not any(is_let_in(emqx, device) for device in devices)
    assert {device.credentials.client_id for device in devices} <= set(emqx.api.kicked())
