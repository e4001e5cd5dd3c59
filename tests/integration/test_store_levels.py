"""Without TimescaleDB on the server the product works as well, and once it is there one action makes use of it.

The server is the tests' own PostgreSQL, started without TimescaleDB among its preloaded libraries: its package is
there, and `CREATE EXTENSION` would kill the connection. Later it is started with it.
"""

import contextlib
import csv
import itertools
import os
import subprocess
import threading
import time
from datetime import timedelta

import psycopg2
import pytest

from smart_dairy_iot.telemetry.partitions import make_partitions, make_room, partitioned_table, week_of
from stack.odoo_instance import complaints
from stack.test_bed import STANDARD_DATABASE, open_test_bed
from support import Database, Farm, connected, eventually, log_in, new_code, utc_now

TABLE = "iot_temperature_reading"
ADDONS = ["smart_dairy_iot"]
LEVEL = "SELECT relkind::text FROM pg_class WHERE oid = 'iot_temperature_reading'::regclass"
HYPERTABLES = "SELECT count(*) FROM timescaledb_information.hypertables WHERE hypertable_name = %s"
DEAD_LETTERS = "SELECT count(*) FROM iot_dead_letter"


@pytest.fixture(scope="module")
def plain_bed(bed):
    """A test bed on a server without TimescaleDB, with the addon installed in the database `plain`."""
    if os.environ.get("PGHOST"):
        pytest.skip("the PostgreSQL server is somebody else's (PGHOST), and is as it is")
    with open_test_bed(bed.odoo, bed.environment, ADDONS, timescaledb=False) as plain:
        plain.copy_database(STANDARD_DATABASE, "plain")
        assert complaints(plain.instance("plain").install(*ADDONS)) == []
        yield plain


@pytest.fixture
def plain_instance(plain_bed, request):
    """A running Odoo with the bridge in its process on a copy of `plain`."""
    name = f"plain_{request.node.name[:20]}".lower()
    plain_bed.copy_database("plain", name)
    with plain_bed.broker(f"{name}_broker") as broker:
        instance = plain_bed.instance(name, broker)
        instance.broker = broker
        with instance:
            yield instance
    plain_bed.postgres.timescaledb = False
    plain_bed.postgres.stop()
    plain_bed.postgres.start()
    plain_bed.drop_database(name)


def stored_in(instance):
    return Database(instance.postgres.dsn(instance.database))


def publish(instance, stored, device, *moments, **fields):
    """Publish a reading of each moment, and wait until all are stored."""
    expected = stored.value(f"SELECT count(*) FROM {TABLE}") + len(moments)
    with connected(instance.broker, device.credentials) as connection:
        for moment in moments:
            connection.publish(device.topic(), device.payload(at=moment, **fields))
        eventually(lambda: stored.value(f"SELECT count(*) FROM {TABLE}") == expected, "the readings are stored")


def raise_level(odoo):
    """Press the button on the settings page."""
    (page,) = odoo.call("res.config.settings", "create", [{}])
    return odoo.call("res.config.settings", "action_raise_telemetry_level", [page])


def shown(odoo):
    (page,) = odoo.call("res.config.settings", "create", [{}])
    names = ["telemetry_level", "telemetry_level_can_be_raised"]
    (values,) = odoo.call("res.config.settings", "read", [page], names)
    return tuple(values[name] for name in names)


@contextlib.contextmanager
def steady_traffic(instance, device):
    """A device that publishes all the while; gives the list of the moments that the broker has acknowledged."""
    published, stop = [], threading.Event()

    def run():
        with connected(instance.broker, device.credentials) as connection:
            while not stop.is_set():
                moment = utc_now()
                connection.publish(device.topic(), device.payload(at=moment, temperature=4.2))
                published.append(moment)
                time.sleep(0.02)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield published
    finally:
        stop.set()
        thread.join(timeout=30)
    assert not thread.is_alive()


def test_on_a_server_without_timescaledb_readings_late_ones_too_are_in_weekly_partitions(plain_instance):
    stored = stored_in(plain_instance)
    odoo = log_in(plain_instance)
    assert stored.value(LEVEL) == "v"
    assert shown(odoo) == ("plain", False)
    device = Farm(odoo, new_code()).provision(new_code("TS"))
    now = utc_now()
    late = [now - timedelta(days=days) for days in (700, 400, 30)]
    publish(plain_instance, stored, device, now, *late, temperature=4.2)
    assert stored.value(f"SELECT sum(readings) FROM {TABLE}_hourly") == 4
    assert stored.value(DEAD_LETTERS) == 0
    readings = odoo.call("iot.temperature.reading", "search_read", [], ["temperature"], order="timestamp")
    assert [reading["temperature"] for reading in readings] == [4.2] * 4
    with connected(plain_instance.broker, device.credentials) as connection:
        connection.publish(device.topic(), device.payload(at=now - timedelta(days=740), temperature=1.0))
        eventually(lambda: stored.value(DEAD_LETTERS) == 1, "what is too old is a dead letter")
    odoo.call("ir.config_parameter", "set_param", "iot.telemetry_retention_days", "365")
    cron = odoo.call("ir.cron", "search", [("name", "like", "make partitions and drop")])
    odoo.call("ir.cron", "method_direct_trigger", cron)
    eventually(lambda: stored.value(f"SELECT count(*) FROM {TABLE}") == 2, "what is too old is dropped")
    assert stored.value(f"SELECT sum(readings) FROM {TABLE}_hourly") == 4
    assert complaints(plain_instance.log_file.read_text()) == []


def test_upgrading_and_uninstalling_on_a_server_without_timescaledb_logs_nothing(plain_instance):
    stored = stored_in(plain_instance)
    device = Farm(log_in(plain_instance), new_code()).provision(new_code("TS"))
    publish(plain_instance, stored, device, utc_now(), utc_now() - timedelta(days=100), temperature=4.2)
    plain_instance.stop()
    assert complaints(plain_instance.upgrade("all")) == []
    assert stored.value(f"SELECT count(*) FROM {TABLE}") == 2
    plain_instance.bridge = False  # Odoo refuses to uninstall what its configuration names as server-wide.
    odoo = log_in(plain_instance.start())
    ids = odoo.call("ir.module.module", "search", [("name", "in", ADDONS)])
    odoo.call("ir.module.module", "button_immediate_uninstall", ids)
    assert stored.value("SELECT count(*) FROM pg_class WHERE relname ~ '^(iot_|milk_production_realtime)'") == 0
    assert complaints(plain_instance.log_file.read_text()) == []


def test_once_timescaledb_is_there_one_action_converts_the_tables_under_traffic_and_loses_nothing(
    plain_bed, plain_instance
):
    stored = stored_in(plain_instance)
    odoo = log_in(plain_instance)
    device = Farm(odoo, new_code()).provision(new_code("TS"))
    now = utc_now()
    publish(plain_instance, stored, device, *(now - timedelta(days=days) for days in (0, 8, 300)), temperature=4.2)
    plain_bed.postgres.stop()
    plain_bed.postgres.timescaledb = True
    plain_bed.postgres.start()
    eventually(lambda: shown(log_in(plain_instance)) == ("plain", True), "the page offers it")
    odoo = log_in(plain_instance)
    with steady_traffic(plain_instance, device) as published:
        eventually(lambda: len(published) > 20, "traffic flows")
        message = raise_level(odoo)["params"]["message"]
        count = len(published)
        eventually(lambda: len(published) > count + 20, "traffic flows afterwards")
    assert message.startswith("5 tables with "), message
    assert shown(odoo) == ("apache", False)
    assert stored.value(HYPERTABLES, TABLE) == 1
    expected = len(published) + 3
    count = f"SELECT count(*) FROM {TABLE}"
    eventually(lambda: stored.value(count) == expected, lambda: f"{expected} readings, {stored.value(count)} found")
    assert stored.value(f"SELECT sum(readings) FROM {TABLE}_hourly") == expected
    assert stored.value(DEAD_LETTERS) == 0
    assert raise_level(odoo)["params"]["message"] == "The tables are what the server offers already."


def test_updates_of_rollups_and_device_states_touch_no_index(product, odoo, farm, stored):
    devices = [farm.provision(new_code("TS")) for _number in range(3)]
    begin = utc_now().replace(hour=12, minute=0) - timedelta(days=1)

    def updates():
        (row,) = stored.rows(
            "SELECT sum(n_tup_upd)::int AS updated, sum(n_tup_hot_upd)::int AS hot FROM pg_stat_user_tables"
            " WHERE relname = ANY(%s)",
            [f"{TABLE}_hourly", f"{TABLE}_daily", "iot_device_state"],
        )
        return row

    before = updates()
    for device in devices:
        with connected(product.broker, device.credentials) as connection:
            for number in range(20):
                payload = device.payload(at=begin + timedelta(seconds=number), temperature=4.2)
                connection.publish(device.topic(), payload)
                # One after the other: what comes together is one update.
                count = f"SELECT count(*) > {number} FROM {TABLE} WHERE iot_device_id = {device.record_id}"
                eventually(lambda count=count: stored.value(count), "the reading is stored", every=0.01)

    def grown():
        after = updates()
        return after["updated"] - before["updated"] >= 3 * 3 * 19 and after

    after = eventually(grown, updates)
    updated, hot = (after[name] - before[name] for name in ("updated", "hot"))
    assert hot >= 0.95 * updated, f"{hot} of {updated} updates were HOT"


def test_two_writers_who_miss_the_same_partition_both_get_it(plain_bed, plain_instance):
    moment = (utc_now() - timedelta(days=500)).replace(tzinfo=None)
    week = week_of(moment)
    made = []

    def make():
        with contextlib.closing(psycopg2.connect(**plain_instance.postgres.dsn(plain_instance.database))) as connection:
            with connection.cursor() as cursor:
                made.extend(make_partitions(cursor, TABLE, [week]))
            connection.commit()

    threads = [threading.Thread(target=make) for _number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert made == [f"{TABLE}_{week:%Y%m%d}"]


def test_a_writer_whose_partition_another_has_made_meanwhile_tries_again(plain_bed, plain_instance):
    dsn = plain_instance.postgres.dsn(plain_instance.database)
    moment = (utc_now() - timedelta(days=450)).replace(tzinfo=None)
    insert = f"""
        INSERT INTO {TABLE} (iot_device_id, timestamp, channel, farm_id, in_maintenance, received_at)
        VALUES (1, %s, 0, 1, false, now())
    """
    with (
        contextlib.closing(psycopg2.connect(**dsn)) as writer,
        contextlib.closing(psycopg2.connect(**dsn)) as other,
        writer.cursor() as cursor,
    ):
        with pytest.raises(psycopg2.errors.CheckViolation) as refusal:
            cursor.execute(insert, [moment])
        writer.rollback()
        with other.cursor() as their_cursor:
            make_partitions(their_cursor, TABLE, [week_of(moment)])
        other.commit()
        assert make_room(writer, refusal.value, [moment])
        cursor.execute(insert, [moment])
        # Where somebody has made a partition of his own, shorter than a week, there is no room to be made.
        parent, late = partitioned_table(TABLE), week_of(moment) - timedelta(days=70)
        cursor.execute(
            f"CREATE TABLE odd PARTITION OF {parent} FOR VALUES FROM (%s) TO (%s)", [late, late + timedelta(days=1)]
        )
        writer.commit()
        with pytest.raises(psycopg2.errors.CheckViolation) as refusal:
            cursor.execute(insert, [late + timedelta(days=2)])
        writer.rollback()
        assert not make_room(writer, refusal.value, [late + timedelta(days=2)])


def iot_store(instance, *options):
    """Run the command to its end: (exit code, what it printed)."""
    instance.write_conf()
    command = instance.command("iot_store", "-d", instance.database, *options)
    done = subprocess.run(
        list(map(str, command)),
        env=instance.environ(),
        cwd=instance.directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=180,
        check=False,
    )
    return done.returncode, done.stdout


def test_the_command_exports_and_converts_what_takes_longer_than_a_request(plain_bed, plain_instance, tmp_path):
    stored = stored_in(plain_instance)
    farm = Farm(log_in(plain_instance), new_code())
    device = farm.provision(new_code("TS"))
    day = (utc_now() - timedelta(days=20)).replace(hour=0, minute=0, second=0, microsecond=0)
    publish(
        plain_instance, stored, device, *(day + timedelta(hours=6 * number) for number in range(6)), temperature=4.2
    )
    span = ["--since", f"{day:%Y-%m-%d}", "--until", f"{day + timedelta(days=1):%Y-%m-%d}"]
    asked = ["export", "--kind", "iot.temperature.reading", *span]
    archive = tmp_path / "day.csv"
    code, said = iot_store(plain_instance, *asked, "--farm", farm.code, "--file", archive)
    assert code == 0, said
    rows = list(csv.DictReader(archive.open()))
    assert [row["device_id"] for row in rows] == [device.device_id] * 4
    assert rows[0]["timestamp"] == f"{day:%Y-%m-%dT%H:%M:%S}Z"
    assert [path.name for path in tmp_path.iterdir()] == ["day.csv"]
    for options, complaint in (
        ([*asked, "--file", archive], "is there already"),
        (["export", "--kind", "res.users", *span, "--file", tmp_path / "a.csv"], "kinds"),
        ([*asked, "--until", span[1], "--file", tmp_path / "a.csv"], "begins before it ends"),
    ):
        code, said = iot_store(plain_instance, *options)
        assert code == 1 and complaint in said, said
    assert [path.name for path in tmp_path.iterdir()] == ["day.csv"]

    plain_bed.postgres.stop()
    plain_bed.postgres.timescaledb = True
    plain_bed.postgres.start()
    code, said = iot_store(plain_instance, "show")
    assert code == 0 and "the tables: plain; the server offers: apache" in said
    code, said = iot_store(plain_instance, "convert")
    assert code == 0 and f"{TABLE}: 6 readings, plain -> apache" in said, said
    assert stored.value(HYPERTABLES, TABLE) == 1
    assert stored.value(f"SELECT count(*) FROM {TABLE}") == 6
    publish(plain_instance, stored, device, utc_now(), temperature=4.2)


def test_a_retention_that_is_changed_holds_for_the_running_bridge(product, odoo, farm, stored):
    """Within seconds and without a restart: what is older than it is refused."""
    device = farm.provision(new_code("TS"))
    letters = f"SELECT count(*) FROM iot_dead_letter WHERE topic = '{device.topic()}' AND reason = 'clock'"
    kept = f"SELECT count(*) FROM {TABLE} WHERE iot_device_id = {device.record_id}"
    parameter = "iot.telemetry_retention_days_iot_temperature_reading"
    moments = (utc_now() - timedelta(days=50, seconds=number) for number in itertools.count())

    def answer(wanted):
        """Send an old reading now and then until what becomes of it is what is wanted."""
        before = stored.value(wanted)
        with connected(product.broker, device.credentials) as connection:

            def publish_one():
                connection.publish(device.topic(), device.payload(at=next(moments), temperature=4.2))
                return stored.value(wanted) > before

            eventually(publish_one, "the new retention holds", seconds=60, every=0.5)

    answer(kept)
    odoo.call("ir.config_parameter", "set_param", parameter, "30")
    try:
        answer(letters)
        refused = odoo.call("iot.dead.letter", "search_read", [("topic", "=", device.topic())], ["detail"], limit=1)
        assert "older than telemetry is kept (30 days)" in refused[0]["detail"]
    finally:
        odoo.call("ir.config_parameter", "set_param", parameter, "0")
    answer(kept)
