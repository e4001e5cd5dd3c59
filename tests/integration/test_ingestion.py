"""What comes over HTTP is checked and stored as over the broker, on PostgreSQL as the web's processes use it."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from types import SimpleNamespace

import psycopg2
import pytest

from bridge_bench import SPECS, Bench
from smart_dairy_iot.bridge import ingestion as module
from smart_dairy_iot.bridge.batches import BatchWriter
from smart_dairy_iot.bridge.config import Config
from smart_dairy_iot.bridge.contract import payload_validator, read_topics, topic_table
from smart_dairy_iot.bridge.database import WRITER_LOCK_TIMEOUT, connect
from smart_dairy_iot.bridge.decoder import Decoder
from smart_dairy_iot.bridge.devices import DeviceCache
from smart_dairy_iot.bridge.ingestion import Ingestion, IngestionUnavailable, Outcome, read_counters
from smart_dairy_iot.bridge.messages import Message
from smart_dairy_iot.bridge.store import Store
from smart_dairy_iot.telemetry.retention import retention_by_type

NOW = datetime(2026, 3, 1, 6, 30)
TWO_YEARS = retention_by_type((), Config())
DEAD_LETTERS = "SELECT reason, payload, iot_device_id FROM iot_dead_letter WHERE topic = %s ORDER BY id"
STATE = "SELECT last_seen, messages_received, error_count FROM iot_device_state WHERE iot_device_id = %s"


class Sensor:
    """A registered temperature sensor without a user at any broker."""

    def __init__(self, bench, device_id):
        self.device_id = device_id
        self.topic = f"dairy/{bench.farm_code}/temperature/{device_id}/data"
        ((self.record_id,),) = bench.query(
            "INSERT INTO iot_device"
            " (name, device_id, device_type, state, farm_id, mqtt_username, mqtt_client_id, auth_method, active)"
            " VALUES (%s, %s, 'temperature', 'active', %s, %s, %s, 'password', true) RETURNING id",
            *(device_id, device_id, bench.farm_id, f"TE_{device_id}", f"sd_{device_id}"),
        )

    def payload(self, seconds=0, **fields):
        instant = (NOW - timedelta(minutes=10) + timedelta(seconds=seconds)).isoformat() + "Z"
        return json.dumps({"device_id": self.device_id, "timestamp": instant, "temperature": 4.5, **fields}).encode()


@pytest.fixture
def bench(bed, database):
    return Bench(bed.postgres.dsn(database), SimpleNamespace(settings=dict))


@pytest.fixture
def ingestion(bench):
    return Ingestion(bench.dsn, Store(SPECS), TWO_YEARS, clock=lambda: NOW)


@pytest.fixture
def sensor(bench):
    return Sensor(bench, "TS-HTTP")


def counters(bench):
    with closing(psycopg2.connect(**bench.dsn)) as connection, connection.cursor() as cursor:
        return read_counters(cursor)


def test_what_a_process_has_read_itself_is_stored_once_and_counted_as_nothing_that_came_over_http(bench, ingestion):
    sensors = [Sensor(bench, f"TS-OWN-{number}") for number in (1, 2)]
    entries = [(sensor.topic, json.loads(sensor.payload(second))) for second in range(3) for sensor in sensors]
    before = counters(bench)
    assert [item.outcome for item in ingestion.store_own(entries)] == ["stored"] * 6
    assert [item.outcome for item in ingestion.store_own(entries[4:] + entries[:1])] == ["duplicate"] * 3
    assert counters(bench) == before
    for sensor in sensors:
        readings = "SELECT count(*)::int FROM iot_temperature_reading WHERE iot_device_id = %s"
        assert bench.query(readings, sensor.record_id) == [(3,)]


def test_each_message_has_its_outcome_in_the_order_in_which_they_were_given(bench, ingestion, sensor):
    payloads = [
        sensor.payload(1),
        sensor.payload(2, temperature="warm"),
        sensor.payload(1),
        sensor.payload(3, device_id="TS-OTHER"),
        b"no JSON",
        sensor.payload(4),
    ]
    outcomes = ingestion.store(sensor.topic, payloads)
    assert [(item.outcome, item.reason) for item in outcomes] == [
        ("stored", None),
        ("dead_letter", "schema"),
        ("duplicate", None),
        ("dead_letter", "device_mismatch"),
        ("dead_letter", "invalid_json"),
        ("stored", None),
    ]
    assert "temperature" in outcomes[1].detail
    assert bench.query("SELECT count(*) FROM iot_temperature_reading WHERE iot_device_id = %s", sensor.record_id) == [
        (2,)
    ]
    letters = bench.query(DEAD_LETTERS, sensor.topic)
    assert [(reason, bytes(payload)) for reason, payload, _device in letters] == [
        ("schema", payloads[1]),
        ("device_mismatch", payloads[3]),
        ("invalid_json", payloads[4]),
    ]
    assert bench.query(STATE, sensor.record_id) == [(NOW, 3, 3)]
    assert bench.query(
        "SELECT readings, temperature_count FROM iot_temperature_reading_hourly WHERE iot_device_id = %s",
        sensor.record_id,
    ) == [(2, 2)]


def test_received_is_the_sum_of_the_outcomes_of_all_processes_however_many_write_at_once(bench, sensor):
    processes = [Ingestion(bench.dsn, Store(SPECS), TWO_YEARS, clock=lambda: NOW) for _number in range(2)]

    def send(number):
        # Every message by two threads, and one in ten of them broken.
        for batch in range(5):
            seconds = number // 2 * 50 + batch * 10
            payloads = [sensor.payload(seconds + offset) for offset in range(9)]
            processes[number % 2].store(sensor.topic, [*payloads, sensor.payload(seconds, temperature="warm")])

    threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert counters(bench) == {"received": 200, "stored": 90, "duplicates": 90, "dead_letters": 20}
    assert bench.query(STATE, sensor.record_id)[0][1:] == (180, 20)


def test_what_the_database_refuses_is_a_dead_letter_and_the_rest_of_the_list_is_stored(bench, ingestion):
    collar = Sensor(bench, "AC-HTTP")
    bench.query("UPDATE iot_device SET device_type = 'collar' WHERE id = %s", collar.record_id)
    topic = collar.topic.replace("temperature", "collars")

    def payload(seconds, animal):
        return collar.payload(seconds, animal_id=animal, activity_level=5, steps=seconds)

    # JSON can hold a NUL character, PostgreSQL's text cannot.
    outcomes = ingestion.store(topic, [payload(1, "17"), payload(2, "\0"), payload(3, "17")])
    assert [(item.outcome, item.reason) for item in outcomes] == [
        ("stored", None),
        ("dead_letter", "database"),
        ("stored", None),
    ]
    assert counters(bench) == {"received": 3, "stored": 2, "duplicates": 0, "dead_letters": 1}


def test_a_device_that_is_registered_shut_out_or_moved_meanwhile_is_seen_at_once(bench, ingestion):
    early = f"dairy/{bench.farm_code}/temperature/TS-NEW/data"
    assert ingestion.store(early, [b"{}"])[0].reason == "unknown_device"
    sensor = Sensor(bench, "TS-NEW")
    assert ingestion.store(early, [sensor.payload(1)]) == [Outcome("stored")]
    bench.query("UPDATE iot_device SET state = 'decommissioned' WHERE id = %s", sensor.record_id)
    assert ingestion.store(early, [sensor.payload(2)])[0].reason == "not_allowed"


def test_another_schema_holds_at_once(bench, ingestion, sensor):
    assert ingestion.store(sensor.topic, [sensor.payload(1, temperature=40)]) == [Outcome("stored")]
    stricter = {"type": "object", "properties": {"temperature": {"type": "number", "maximum": 30}}}
    bench.query(
        "UPDATE iot_topic_schema schema SET json_schema = %s FROM iot_topic_hierarchy topic"
        " WHERE topic.id = schema.topic_hierarchy_id AND schema.is_active"
        "   AND (topic.device_type, topic.message_type) = ('temperature', 'data')",
        json.dumps(stricter),
    )
    assert ingestion.store(sensor.topic, [sensor.payload(2, temperature=40)])[0].reason == "schema"


def test_a_status_of_which_a_schema_asks_for_less_is_stored_with_what_it_says(bench, ingestion, sensor):
    bench.query(
        "UPDATE iot_topic_schema schema SET json_schema = '{}' FROM iot_topic_hierarchy topic"
        " WHERE topic.id = schema.topic_hierarchy_id AND schema.is_active"
        "   AND (topic.device_type, topic.message_type) = ('temperature', 'status')"
    )
    status = sensor.payload(1, firmware_version="2.0")
    assert ingestion.store(sensor.topic.replace("/data", "/status"), [status]) == [Outcome("stored")]
    state = "SELECT reported_status, firmware_version FROM iot_device_state WHERE iot_device_id = %s"
    assert bench.query(state, sensor.record_id) == [(None, "2.0")]


def test_another_pattern_of_topics_holds_at_once(bench, ingestion, sensor):
    assert ingestion.store(sensor.topic, [sensor.payload(1)]) == [Outcome("stored")]
    bench.query(
        "UPDATE iot_topic_hierarchy SET topic_pattern = 'dairy/{farm_id}/thermometers/{device_id}/data'"
        " WHERE (device_type, message_type) = ('temperature', 'data')"
    )
    assert ingestion.store(sensor.topic, [sensor.payload(2)])[0].reason == "topic"
    moved = sensor.topic.replace("/temperature/", "/thermometers/")
    assert ingestion.store(moved, [sensor.payload(3)]) == [Outcome("stored")]


def test_a_heartbeat_is_a_sign_of_life_and_no_message(bench, ingestion, sensor):
    ingestion.store(sensor.topic, [sensor.payload(1)])
    later = NOW + timedelta(minutes=3)
    beating = Ingestion(bench.dsn, Store(SPECS), TWO_YEARS, clock=lambda: later)
    assert beating.note_heartbeat(sensor.record_id) == later
    assert bench.query(STATE, sensor.record_id) == [(later, 1, 0)]
    assert counters(bench)["received"] == 1


def test_nothing_is_kept_open_and_a_database_that_is_away_is_said_so(bench, ingestion, sensor):
    ingestion.store(sensor.topic, [sensor.payload(1)])
    assert bench.query(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ) == [(0,)]
    away = Ingestion({**bench.dsn, "port": 1}, Store(SPECS), TWO_YEARS)
    with pytest.raises(IngestionUnavailable):
        away.store(sensor.topic, [sensor.payload(2)])


def test_a_row_that_somebody_holds_is_waited_for_only_briefly_and_nothing_of_the_list_is_stored(
    bench, ingestion, sensor
):
    ingestion.note_heartbeat(sensor.record_id)
    with closing(psycopg2.connect(**bench.dsn)) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT FROM iot_device_state WHERE iot_device_id = %s FOR UPDATE", [sensor.record_id])
        with pytest.raises(IngestionUnavailable):
            ingestion.store(sensor.topic, [sensor.payload(1), sensor.payload(2)])
    assert counters(bench)["received"] == 0
    assert [item.outcome for item in ingestion.store(sensor.topic, [sensor.payload(1)])] == ["stored"]


class StandingStill(Store):
    """A store that stands still before it commits, as a stopped process would, until it is released."""

    def __init__(self):
        super().__init__(SPECS)
        self.reached, self.released = threading.Event(), threading.Event()

    def write_batch(self, cursor, results):
        outcomes = super().write_batch(cursor, results)
        self.reached.set()
        assert self.released.wait(30)
        return outcomes


@contextmanager
def standing_still(bench, sensor):
    """A message of the sensor, written and not committed: (store, future of the outcomes)."""
    store = StandingStill()
    call = Ingestion(bench.dsn, store, TWO_YEARS, clock=lambda: NOW)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(call.store, sensor.topic, [sensor.payload(1)])
        try:
            assert store.reached.wait(30)
            yield store, future
        finally:
            store.released.set()


def bridge_writes(bench, messages):
    """Whether the bridge's writer can store these now."""
    with closing(connect(bench.dsn, WRITER_LOCK_TIMEOUT)) as connection:
        with connection.cursor() as cursor:
            rows = read_topics(cursor)
        decoder = Decoder(topic_table(rows), payload_validator(rows), DeviceCache(), TWO_YEARS)
        try:
            return list(BatchWriter(decoder, Store(SPECS)).write(connection, [messages]))
        except psycopg2.errors.LockNotAvailable:
            return []


def test_a_process_that_stands_still_is_thrown_out_by_the_database_and_the_bridge_goes_on(bench, sensor, monkeypatch):
    monkeypatch.setattr(module, "_IDLE_TIMEOUT", 300)
    message = Message(sensor.topic, sensor.payload(2), NOW)
    with standing_still(bench, sensor) as (store, call):
        bench.wait_for(lambda: bridge_writes(bench, [message]), "the bridge stores")
        store.released.set()
        with pytest.raises(IngestionUnavailable):
            call.result(30)
    assert counters(bench)["received"] == 0
    assert bench.query(STATE, sensor.record_id)[0][1:] == (1, 0), "what the bridge stored"


def test_of_one_device_s_calls_one_at_a_time_has_rows_that_the_bridge_needs(bench, ingestion, sensor, monkeypatch):
    monkeypatch.setattr(module, "_IDLE_TIMEOUT", 30_000)
    monkeypatch.setattr(module, "WRITER_LOCK_TIMEOUT", 30_000)
    waiting = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"
    holding = "SELECT count(*) FROM pg_locks WHERE pid = %s AND granted AND locktype = 'transactionid'"
    with standing_still(bench, sensor) as (store, first), ThreadPoolExecutor(1) as pool:
        second = pool.submit(ingestion.store, sensor.topic, [sensor.payload(2)])
        bench.wait_for(lambda: bench.query(waiting), "the second call waits for its turn")
        ((pid,),) = bench.query(waiting)
        assert bench.query(holding, pid) == [(0,)], "it has written nothing yet"
        store.released.set()
        assert [call.result(30) for call in (first, second)] == [[Outcome("stored")]] * 2


def test_a_flood_over_both_ways_is_counted_exactly_and_stored_up_to_one_limit(bench, sensor):
    def over_http():
        call = Ingestion(bench.dsn, Store(SPECS), TWO_YEARS, clock=lambda: NOW)
        for _batch in range(10):
            call.store(sensor.topic, [b"{"] * 20)

    def over_the_broker():
        for _batch in range(10):
            messages = [Message(sensor.topic, b"{", NOW) for _number in range(20)]
            bench.wait_for(lambda messages=messages: bridge_writes(bench, messages), "the bridge stores")

    with ThreadPoolExecutor(3) as pool:
        for future in [pool.submit(send) for send in (over_http, over_the_broker, over_the_broker)]:
            future.result(60)
    counted = "SELECT source, reason, received, stored, left_out FROM iot_dead_letter_count"
    assert bench.query(counted) == [("TS-HTTP", "invalid_json", 600, 100, 500)]
    assert bench.count("iot_dead_letter") == 100
    assert bench.query(STATE, sensor.record_id)[0][2] == 600
