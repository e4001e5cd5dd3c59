"""What is to be published, on a real database and broker: never if it was rolled back, at least once otherwise."""

import contextlib

import psycopg2
import pytest

from smart_dairy_iot.bridge.outbox import Outbox

ENTRY = (
    "INSERT INTO iot_outbox (topic, payload, qos, retain, state, create_date)"
    " VALUES (%s, %s, 1, false, 'queued', now() AT TIME ZONE 'UTC')"
)
ENTRY_OF_QOS = ENTRY.replace("%s, 1,", "%s, %s,")
STATES = "SELECT state FROM iot_outbox ORDER BY id"


def payload(number):
    return f'{{"interval": {number}}}'


def test_what_was_rolled_back_is_never_published_and_what_was_committed_after_it_is(bench, sensor):
    with bench.running(bench.make_bridge()):
        with contextlib.closing(psycopg2.connect(**bench.dsn)) as connection, connection.cursor() as cursor:
            cursor.execute(ENTRY, [f"{sensor.topic}/config", payload(1)])
            cursor.execute("NOTIFY iot_outbox")
            connection.rollback()
            cursor.execute(ENTRY, [f"{sensor.topic}/config", payload(2)])
            cursor.execute("NOTIFY iot_outbox")
            connection.commit()
        bench.wait_for(lambda: sensor.received, "the second one reaches the device")
        bench.wait_for(lambda: bench.query(STATES) == [("sent",)], "it is marked sent")
    # They go out in their order: the first one would have been there before.
    assert sensor.received == [{"interval": 2}]


def test_an_entry_goes_out_again_after_a_crash_between_publication_and_mark(bench, sensor, monkeypatch):
    bench.query(ENTRY, f"{sensor.topic}/config", payload(1))
    settle = Outbox._settle
    monkeypatch.setattr(Outbox, "_settle", lambda *_arguments: None)
    with bench.running(bench.make_bridge()):
        bench.wait_for(lambda: sensor.received, "the entry reaches the device")
    assert bench.query(STATES) == [("queued",)], "the process ended before it was marked"
    monkeypatch.setattr(Outbox, "_settle", settle)
    with bench.running(bench.make_bridge()):
        bench.wait_for(lambda: bench.query(STATES) == [("sent",)], "it is marked sent")
        bench.wait_for(lambda: len(sensor.received) == 2, "the entry reaches the device again")
    assert sensor.received == [{"interval": 1}] * 2


@pytest.mark.parametrize("qos", [1, 2])
def test_what_the_broker_refuses_is_failed_with_its_reason_and_holds_up_nothing(qos, bench, sensor):
    bench.query(ENTRY_OF_QOS, "elsewhere/config", payload(1), qos)
    bench.query(ENTRY_OF_QOS, f"{sensor.topic}/config", payload(2), qos)
    with bench.running(bench.make_bridge()):
        bench.wait_for(lambda: bench.query(STATES) == [("failed",), ("sent",)], "both are settled")
        bench.wait_for(lambda: sensor.received, "the other one reaches the device")
    ((error,),) = bench.query("SELECT error FROM iot_outbox WHERE state = 'failed'")
    assert error == "the broker refuses it: Not authorized"
    assert bench.query("SELECT messages_sent FROM iot_device_state") == []


POISON = {
    "a tab": "dairy/a\tb",
    "a character that is none": "dairy/\ufffe",
    "hundreds of levels": "dairy" + "/x" * 300,
    "the broker's own": "$SYS/broker/version",
    "too long": "dairy/" + "x" * 70_000,
    "a wildcard": "dairy/+/config",
    "empty": "",
    "a shared subscription": "$share/group/dairy",
}


def test_no_entry_whatever_its_topic_costs_the_bridge_its_connection(bench, sensor):
    for topic in POISON.values():
        bench.query(ENTRY, topic, payload(1))
    bench.query(ENTRY, f"{sensor.topic}/config", payload(2))
    with bench.running(bench.make_bridge()) as _stop:
        bench.wait_for(lambda: ("queued",) not in bench.query(STATES), "all are settled")
        bench.wait_for(lambda: sensor.received, "what comes after them reaches the device")
        sensor.publish(0, temperature=4)
        bench.wait_for_count("iot_temperature_reading", 1)
    assert bench.query(STATES) == [("failed",)] * len(POISON) + [("sent",)]
    assert sensor.received == [{"interval": 2}]
