"""`EmqxBroker` writes all or nothing, one at a time, and says in a sentence what keeps it from doing so."""

import os
import signal
import socket
import threading
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import datetime

import psycopg2
import pytest

from smart_dairy_iot.provisioning import (
    BrokerError,
    BrokerUnreachable,
    BrokerUser,
    Change,
    DeviceAccess,
    FoundUser,
    PasswordHash,
    broker_for,
    emqx_database,
)
from support import PATIENCE_SECONDS

MANY = 10_000
MANY_SECONDS = 60
"""What 10,000 users may take at most, on a machine that does much else: 4 seconds were measured on one."""


def user(number, client_id=None, **values):
    topic = f"dairy/HILL/collars/C-{number}"
    access = DeviceAccess(
        f"CO_C-{number}",
        client_id or f"sd_C-{number}",
        publish=tuple(f"{topic}/{name}" for name in ("data", "status", "alerts", "acks")),
        subscribe=tuple(f"{topic}/{name}" for name in ("commands", "config")),
    )
    return BrokerUser(access, **({"enabled": True, "password": PasswordHash(f"{number:064x}", "salt")} | values))


def change(wanted, effect="disconnect"):
    return Change(wanted.access.username, wanted.access.client_id, wanted, effect=effect)


def removal(wanted, effect="disconnect"):
    return Change(wanted.access.username, wanted.access.client_id, None, effect=effect)


def found(wanted):
    """The user as it is found when it is as wanted."""
    access = wanted.access
    return FoundUser(
        access.username,
        access.client_id,
        wanted.enabled,
        frozenset(access.publish),
        frozenset(access.subscribe),
        wanted.password,
    )


def apply(config, *changes):
    with broker_for(config) as broker:
        return list(broker.apply(list(changes)))


def users(config):
    with broker_for(config) as broker:
        return broker.users()


@pytest.fixture
def rows(emqx_tables):
    """The rows of a statement on the tables."""

    def query(statement, *parameters):
        with closing(psycopg2.connect(**emqx_tables.dsn())) as connection, connection, connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    return query


@contextmanager
def in_thread(function, *arguments):
    """Run the function beside the block; afterwards it has ended, or the test fails."""
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    yield thread
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()


# ---------------------------------------------------------------------- what is written


def test_what_was_written_is_found_again(emqx_config):
    wanted = [user(1), user(2, enabled=False), user(3, password=None)]
    changes = [change(one) for one in wanted]
    assert apply(emqx_config, *changes) == changes
    assert users(emqx_config) == {one.access.username: found(one) for one in wanted}


def test_writing_it_again_changes_nothing_at_all(emqx_config, rows):
    state = (
        "SELECT u.xmin::text, u.*, a.xmin::text, a.* FROM mqtt_user u JOIN mqtt_acl a USING (username) ORDER BY a.id"
    )
    rotated = user(2, previous_password=PasswordHash("ab", "cd"), previous_until=datetime(2030, 1, 1))
    changes = [change(user(1)), change(rotated), removal(user(3))]
    apply(emqx_config, *changes)
    before = rows(state)
    apply(emqx_config, *changes)
    assert rows(state) == before


def test_a_user_is_deleted_with_its_rights_and_one_that_is_not_there_is_no_error(emqx_config, rows):
    apply(emqx_config, change(user(1)), change(user(2)))
    for _time in range(2):
        apply(emqx_config, removal(user(1)))
    assert users(emqx_config) == {"CO_C-2": found(user(2))}
    assert rows("SELECT count(*) FROM mqtt_acl WHERE username = 'CO_C-1'") == [(0,)]


def test_a_client_id_may_pass_from_a_user_that_goes_to_one_that_comes(emqx_config):
    apply(emqx_config, change(user(1)))
    successor = user(2, client_id="sd_C-1")
    apply(emqx_config, change(successor), removal(user(1)))
    assert users(emqx_config) == {"CO_C-2": found(successor)}


def test_rights_that_others_wrote_are_found_and_put_right(emqx_config, rows):
    apply(emqx_config, change(user(1)))
    rows("DELETE FROM mqtt_acl WHERE topic LIKE '%%/commands'")
    rows("INSERT INTO mqtt_acl (username, permission, action, topic) VALUES ('CO_C-1', 'allow', 'all', 'dairy/#')")
    rows(
        "INSERT INTO mqtt_acl (username, permission, action, topic, qos, retain)"
        " VALUES ('CO_C-1', 'deny', 'publish', 'eq a', 2, 0)"
    )
    drifted = users(emqx_config)["CO_C-1"]
    assert drifted.subscribe == {"dairy/HILL/collars/C-1/config"}
    assert drifted.others == ("allow all dairy/#", "deny publish eq a, QoS 2, retain 0")
    apply(emqx_config, change(user(1)))
    assert users(emqx_config) == {"CO_C-1": found(user(1))}


def test_a_user_that_the_database_refuses_leaves_all_of_them_out_and_is_named(emqx_config):
    apply(emqx_config, change(user(1)))
    taken = user(2, client_id="sd_C-1")
    with pytest.raises(BrokerError, match=r"refused a user: .*sd_C-1.* already exists") as error:
        apply(emqx_config, change(user(3)), change(taken))
    assert not isinstance(error.value, BrokerUnreachable)
    assert users(emqx_config) == {"CO_C-1": found(user(1))}


def test_ten_thousand_users_are_written_and_rotated_and_read_in_seconds(emqx_config, rows):
    seconds = {}
    for name, act in {
        "made": lambda: apply(emqx_config, *(change(user(number), "none") for number in range(MANY))),
        "rotated": lambda: apply(
            emqx_config, *(change(user(number, password=PasswordHash("ab", "cd")), "none") for number in range(MANY))
        ),
        "read": lambda: users(emqx_config),
        "deleted": lambda: apply(emqx_config, *(removal(user(number), "none") for number in range(MANY))),
    }.items():
        started = time.monotonic()
        act()
        seconds[name] = time.monotonic() - started
    print(seconds)  # seen with pytest's -s
    assert max(seconds.values()) < MANY_SECONDS
    assert rows("SELECT count(*) FROM mqtt_user") == rows("SELECT count(*) FROM mqtt_acl") == [(0,)]


# ---------------------------------------------------------------------- open connections


def test_only_the_connections_that_must_end_are_ended_and_only_the_rights_that_changed_are_forgotten(
    emqx_config, emqx_api
):
    emqx_api.connected = {f"sd_C-{number}" for number in range(6)}
    apply(
        emqx_config,
        change(user(1), "none"),
        change(user(2), "refresh"),
        change(user(3, enabled=False), "disconnect"),
        removal(user(4)),
        change(user(9), "refresh"),  # is not connected: no error
    )
    assert [(request.method, request.path, request.body) for request in emqx_api.requests] == [
        ("POST", "/clients/kickout/bulk", ["sd_C-3", "sd_C-4"]),
        ("DELETE", "/clients/sd_C-2/authorization/cache", None),
        ("DELETE", "/clients/sd_C-9/authorization/cache", None),
    ]
    assert emqx_api.connected == {"sd_C-0", "sd_C-1", "sd_C-2", "sd_C-5"}


def test_who_has_another_client_id_now_or_was_foreign_is_disconnected_by_the_one_it_had(emqx_config, emqx_api):
    apply(emqx_config, change(user(1), "none"), change(user(2), "none"))
    renamed = user(1, client_id="sd_new")
    apply(emqx_config, change(renamed), Change(username="CO_C-2", client_id="", after=None))
    assert emqx_api.kicked() == {"sd_C-1", "sd_new", "sd_C-2"}


def test_many_connections_end_in_few_requests_and_many_rights_are_forgotten_in_one(emqx_config, emqx_api):
    apply(emqx_config, *(change(user(number, enabled=False)) for number in range(2500)))
    assert len(emqx_api.requests) == 3
    assert len(emqx_api.kicked()) == 2500
    emqx_api.requests.clear()
    apply(emqx_config, *(change(user(number), "refresh") for number in range(2500)))
    assert [(request.method, request.path) for request in emqx_api.requests] == [("DELETE", "/authorization/cache")]


def test_a_connection_ends_only_after_its_rights_are_gone_so_that_it_cannot_come_back(
    emqx_config, emqx_api, rows, monkeypatch
):
    apply(emqx_config, change(user(1), "none"))
    seen = []
    kick = emqx_api._answer

    def answer(*arguments):
        seen.extend(rows("SELECT is_active FROM mqtt_user"))
        return kick(*arguments)

    monkeypatch.setattr(emqx_api, "_answer", answer)
    apply(emqx_config, change(user(1, enabled=False)))
    assert seen == [(False,)]


@pytest.mark.parametrize(
    ("trouble", "sentence"),
    [
        ("failing", r"answered POST /clients/kickout/bulk with status 500 \(UNKNOWN_ERROR\)"),
        ("silent", "did not answer within 1 seconds"),
        ("wrong key", "refused the key: set emqx_api_key and emqx_api_password"),
        ("down", "cannot be reached: is EMQX running"),
    ],
)
def test_an_api_in_trouble_leaves_the_rights_written_says_so_and_is_told_again(
    emqx_config, emqx_api, monkeypatch, trouble, sentence
):
    config = emqx_config
    if trouble == "silent":
        monkeypatch.setattr("smart_dairy_iot.provisioning.emqx_api.ANSWER_TIMEOUT_S", 1)
    if trouble == "wrong key":
        config = replace(config, emqx_api_password="wrong")
    elif trouble == "down":
        config = replace(config, emqx_api_url="http://127.0.0.1:1/api/v5")
    else:
        setattr(emqx_api, trouble, True)
    with pytest.raises(BrokerUnreachable, match=rf"^The rights of devices are written, but .*{sentence}") as error:
        apply(config, change(user(1, enabled=False)))
    assert "\n" not in str(error.value)
    assert emqx_config.emqx_api_password not in str(error.value)
    assert users(emqx_config) == {"CO_C-1": found(user(1, enabled=False))}
    monkeypatch.undo()
    emqx_api.failing = emqx_api.silent = False
    emqx_api.requests.clear()
    apply(emqx_config, change(user(1, enabled=False)))
    assert emqx_api.kicked() == {"sd_C-1"}


def test_the_api_s_secret_goes_to_no_other_address(emqx_config, emqx_api, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    apply(emqx_config, change(user(1)))
    assert emqx_api.kicked() == {"sd_C-1"}


# ---------------------------------------------------------------------- one at a time


@pytest.fixture
def another_process(emqx_config):
    """The configuration as another process has it: by the server's other name, it gets a connection of its own."""
    return replace(emqx_config, mqtt_auth_db_host="localhost")


def test_who_comes_second_waits_until_the_first_is_done_and_then_writes_over_it(emqx_config, another_process):
    order = []

    def second():
        with broker_for(another_process) as broker:
            order.append("second is in")
            list(broker.apply([change(user(1), "none")]))

    with ExitStack() as stack:
        with broker_for(emqx_config) as first:
            thread = stack.enter_context(in_thread(second))
            list(first.apply([change(user(1, enabled=False), "none")]))
            thread.join(0.5)
            order.append("first is done")
    assert order == ["first is done", "second is in"]
    assert users(emqx_config)["CO_C-1"].enabled


def test_who_waits_too_long_for_another_gets_a_sentence(emqx_config, another_process, monkeypatch):
    apply(emqx_config, change(user(1)))
    with broker_for(another_process):
        with pytest.raises(BrokerUnreachable, match="being written to by another process for more than 5 seconds"):
            apply(emqx_config, change(user(2)))
    apply(emqx_config, change(user(3)))
    assert users(emqx_config).keys() == {"CO_C-1", "CO_C-3"}


def test_who_could_not_begin_does_not_keep_the_others_out(emqx_config, emqx_tables, another_process, bed):
    superuser = bed.postgres.superuser()
    superuser.query(emqx_tables.database, "ALTER SEQUENCE mqtt_writer_turn RENAME TO gone")
    try:
        with pytest.raises(BrokerUnreachable, match="lacks tables"):
            apply(emqx_config, change(user(1)))
    finally:
        superuser.query(emqx_tables.database, "ALTER SEQUENCE gone RENAME TO mqtt_writer_turn")
    apply(another_process, change(user(2)))
    assert users(another_process).keys() == {"CO_C-2"}


# ---------------------------------------------------------------------- a database in trouble


OURS = "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'smart_dairy_iot provisioning'"


def kill_connections(rows):
    return rows(f"SELECT pg_terminate_backend(pid) {OURS}")


def test_a_connection_that_is_killed_between_two_uses_or_within_one_costs_nothing(emqx_config, rows):
    apply(emqx_config, change(user(1)))
    assert kill_connections(rows)
    apply(emqx_config, change(user(2)))
    with broker_for(emqx_config) as broker:
        assert kill_connections(rows)
        list(broker.apply([change(user(3))]))
    assert users(emqx_config).keys() == {"CO_C-1", "CO_C-2", "CO_C-3"}


def test_after_a_broken_connection_nothing_is_written_over_what_another_wrote_meanwhile(
    emqx_config, rows, another_process
):
    with broker_for(emqx_config) as broker:
        assert kill_connections(rows)
        apply(another_process, change(user(1, enabled=False), "none"))
        with pytest.raises(BrokerUnreachable, match="another process has written to it since"):
            list(broker.apply([change(user(1), "none")]))
    assert not users(emqx_config)["CO_C-1"].enabled


def test_a_database_that_cannot_be_reached_is_one_clear_sentence(emqx_config):
    for values, sentence in [
        ({"mqtt_auth_db_port": 1}, "127.0.0.1:1/.* cannot be used: Connection refused"),
        ({"mqtt_auth_db_password": "wrong"}, "cannot be used: password authentication failed"),
        ({"mqtt_auth_db_name": "none"}, 'cannot be used: database "none" does not exist'),
        ({"mqtt_auth_db_host": "host.invalid"}, "cannot be used: .*host.invalid"),
    ]:
        config = replace(emqx_config, **values)
        with pytest.raises(BrokerUnreachable, match=sentence) as error, broker_for(config):
            pytest.fail("the connection was made")
        assert "\n" not in str(error.value)
        assert emqx_config.mqtt_auth_db_password not in str(error.value)


def test_a_database_that_takes_the_connection_and_says_nothing_is_given_up_in_seconds(emqx_config):
    with socket.create_server(("127.0.0.1", 0)) as server:
        config = replace(emqx_config, mqtt_auth_db_port=server.getsockname()[1])
        started = time.monotonic()
        with pytest.raises(BrokerUnreachable, match="cannot be used: timeout expired"), broker_for(config):
            pytest.fail("the connection was made")
        assert time.monotonic() - started < PATIENCE_SECONDS


@contextmanager
def frozen(rows):
    """The server's processes for the connections that provisioning has do nothing, as on a machine that hangs."""
    processes = [pid for (pid,) in rows(f"SELECT pid {OURS}")]
    assert processes
    try:
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


def test_a_server_that_falls_silent_between_two_uses_is_connected_to_anew(emqx_config, rows, monkeypatch):
    apply(emqx_config, change(user(1)))
    monkeypatch.setattr(emqx_database, "SILENCE_TIMEOUT_S", 3)
    with frozen(rows):
        apply(emqx_config, change(user(2)))
    assert users(emqx_config).keys() == {"CO_C-1", "CO_C-2"}


def test_a_server_that_falls_silent_in_use_is_given_up_and_nothing_is_written(emqx_config, rows, monkeypatch):
    with broker_for(emqx_config) as broker:
        monkeypatch.setattr(emqx_database, "SILENCE_TIMEOUT_S", 2)
        monkeypatch.setattr(emqx_database, "LOCK_TIMEOUT_S", 1)
        with frozen(rows), pytest.raises(BrokerUnreachable, match="more than 1 seconds"):
            list(broker.apply([change(user(1))]))
    assert users(emqx_config) == {}


def test_a_locked_table_is_one_clear_sentence_and_nothing_is_written(emqx_config, emqx_tables):
    with closing(psycopg2.connect(**emqx_tables.dsn())) as connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLE mqtt_acl IN EXCLUSIVE MODE")
        with pytest.raises(BrokerUnreachable, match="being written to by another process for more than 5 seconds"):
            apply(emqx_config, change(user(1)))
        connection.rollback()
    assert users(emqx_config) == {}


def test_tables_or_rights_that_lack_are_named_with_the_script_that_makes_them(emqx_config, emqx_tables, bed):
    superuser = bed.postgres.superuser()
    config = replace(emqx_config, mqtt_auth_db_name="postgres")
    with pytest.raises(BrokerUnreachable, match=r"lacks tables: load docker/emqx/init-scripts/01-auth-schema.sql"):
        apply(config, change(user(1)))
    superuser.query(emqx_tables.database, "REVOKE INSERT ON mqtt_user FROM emqx_provisioning")
    try:
        with pytest.raises(BrokerUnreachable, match=r"have docker/emqx/init-scripts/02-roles.sh run"):
            apply(emqx_config, change(user(1)))
    finally:
        superuser.query(emqx_tables.database, "GRANT INSERT ON mqtt_user TO emqx_provisioning")
