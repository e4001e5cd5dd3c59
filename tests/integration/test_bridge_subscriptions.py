"""What the broker keeps of a bridge's subscriptions is what the topics are now, whenever they were changed."""

import contextlib
import logging
import secrets

import psycopg2
import pytest

from bridge_bench import PATIENCE
from smart_dairy_iot.provisioning import DeviceAccess

OLD, NEW = "dairy/+/temperature/+/data", "dairy/+/thermometers/+/data"
TAKE_AWAY = """
    UPDATE iot_topic_hierarchy SET is_active = false WHERE device_type = 'temperature' AND message_type = 'data'
"""
CHANGE = """
    UPDATE iot_topic_hierarchy SET topic_pattern = 'dairy/{farm_id}/thermometers/{device_id}/data'
     WHERE device_type = 'temperature' AND message_type = 'data'
"""


@pytest.fixture(autouse=True)
def _forgotten_at_once(monkeypatch):
    """What the broker is rid of is forgotten without waiting for it to be saved."""
    monkeypatch.setattr("smart_dairy_iot.bridge.shift._BROKER_SAVES_WITHIN", 0)


def remembered(bench):
    statement = "SELECT topic_filter FROM iot_bridge_subscription WHERE client_id = %s"
    return {topic_filter for (topic_filter,) in bench.query(statement, bench.config.mqtt_bridge_client_id)}


def assert_not_delivered_on_the_old_topic(bench):
    """What is published there does not reach the bridge: what another device publishes after it does."""
    bench.wait_for(lambda: OLD not in remembered(bench), "the broker has ended the subscription")
    with (
        contextlib.closing(bench.device("TS-1", "temperature")) as sensor,
        contextlib.closing(bench.device("AC-1", "collar")) as collar,
    ):
        sensor.publish(0, temperature=4).wait_for_publish(PATIENCE)
        collar.publish(0, steps=1)
        bench.wait_for_count("iot_activity_reading", 1)
    assert bench.query("SELECT reason, topic FROM iot_dead_letter") == []


def sensor_on_the_new_topic(bench):
    """A connected sensor, TS-2, that publishes where the changed pattern has it."""
    bench.device("TS-2", "temperature").close()
    topic = f"dairy/{bench.farm_code}/thermometers/TS-2"
    return contextlib.closing(bench.publisher(DeviceAccess("new", "new", (f"{topic}/data",), ()), "TS-2", topic))


def test_a_topic_that_is_taken_away_while_the_bridge_is_away_is_delivered_to_it_no_more(bench):
    with bench.running(bench.make_bridge()):
        assert OLD in remembered(bench)
    bench.query(TAKE_AWAY)
    with bench.running(bench.make_bridge()):
        assert_not_delivered_on_the_old_topic(bench)


def test_a_topic_that_is_changed_while_the_broker_is_away_is_delivered_in_its_new_place_alone(bench, broker):
    with bench.running(bench.make_bridge()):
        broker.stop()
        bench.query(CHANGE)
        bench.query("NOTIFY iot_registry")
        bench.wait_for(lambda: NEW in remembered(bench), "the bridge knows of it")
        assert OLD in remembered(bench), "of which the broker knows nothing yet"
        broker.start()
        assert_not_delivered_on_the_old_topic(bench)
        with sensor_on_the_new_topic(bench) as sensor:
            sensor.publish(0, temperature=4)
            bench.wait_for_count("iot_temperature_reading", 1)


def test_a_topic_changed_while_what_is_remembered_is_locked_is_subscribed_to_when_it_no_longer_is(bench, caplog):
    caplog.set_level(logging.INFO)
    with (
        contextlib.closing(psycopg2.connect(**bench.dsn)) as connection,
        connection.cursor() as cursor,
        bench.running(bench.make_bridge()),
    ):
        cursor.execute("LOCK TABLE iot_bridge_subscription IN ACCESS EXCLUSIVE MODE")
        bench.query(CHANGE)
        bench.query("NOTIFY iot_registry")
        bench.wait_for(lambda: "it waits for that: the registry" in caplog.text, "the lock is told")
        connection.rollback()
        assert_not_delivered_on_the_old_topic(bench)
        with sensor_on_the_new_topic(bench) as sensor:
            sensor.publish(0, temperature=4)
            bench.wait_for_count("iot_temperature_reading", 1)
        assert "no longer leads" not in caplog.text


def test_on_a_database_that_is_not_upgraded_yet_the_bridge_says_so_and_waits(bench, caplog):
    caplog.set_level(logging.INFO)
    bench.query("ALTER TABLE iot_bridge_subscription RENAME TO to_come")
    bridge = bench.make_bridge()
    with bench.running(bridge, stand_by=True):
        bench.wait_for(lambda: 'relation "iot_bridge_subscription" does not exist' in caplog.text, "it says so")
        bench.query("ALTER TABLE to_come RENAME TO iot_bridge_subscription")
        bench.wait_for(lambda: bridge.receiving, "the bridge is subscribed")


def test_a_topic_too_long_for_an_index_is_subscribed_to(bench):
    # By chance: what repeats itself is compressed, and then fits.
    segment = secrets.token_hex(4000)
    bench.query(CHANGE.replace("thermometers", segment))
    with bench.running(bench.make_bridge()):
        assert f"dairy/+/{segment}/+/data" in remembered(bench)


def test_what_another_bridge_remembers_is_left_alone(bench):
    statement = "INSERT INTO iot_bridge_subscription (client_id, topic_filter) VALUES (%s, %s)"
    bench.query(statement, "another", OLD)
    bench.query(statement, bench.config.mqtt_bridge_client_id, OLD)
    bench.query(TAKE_AWAY)
    with bench.running(bench.make_bridge()):
        bench.wait_for(lambda: OLD not in remembered(bench), "it has what it wants alone")
    assert bench.query("SELECT topic_filter FROM iot_bridge_subscription WHERE client_id = 'another'") == [(OLD,)]
