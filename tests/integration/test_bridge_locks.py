"""A table that somebody locks for long, as `VACUUM FULL` or a migration does, stops nothing but what needs it."""

import contextlib
import logging

import psycopg2
import pytest

from bridge_bench import Bench

ENTRY = (
    "INSERT INTO iot_outbox (topic, payload, qos, retain, state, create_date)"
    " VALUES (%s, '{}', 1, false, 'queued', now() AT TIME ZONE 'UTC')"
)


@pytest.fixture
def bench(bed, database, broker):
    return Bench(bed.postgres.dsn(database), broker)


@pytest.fixture
def sensor(bench):
    with contextlib.closing(bench.device("TS-1", "temperature", state="inactive")) as device:
        yield device


@pytest.fixture
def lock(bench):
    """Locks a table until its transaction ends."""
    with contextlib.closing(psycopg2.connect(**bench.dsn)) as connection:

        def take(table):
            with connection.cursor() as cursor:
                cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            return connection

        yield take


def test_while_the_outbox_is_locked_the_bridge_leads_stores_and_replays_and_then_it_goes_out(
    bench, sensor, lock, caplog
):
    caplog.set_level(logging.INFO)
    told = "it waits for that: the outbox"
    with bench.running(bench.make_bridge()):
        locked = lock("iot_outbox")
        bench.wait_for(lambda: told in caplog.text, "that the outbox is locked is told")
        # Meanwhile: what comes is stored, the registry is read anew, and what a person released is replayed.
        sensor.publish(0, temperature=4)
        bench.wait_for_count("iot_dead_letter", 1)
        bench.query("UPDATE iot_device SET state = 'active' WHERE device_id = 'TS-1'; NOTIFY iot_registry")
        sensor.publish(1, temperature=4)
        bench.wait_for_count("iot_temperature_reading", 1)
        bench.query("UPDATE iot_dead_letter SET state = 'replaying'; NOTIFY iot_dead_letter")
        bench.wait_for_count("iot_temperature_reading", 2)
        assert sensor.received == []
        with locked.cursor() as cursor:
            cursor.execute(ENTRY, [f"{sensor.topic}/config"])
        locked.commit()
        bench.wait_for(lambda: bench.query("SELECT state FROM iot_outbox") == [("sent",)], "the outbox goes out")
        bench.wait_for(lambda: "it goes on: the outbox" in caplog.text, "that it does is told")
        assert "no longer leads" not in caplog.text
    assert caplog.text.count(told) == 1
    assert len(sensor.received) == 1
