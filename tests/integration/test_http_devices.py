"""A device without MQTT, over real HTTP to a threaded and to a prefork server."""

import csv
import io
import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from http_device import HttpDevice
from stack.shell import free_port
from support import Database, Farm, connected, eventually, log_in, utc_now

READINGS = "SELECT count(*) FROM iot_temperature_reading WHERE iot_device_id = %s"
SENDERS, BATCHES, SIZE = 4, 6, 20


@pytest.fixture(params=["threaded", "prefork"])
def server(request, instance):
    instance.workers = 2 if request.param == "prefork" else 0
    instance.section["metrics_port"] = str(free_port())
    with instance.start():
        yield instance


def test_what_a_device_sends_over_http_is_stored_once_counted_exactly_and_read_back(server):
    stored = Database(server.postgres.dsn(server.database))
    farm = Farm(log_in(server), "HTTP")
    sensor = farm.provision("TS-HTTP")
    device = HttpDevice(server, sensor)
    start = utc_now() - timedelta(hours=2)

    def send(number):
        # Two senders have the same messages; the last of each batch is broken.
        for batch in range(BATCHES):
            first = (number // 2 * BATCHES + batch) * SIZE
            messages = [sensor.payload(start + timedelta(seconds=first + n), temperature=4.5) for n in range(SIZE)]
            messages[-1]["temperature"] = "warm"
            status, answer = device.send(messages)
            assert (status, answer["received"], answer["dead_letters"]) == (207, SIZE, 1), answer
            assert answer["stored"] + answer["duplicates"] == SIZE - 1

    with ThreadPoolExecutor(SENDERS) as pool:
        list(pool.map(send, range(SENDERS)))

    sent = SENDERS * BATCHES * SIZE
    good = SENDERS // 2 * BATCHES * (SIZE - 1)
    assert stored.value(READINGS, sensor.record_id) == good
    counters = {"stored": good, "duplicates": good, "dead_letters": SENDERS * BATCHES}
    assert sum(counters.values()) == sent
    expected = [
        f'smart_dairy_http_messages_total{{database="{server.database}",outcome="{name}"}} {float(count)}'
        for name, count in counters.items()
    ]
    eventually(lambda: all(line in metrics(server) for line in expected), lambda: metrics(server), seconds=30)

    span = f"?from={(start - timedelta(minutes=1)).strftime('%Y-%m-%dT%H:%M:%SZ')}"
    status, text = device.request("GET", f"/readings{span}", Accept="text/csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert (status, len(rows)) == (200, good)
    assert [row["timestamp"] for row in rows] == sorted(row["timestamp"] for row in rows)
    status, text = device.request("GET", f"/readings{span}&resolution=day&metrics=temperature")
    assert sum(day["readings"] for day in json.loads(text)["readings"]) == good


def test_a_schema_that_is_changed_a_heartbeat_and_a_device_that_is_shut_out_are_known_to_every_worker_at_once(server):
    odoo = log_in(server)
    farm = Farm(odoo, "HTTP")
    sensor = farm.provision("TS-HTTP")
    device = HttpDevice(server, sensor)
    assert device.request("POST", "/heartbeat")[0] == 200
    assert sensor.read("is_online")["is_online"]

    def statuses(temperature):
        """Of so many requests that each worker had some."""
        with ThreadPoolExecutor(4) as pool:
            return set(pool.map(lambda _n: device.send(sensor.payload(temperature=temperature))[0], range(12)))

    assert statuses(40) == {200}
    topic = [("device_type", "=", "temperature"), ("message_type", "=", "data")]
    (topic_id,) = odoo.call("iot.topic.hierarchy", "search", topic)
    stricter = {"type": "object", "properties": {"temperature": {"type": "number", "maximum": 30}}}
    version = {"name": "Stricter", "version": "2.0", "json_schema": json.dumps(stricter), "is_active": True}
    odoo.call("iot.topic.schema", "create", [{**version, "topic_hierarchy_id": topic_id}])
    assert statuses(40) == {422}
    assert statuses(20) == {200}
    odoo.call("iot.device", "action_deactivate", [sensor.record_id])
    assert statuses(20) == {401}


def test_what_came_over_the_broker_is_a_duplicate_over_http_and_the_other_way_round(broker, odoo_server):
    stored = Database(odoo_server.postgres.dsn(odoo_server.database))
    sensor = Farm(log_in(odoo_server), "BOTH").provision("TS-BOTH")
    device = HttpDevice(odoo_server, sensor)
    start = utc_now() - timedelta(minutes=5)

    def messages(minutes):
        at = start + timedelta(minutes=minutes)
        return {
            "data": sensor.payload(at, temperature=4.5),
            "status": sensor.payload(at, status="online", battery_level=80),
            "alerts": sensor.payload(at, alert_type="door", severity="low", message=f"Open for {minutes} minutes"),
        }

    def send(message_type, message):
        # In a list it is written anew; and the order of its fields is nobody's business.
        swapped = [dict(reversed(message.items()))]
        status, text = device.request("POST", f"/telemetry?message_type={message_type}", swapped)
        return status, json.loads(text)["results"][0]["outcome"]

    def counts():
        inbox = stored.value("SELECT count(*) FROM iot_inbox WHERE iot_device_id = %s", sensor.record_id)
        return stored.value(READINGS, sensor.record_id), inbox

    with connected(broker, sensor.credentials) as connection:
        for message_type, message in messages(0).items():
            connection.publish(sensor.topic(message_type), message)
        eventually(lambda: counts() == (1, 2), "what was published is stored")
        assert [send(*message) for message in messages(0).items()] == [(200, "duplicate")] * 3
        assert [send(*message) for message in messages(1).items()] == [(200, "stored")] * 3
        for message_type, message in messages(1).items():
            connection.publish(sensor.topic(message_type), message)
        connection.publish(sensor.topic(), messages(2)["data"])
        eventually(lambda: counts()[0] == 3, "the last message is stored, and those before it were written")
    assert counts() == (3, 4)
    came_by = "SELECT count(*) FROM iot_inbox WHERE iot_device_id = %s AND transport = %s"
    assert [stored.value(came_by, sensor.record_id, transport) for transport in ("mqtt", "http")] == [2, 2]


def metrics(server):
    address = f"http://127.0.0.1:{server.section['metrics_port']}/metrics"
    with urllib.request.urlopen(address, timeout=10) as response:
        return response.read().decode()
