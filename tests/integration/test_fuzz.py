"""Whatever comes in, on whatever topic, nothing stops and every message is accounted for.

A few thousand messages with every run of the tests, the same ones each time; `make fuzz` sends 100,000
(`FUZZ_MESSAGES`), of which hypothesis makes up new ones each time.
"""

import contextlib
import json
import os
import random
import threading
from collections import deque
from concurrent.futures import Future
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paho.mqtt.client import MQTTMessage

from bridge_bench import SPECS
from smart_dairy_iot.bridge.bulk_client import topic_of
from smart_dairy_iot.bridge.contract import payload_validator, read_topics, topic_table
from smart_dairy_iot.bridge.database import connect
from smart_dairy_iot.bridge.decoder import Decoder
from smart_dairy_iot.bridge.devices import DeviceCache
from smart_dairy_iot.bridge.messages import Message
from smart_dairy_iot.bridge.pipeline import Pipeline
from smart_dairy_iot.bridge.store import Store
from smart_dairy_iot.bridge.timestamps import utc_now
from smart_dairy_iot.bridge.topics import DEVICE_PUBLISHES

SHORT = "FUZZ_MESSAGES" not in os.environ
MESSAGES = int(os.environ.get("FUZZ_MESSAGES", "3000"))
SEED = int(os.environ.get("FUZZ_SEED", "20260301"))
BATCH = 500
PATIENCE = 120
"""Seconds for a batch; a writer that is stuck on a message is what this looks for."""

DEVICES = {"TS-1": "temperature", "AC-1": "collar"}
PATHS = {"temperature": "temperature", "collar": "collars"}


class Intake:
    """Decoder, store and PostgreSQL as in the bridge, without the broker; and what became of all that was sent."""

    def __init__(self, bench):
        self._bench = bench
        self._dsn = bench.dsn
        self.farm_code = bench.farm_code
        with contextlib.closing(connect(self._dsn)) as connection, connection.cursor() as cursor:
            rows = read_topics(cursor)
            devices = DeviceCache()
            devices.reload(cursor)
        decoder = Decoder(topic_table(rows), payload_validator(rows), devices, lambda _type: timedelta(days=730))
        self.pipeline = Pipeline(
            lambda: connect(self._dsn), decoder, Store(SPECS), lambda messages: None, BATCH, 0.001, 10**9
        )
        self._writer = threading.Thread(target=self.pipeline.run, daemon=True)
        self.sent = 0

    def __enter__(self):
        self._writer.start()
        return self

    def __exit__(self, *_exc):
        self.pipeline.stop()
        self._writer.join(timeout=10)

    def send(self, messages):
        """Send (topic, payload bytes) pairs and wait until each has its outcome."""
        waiting = [Message(topic, payload, utc_now(), future=Future()) for topic, payload in messages]
        for message in waiting:
            self.pipeline.put(message)
        for message in waiting:
            message.future.result(timeout=PATIENCE)
        self.sent += len(waiting)

    def check(self):
        """The counters add up, and the tables hold what they say."""
        assert self._writer.is_alive(), "the writer lives"
        assert self.pipeline.outage is None, "nothing was taken for an outage"
        counters = self.pipeline.counters.as_dict()
        assert counters["received"] == self.sent
        assert counters["stored"] + counters["duplicates"] + counters["dead_letters"] == self.sent
        tables = ("iot_temperature_reading", "iot_activity_reading", "iot_inbox")
        assert sum(map(self._bench.count, tables)) == counters["stored"]
        counted = self._bench.query("SELECT coalesce(sum(received), 0)::int FROM iot_dead_letter_count")
        assert counted == [(counters["dead_letters"],)]


@pytest.fixture
def intake(bench):
    for device_id, device_type in DEVICES.items():
        bench.query(
            "INSERT INTO iot_device (name, device_id, device_type, state, farm_id, mqtt_username, mqtt_client_id,"
            " auth_method, active) VALUES (%s, %s, %s, 'active', %s, %s, %s, 'password', true)",
            *(device_id, device_id, device_type, bench.farm_id, f"X_{device_id}", f"sd_{device_id}"),
        )
    with Intake(bench) as running:
        yield running


# -- what hypothesis makes up ------------------------------------------------------------------------------------

device_ids = st.sampled_from(sorted(DEVICES))
texts = st.text(max_size=30)
numbers = st.one_of(st.integers(), st.floats(), st.integers(-(2**70), 2**70), st.sampled_from([0, -0.0, 1e308, 2**63]))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)
timestamps = st.one_of(
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    st.integers(0, 3000).map(lambda seconds: (utc_now() - timedelta(seconds=seconds)).isoformat() + "Z"),
    texts,
    values,
)
field_names = st.one_of(
    texts,
    st.sampled_from(
        [
            "temperature",
            "steps",
            "animal_id",
            "battery_level",
            "channel",
            "status",
            "alert_type",
            "severity",
            "message",
            "firmware_version",
            "error_code",
            "error_message",
            "config_version",
            "command_id",
            "energy_wh",
        ]
    ),
)
objects = st.builds(
    lambda device_id, timestamp, others: {**others, "device_id": device_id, "timestamp": timestamp},
    st.one_of(device_ids, values),
    timestamps,
    st.dictionaries(field_names, values, max_size=6),
)
payloads = st.one_of(
    st.binary(max_size=200),
    values.map(lambda value: json.dumps(value).encode()),
    objects.map(lambda value: json.dumps(value).encode()),
    objects.map(lambda value: json.dumps(value).encode("utf-16")),
    st.integers(1, 3000).map(lambda depth: b"[" * depth + b"]" * depth),
)


def topics_of(farm_code):
    segments = st.one_of(
        texts, st.sampled_from(["dairy", farm_code, "+", "#", "$share", "", "temperature", *DEVICES, *DEVICE_PUBLISHES])
    )
    known = st.builds(
        lambda device_id, message_type: f"dairy/{farm_code}/{PATHS[DEVICES[device_id]]}/{device_id}/{message_type}",
        device_ids,
        st.sampled_from(DEVICE_PUBLISHES),
    )
    return st.one_of(known, known, st.lists(segments, max_size=7).map("/".join), st.text(max_size=100))


def test_what_hypothesis_makes_up_is_accounted_for(intake):
    batches = st.lists(st.tuples(topics_of(intake.farm_code), payloads), min_size=10, max_size=40)

    @settings(
        max_examples=max(20, MESSAGES // 250),
        derandomize=SHORT,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(batches)
    def send(messages):
        intake.send(messages)
        intake.check()

    send()
    assert intake.pipeline.counters.dead_letters > 0


# -- raw bytes and broken messages -------------------------------------------------------------------------------


class Noise:
    """Random bytes, and good messages that were damaged on the way."""

    def __init__(self, farm_code, seed):
        self._farm_code = farm_code
        self._random = random.Random(seed)
        self._number = 0
        self._start = (utc_now() - timedelta(days=100)).replace(microsecond=0)
        self._latest = deque(maxlen=100)

    def message(self):
        """A pair of topic, as the client gives it, and payload."""
        topic, payload = self._message()
        return topic_of(MQTTMessage(topic=topic)), payload

    def _message(self):
        """A pair of topic and payload, both bytes."""
        kind = self._random.randrange(6)
        topic, payload = self._good()
        if kind == 0:
            return topic, payload
        if kind == 1 and self._random.random() < 0.2:
            return self._repeat()
        if kind == 1:
            return topic, self._random.randbytes(self._random.randrange(300))
        if kind == 2:
            return self._random.randbytes(self._random.randrange(self._random.choice((10, 200, 65535)))), payload
        if kind == 3:
            return self._damaged(topic), payload
        return topic, self._damaged(payload)

    def _good(self):
        device_id = self._random.choice(list(DEVICES))
        message_type = self._random.choice(DEVICE_PUBLISHES)
        topic = f"dairy/{self._farm_code}/{PATHS[DEVICES[device_id]]}/{device_id}/{message_type}"
        self._number += 1
        timestamp = self._start + timedelta(seconds=self._number)
        fields = {
            "data": {"temperature": 4.5} if device_id == "TS-1" else {"steps": 17, "animal_id": "DE 01"},
            "status": {"status": "online", "firmware_version": "1.2.3"},
            "alerts": {"alert_type": "battery", "severity": "low", "message": "Battery low"},
            "ack": {"command_id": f"c-{self._number}", "status": "done"},
        }[message_type]
        payload = {"device_id": device_id, "timestamp": timestamp.isoformat() + "Z", **fields}
        self._latest.append((topic.encode(), json.dumps(payload).encode()))
        return self._latest[-1]

    def _repeat(self):
        """A good message of late; it was sent before, unless it was damaged then."""
        return self._random.choice(self._latest)

    def _damaged(self, data):
        data = bytearray(data)
        for _damage in range(self._random.randrange(1, 4)):
            position = self._random.randrange(len(data) + 1)
            kind = self._random.randrange(4)
            if kind == 0:
                data[position : position + 1] = self._random.randbytes(1)
            elif kind == 1:
                del data[position : position + self._random.randrange(1, 9)]
            elif kind == 2:
                data[position:position] = self._random.randbytes(self._random.randrange(1, 9))
            else:
                data[position:position] = data[: self._random.randrange(1, len(data) + 2)]
        return bytes(data)


def test_noise_is_accounted_for_and_what_is_good_among_it_is_stored(intake):
    noise = Noise(intake.farm_code, SEED)
    while intake.sent < MESSAGES:
        intake.send([noise.message() for _number in range(min(BATCH, MESSAGES - intake.sent))])
    intake.check()
    counters = intake.pipeline.counters
    assert counters.stored > MESSAGES / 10
    assert counters.duplicates > 0
    assert counters.dead_letters > MESSAGES / 4
    print(f"seed {SEED}: {counters}")


def test_noise_that_comes_through_the_broker_is_accounted_for(bench):
    chance = random.Random(SEED)
    sensor = bench.device("TS-2", "temperature")
    with contextlib.closing(sensor), bench.running(bench.make_bridge()):
        for number in range(300):
            if number % 3:
                sensor.publish_raw(chance.randbytes(chance.randrange(2000)))
            else:
                sensor.publish(number, temperature=4)
        bench.wait_for_count("iot_temperature_reading", 100)
        refused = "SELECT coalesce(sum(received), 0)::int FROM iot_dead_letter_count"
        bench.wait_for(lambda: bench.query(refused) == [(200,)], "all are counted")
