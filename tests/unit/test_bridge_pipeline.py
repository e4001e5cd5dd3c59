"""No message ends the writer, and what is committed is neither written again nor said to have failed."""

import queue
import threading
from concurrent.futures import Future
from datetime import datetime

import orjson
import pytest

from bridge_testing import Connection
from smart_dairy_iot.bridge.config import Config
from smart_dairy_iot.bridge.decoder import Decoder
from smart_dairy_iot.bridge.devices import Device, DeviceCache
from smart_dairy_iot.bridge.messages import STORED, Message, Refused
from smart_dairy_iot.bridge.pipeline import Pipeline
from smart_dairy_iot.bridge.topics import TopicPattern, TopicTable
from smart_dairy_iot.bridge.validation import PayloadValidator
from smart_dairy_iot.telemetry.retention import retention_by_type

TOPIC = "dairy/F1/collars/AC-1/data"
NOW = datetime(2026, 3, 1, 6)
TWO_YEARS = retention_by_type((), Config())
SCHEMA = '{"type": "object", "properties": {"timestamp": {"type": "string", "format": "date-time"}}}'


class Store:
    """Remembers what it was given."""

    def __init__(self):
        self.written = []

    def write_batch(self, _cursor, results):
        self.written += results
        return ["dead_letter" if isinstance(result, Refused) else STORED for result in results]


@pytest.fixture
def devices():
    cache = DeviceCache()
    cache._devices = {"AC-1": Device(1, "AC-1", "collar", "active", 1, "F1")}
    return cache


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def acknowledged():
    return []


@pytest.fixture
def pipeline(devices, store, acknowledged):
    """A pipeline whose writer runs until the end of the test."""
    topics = TopicTable([TopicPattern("dairy/{farm_id}/{device_type}/{device_id}/{message_type}", "collar", "data")])
    decoder = Decoder(topics, PayloadValidator({("collar", "data"): SCHEMA}), devices, TWO_YEARS)
    pipeline = Pipeline(Connection, decoder, store, acknowledged.extend, 100, 0.001, 1000, clock=lambda: NOW)
    writer = threading.Thread(target=pipeline.run, daemon=True)
    writer.start()
    pipeline.writer = writer
    yield pipeline
    pipeline.stop()
    writer.join(timeout=5)
    assert not writer.is_alive()


def payload(**fields):
    return {"device_id": "AC-1", "timestamp": "2026-03-01T05:59:00Z", **fields}


def outcome(pipeline, raw):
    message = Message(TOPIC, raw, NOW, future=Future())
    pipeline.put(message)
    return message.future.result(timeout=5)


def test_a_message_that_cannot_be_decoded_is_a_dead_letter_and_the_writer_lives(pipeline):
    before_the_calendar = payload(timestamp="0001-01-01T00:00:00+05:00")
    assert outcome(pipeline, orjson.dumps(before_the_calendar)) == "dead_letter"
    assert outcome(pipeline, orjson.dumps(payload())) == STORED


@pytest.fixture
def seconds():
    """What the clock of an idle pipeline says, in a list of one."""
    return [100.0]


@pytest.fixture
def idle(seconds):
    """A pipeline whose writer does not run, with a flush interval of 20 seconds."""
    pipeline = Pipeline(Connection, None, None, None, 100, 20, 3, seconds=lambda: seconds[0])
    pipeline._queue = ClockedQueue(seconds)
    return pipeline


class ClockedQueue(queue.SimpleQueue):
    """Whoever waits for a message does so until the clock says that it is enough, and sees what comes meanwhile."""

    def __init__(self, seconds):
        self._seconds = seconds
        self.coming = []

    def get(self, timeout):
        end = self._seconds[0] + timeout
        while self.empty():
            if not self.coming or self.coming[0] > end:
                self._seconds[0] = end
                raise queue.Empty
            self._seconds[0] = self.coming.pop(0)
            self.put(message())
        return self.get_nowait()


def message(qos=1):
    return Message(TOPIC, b"{}", NOW, qos=qos)


def test_a_batch_ends_where_it_grows_beyond_what_one_statement_can_hold(idle):
    for _number in range(5):
        idle.put(Message(TOPIC, bytes(10 * 2**20), NOW, qos=1))
    assert [len(idle._collect()) for _batch in range(3)] == [2, 2, 1]


def test_what_comes_to_an_idle_writer_waits_for_others(idle, seconds):
    idle._queue.coming = [100.3, 110, 120.2, 121]
    assert len(idle._collect()) == 3
    assert seconds == [pytest.approx(120.3)]


def test_what_came_while_the_batch_before_was_written_does_not_wait_as_long_again(idle, seconds):
    idle.put(message())
    assert len(idle._collect()) == 1
    seconds[0] += 15
    idle.put(message())
    began = seconds[0]
    assert len(idle._collect()) == 1
    assert seconds[0] - began == pytest.approx(5)
    seconds[0] += 25
    idle.put(message())
    idle.put(message())
    began = seconds[0]
    assert len(idle._collect()) == 2, "all that is there is taken"
    assert seconds[0] == began


def test_without_room_what_no_broker_holds_back_is_dropped_and_counted(idle):
    for qos in (0, 0, 1, 1, 0, 1):
        idle.put(message(qos))
    assert idle.waiting == 5
    assert idle.counters.dropped == 1


def test_what_was_made_in_this_process_is_never_dropped(idle):
    for _number in range(5):
        idle.submit(TOPIC, {})
    assert idle.waiting == 5


def test_a_future_that_was_cancelled_meanwhile_does_not_have_its_message_written_again(pipeline, store):
    message = Message(TOPIC, orjson.dumps(payload()), NOW, future=Future())
    message.future.cancel()
    pipeline.put(message)
    assert outcome(pipeline, orjson.dumps(payload(timestamp="2026-03-01T05:58:00Z"))) == STORED
    assert len(store.written) == 2
    assert pipeline.counters.as_dict() == {"received": 2, "stored": 2, "duplicates": 0, "dead_letters": 0, "dropped": 0}


def test_an_acknowledgement_that_fails_does_not_have_its_message_written_again(pipeline, store):
    def broken(_messages):
        raise BrokenPipeError("the connection is gone")

    pipeline._acknowledge = broken
    assert outcome(pipeline, orjson.dumps(payload())) == STORED
    assert len(store.written) == 1


def test_whoever_submits_to_a_pipeline_that_has_ended_does_not_wait_for_ever(pipeline):
    pipeline.stop()
    pipeline.writer.join(timeout=5)
    assert pipeline.submit(TOPIC, payload()).cancelled()
