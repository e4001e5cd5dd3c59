"""The store on TimescaleDB's community edition: the product's own statements, on the edition that compresses.

No machine's package manager has that edition; here it is a WASM build in memory, without Odoo. What is written is what
the bridge writes, by the bridge's own writer.
"""

import contextlib
import random
from collections import Counter
from datetime import datetime, timedelta

import psycopg2
import pytest

from smart_dairy_iot.bridge.batches import BatchWriter
from smart_dairy_iot.bridge.devices import Device
from smart_dairy_iot.bridge.messages import Accepted, Message
from smart_dairy_iot.bridge.store import Store
from smart_dairy_iot.telemetry.conversion import convert
from smart_dairy_iot.telemetry.levels import APACHE, COMMUNITY, PLAIN, detect, level_of, offered
from smart_dairy_iot.telemetry.retention import drop_old
from smart_dairy_iot.telemetry.spec import Column, TelemetrySpec
from smart_dairy_iot.telemetry.tables import create_table, drop_tables, ensure_table
from stack.community import CommunityPostgres, ensure_community
from stack.environment import ensure_environment
from stack.shell import StackError

TABLE = "iot_probe_reading"
# The columns of `iot.temperature.reading`.
SPEC = TelemetrySpec(
    "iot.probe.reading",
    TABLE,
    ("temperature",),
    (
        Column("energy_wh", "real", "energy_wh"),
        Column("temperature", "real", "temperature"),
        Column("humidity", "real", "humidity"),
        Column("location", "text", "location"),
        Column("location_type", "text", "location_type"),
        Column("battery_level", "real", "battery_level"),
        Column("signal_strength", "real", "signal_strength"),
    ),
    ("temperature", "humidity", "energy_wh"),
)
WEEK = timedelta(days=7)
# TimescaleDB's weeks begin on Thursday. This one is long over: nothing here looks at the clock but TimescaleDB's jobs.
BEGIN = datetime(2024, 2, 29)
EVERY = timedelta(minutes=5)
DEVICES = [Device(number, f"TS-{number}", "temperature", "active", 1, "HILL") for number in range(1, 7)]

# What the writer keeps of the devices, see `iot.device.state`.
STATES = """
    CREATE TABLE iot_device_state (
        iot_device_id integer PRIMARY KEY, last_seen timestamp, last_message_timestamp timestamp,
        messages_received bigint, messages_sent bigint, error_count bigint, battery_level real, signal_strength real,
        reported_status text, firmware_version text, error_code text, error_message text, config_version integer,
        silent boolean
    )
"""
JOBS = "SELECT job_id FROM timescaledb_information.jobs WHERE hypertable_name = %s AND proc_name = %s"
ROLLUP = f"""
    SELECT iot_device_id, bucket, readings, temperature_count, round(temperature_sum::numeric, 3), temperature_min,
           temperature_max
      FROM {TABLE}_hourly ORDER BY 1, 2
"""
# The same from the readings themselves.
SUMMED_UP = f"""
    SELECT iot_device_id, date_trunc('hour', timestamp), count(*), count(temperature),
           round(sum(temperature::text::float8)::numeric, 3), min(temperature), max(temperature)
      FROM {TABLE} GROUP BY 1, 2 ORDER BY 1, 2
"""


class Decoder:
    """Takes every message as the reading that it is."""

    def doubtful(self, _messages):
        return ()

    def decode(self, message):
        return message.topic


class Database:
    """The connection, and the product's statements on it."""

    def __init__(self, connection):
        self.connection = connection
        self.cursor = connection.cursor()

    def rows(self, statement, *parameters):
        self.cursor.execute(statement, parameters or None)
        return self.cursor.fetchall()

    def value(self, statement, *parameters):
        return self.rows(statement, *parameters)[0][0]

    def make(self, level):
        """The table and its rollups, empty."""
        create_table(self.cursor, SPEC, level)
        ensure_table(self.cursor, SPEC)
        self.connection.commit()
        assert level_of(self.cursor, TABLE) == level

    def write(self, readings, spec=SPEC):
        """Write as the bridge does; how many of each outcome there were."""
        outcomes = Counter()
        readings = list(readings)
        for first in range(0, len(readings), 1000):
            messages = [Message(item, b"", item.message.received_at) for item in readings[first : first + 1000]]
            for _results, names in BatchWriter(Decoder(), Store([spec])).write(self.connection, [messages]):
                outcomes.update(names)
        return dict(outcomes)

    def run_job(self, name):
        """Run a policy now: the WASM build has nobody who would."""
        self.connection.commit()
        (job,) = self.rows(JOBS, TABLE, name)[0]
        self.connection.commit()
        self.connection.autocommit = True
        self.cursor.execute("CALL run_job(%s)", [job])
        self.connection.autocommit = False


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    environment = ensure_environment()
    try:
        ensure_community(environment)
    except StackError as error:
        pytest.skip(f"Node or TimescaleDB's community edition cannot be fetched here: {error}")
    with CommunityPostgres(environment, tmp_path_factory.mktemp("community")) as running:
        yield running


@pytest.fixture
def database(server):
    """An empty database on the community edition."""
    with contextlib.closing(psycopg2.connect(**server.dsn())) as connection:
        found = Database(connection)
        found.cursor.execute(STATES)
        assert detect(found.cursor) == offered(found.cursor) == COMMUNITY
        connection.commit()
        yield found
        connection.rollback()
        drop_tables(found.cursor, SPEC)
        found.cursor.execute("DROP TABLE iot_device_state")
        connection.commit()
        left = found.rows("SELECT relname FROM pg_class WHERE relname LIKE %s", f"{TABLE}%")
        assert left == found.rows(JOBS, TABLE, "policy_compression") == [], "dropping leaves nothing, no job either"


def reading(device, moment, **values):
    received_at = moment + timedelta(microseconds=20_000 + moment.minute * 997)
    return Accepted(Message("topic", b"", received_at), device, "data", moment, 0, values)


def week(begin, seed=1):
    """What the sensors of a milk room send in a week: every five minutes, in the steps that such sensors have."""
    randomness = random.Random(seed)
    for device in DEVICES:
        temperature, humidity, signal = 4.0, 78.0, -61
        for number in range(WEEK // EVERY):
            temperature = min(max(temperature + randomness.choice((-0.1, 0, 0, 0, 0.1)), 2.5), 6)
            humidity = min(max(humidity + randomness.choice((-0.5, 0, 0, 0.5)), 60), 95)
            signal = min(max(signal + randomness.choice((-1, 0, 0, 0, 1)), -80), -50)
            yield reading(
                device,
                begin + number * EVERY + timedelta(milliseconds=randomness.randrange(1000)),
                temperature=round(temperature, 1),
                humidity=humidity,
                location="Milk room 1",
                location_type="cold_storage",
                battery_level=100 - number // 500,
                signal_strength=signal,
            )


@pytest.fixture
def compressed(database):
    """A table with two weeks' readings, which the product's own policy has compressed."""
    database.make(COMMUNITY)
    readings = [*week(BEGIN), *week(BEGIN + WEEK, seed=2)]
    assert database.write(readings) == {"stored": len(readings)}
    database.run_job("policy_compression")
    assert database.value("SELECT count(*) FROM timescaledb_information.chunks WHERE NOT is_compressed") == 0
    return readings


def test_a_week_s_readings_are_compressed_to_less_than_a_tenth_by_timescaledb_s_own_account(database, compressed):
    ((chunks, before, after),) = database.rows(
        "SELECT number_compressed_chunks, before_compression_total_bytes, after_compression_total_bytes"
        " FROM hypertable_compression_stats(%s::regclass)",
        TABLE,
    )
    print(f"{len(compressed)} readings, {before} -> {after} bytes, {before / after:.1f} : 1")
    assert chunks == 2
    assert before > 10 * after
    assert database.value(f"SELECT count(*) FROM {TABLE}") == len(compressed)


def test_duplicates_and_late_readings_are_told_apart_in_compressed_weeks_too_and_the_rollups_are_exact(
    database, compressed
):
    again = compressed[:500] + compressed[-500:]
    assert database.write(again) == {"duplicate": 1000}

    def late():
        return [reading(device, BEGIN + timedelta(days=3, seconds=1.5), temperature=9.9) for device in DEVICES]

    assert database.write([*late(), *late()[:2]]) == {"stored": len(DEVICES), "duplicate": 2}
    assert database.write(late()) == {"duplicate": len(DEVICES)}
    rollup = database.rows(ROLLUP)
    assert rollup == database.rows(SUMMED_UP)
    assert sum(row[2] for row in rollup) == len(compressed) + len(DEVICES)
    assert max(row[6] for row in rollup) == pytest.approx(9.9)


def test_a_column_that_an_upgrade_adds_is_there_in_compressed_weeks_too(database, compressed):
    more = TelemetrySpec(SPEC.model, TABLE, SPEC.device_types, (*SPEC.columns, Column("dew", "real", "dew")))
    ensure_table(database.cursor, more)
    database.connection.commit()
    assert database.write([reading(DEVICES[0], BEGIN + timedelta(seconds=0.5), dew=2.5)], more) == {"stored": 1}
    assert database.rows(f"SELECT dew, count(*) FROM {TABLE} GROUP BY 1 ORDER BY 1") == [
        (2.5, 1),
        (None, len(compressed)),
    ]


def test_an_upgrade_leaves_the_types_of_a_compressed_table_alone_and_what_comes_is_stored(database):
    wide = TelemetrySpec(
        SPEC.model, TABLE, SPEC.device_types, (Column("temperature", "double precision", "temperature"),)
    )
    create_table(database.cursor, wide, COMMUNITY)
    ensure_table(database.cursor, wide)
    database.connection.commit()
    readings = list(week(BEGIN))[:100]
    database.write(readings, wide)
    database.run_job("policy_compression")
    ensure_table(database.cursor, SPEC)
    database.connection.commit()
    assert database.write(week(BEGIN + WEEK)) == {"stored": len(DEVICES) * (WEEK // EVERY)}
    assert database.write(readings) == {"duplicate": 100}


def test_retention_is_a_policy_which_follows_the_settings_and_drops_weeks_but_no_rollup(database, compressed):
    policy = "SELECT config ->> 'drop_after' FROM timescaledb_information.jobs WHERE proc_name = 'policy_retention'"
    # The jobs go by the clock, and in some years nothing here would be young enough.
    years = (datetime.now() - BEGIN).days + 3000
    for days in (years, years, years + 100):
        assert drop_old(database.cursor, TABLE, datetime.now(), days) == []
        assert database.rows(policy) == [(f"{days + 1} days",)], "and a day"
    database.run_job("policy_retention")
    assert database.value(f"SELECT count(*) FROM {TABLE}") == len(compressed)
    rollup = database.rows(ROLLUP)
    drop_old(database.cursor, TABLE, datetime.now(), days=100)
    database.run_job("policy_retention")
    assert database.value(f"SELECT count(*) FROM {TABLE}") == 0
    assert database.rows(ROLLUP) == rollup


@pytest.mark.parametrize("before", [PLAIN, APACHE])
def test_a_table_is_raised_to_it_with_every_reading_under_its_id(database, before):
    database.make(before)
    readings = [item for item in week(BEGIN) if item.timestamp < BEGIN + timedelta(days=1)]
    database.write(readings)
    everything = f"SELECT id, iot_device_id, timestamp, temperature, received_at FROM {TABLE} ORDER BY id"
    kept, rollup = database.rows(everything), database.rows(ROLLUP)
    conversion = convert(database.cursor, SPEC, COMMUNITY)
    database.connection.commit()
    assert (conversion.before, conversion.after, conversion.rows) == (before, COMMUNITY, len(readings))
    assert level_of(database.cursor, TABLE) == COMMUNITY
    assert convert(database.cursor, SPEC, COMMUNITY) is None
    assert (database.rows(everything), database.rows(ROLLUP)) == (kept, rollup)
    database.run_job("policy_compression")
    assert database.rows(everything) == kept
    assert database.write(readings[:10]) == {"duplicate": 10}
    assert database.rows(ROLLUP) == rollup == database.rows(SUMMED_UP)
