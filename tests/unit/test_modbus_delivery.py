"""A reading is kept until it is committed."""

import asyncio
import itertools
from datetime import datetime
from types import SimpleNamespace

from bridge_testing import Connection
from modbus_testing import Pipeline
from smart_dairy_iot.bridge.pipeline import Pipeline as BridgePipeline
from smart_dairy_iot_milk.modbus import delivery as delivery_module
from smart_dairy_iot_milk.modbus.delivery import Delivery


async def drained(delivery):
    while len(delivery):
        await asyncio.sleep(0.01)


def deliver(delivery, while_running):
    """Run the delivery until `while_running` is done and nothing waits, or a minute has passed."""

    async def run():
        task = asyncio.create_task(delivery.run())
        await while_running()
        try:
            await asyncio.wait_for(drained(delivery), 60)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


async def nothing():
    await asyncio.sleep(0)


def test_messages_arrive_in_order():
    pipeline = Pipeline()
    delivery = Delivery(pipeline)
    for i in range(1200):
        delivery.put("t", {"i": i})
    deliver(delivery, nothing)
    assert [payload["i"] for _topic, payload in pipeline.messages] == list(range(1200))


def test_what_is_not_committed_is_handed_on_again_in_order():
    pipeline = Pipeline()
    pipeline.down = True
    delivery = Delivery(pipeline)
    for i in range(3):
        delivery.put("t", {"i": i})

    async def outage():
        await asyncio.sleep(0.1)
        pipeline.down = False

    deliver(delivery, outage)
    assert [payload["i"] for _topic, payload in pipeline.messages] == [0, 1, 2]


def test_the_last_reading_of_a_milking_is_never_dropped():
    pipeline = Pipeline()
    delivery = Delivery(pipeline, limit=5)
    delivery.put("t", {"end": True}, keep=True)
    for i in range(20):
        delivery.put("t", {"i": i})
    deliver(delivery, nothing)
    payloads = [payload for _topic, payload in pipeline.messages]
    assert payloads == [{"end": True}] + [{"i": i} for i in range(16, 20)]


def test_what_was_under_way_when_the_worker_stopped_is_not_forgotten():
    pipeline = Pipeline()
    pipeline.down = True
    delivery = Delivery(pipeline)
    delivery.put("t", {"i": 1})

    async def stop_in_an_outage():
        task = asyncio.create_task(delivery.run())
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(stop_in_an_outage())
    assert len(delivery) == 1
    pipeline.down = False
    deliver(delivery, nothing)
    assert [payload for _topic, payload in pipeline.messages] == [{"i": 1}]


def test_past_the_limit_the_longest_milking_is_thinned_out_and_keeps_its_first_reading_and_its_last():
    pipeline = Pipeline()
    delivery = Delivery(pipeline, limit=40)
    for i in range(30):
        delivery.put("t", {"milking": "long", "i": i}, keep=i in (0, 29), milking="long")
    for i in range(30):
        delivery.put("t", {"milking": "short", "i": i}, keep=i in (0, 29), milking="short")
    deliver(delivery, nothing)
    kept = {"long": [], "short": []}
    for _topic, payload in pipeline.messages:
        kept[payload["milking"]].append(payload["i"])
    assert sum(map(len, kept.values())) <= 40
    for numbers in kept.values():
        assert (numbers[0], numbers[-1]) == (0, 29)
        assert len(numbers) > 8
        assert max(later - earlier for earlier, later in itertools.pairwise(numbers)) <= 4, "its course"


def test_a_message_of_no_milking_is_dropped_before_any_reading():
    pipeline = Pipeline()
    delivery = Delivery(pipeline, limit=3)
    delivery.put("t", {"status": "online"})
    for i in range(3):
        delivery.put("t", {"i": i}, milking="m")
    deliver(delivery, nothing)
    assert [payload for _topic, payload in pipeline.messages] == [{"i": i} for i in range(3)]


def test_what_the_pipeline_of_a_bridge_that_has_lost_the_lead_does_not_take_is_stored_without_it():
    ended = BridgePipeline(Connection, None, None, list, 100, 0.001, 1000, clock=lambda: datetime(2026, 3, 1))
    ended.stop()
    ended.run()
    stored = []
    delivery = Delivery(SimpleNamespace(submit=ended.submit, store=stored.extend))
    for i in range(1200):
        delivery.put(f"t{i % 3}", {"i": i})
    deliver(delivery, nothing)
    assert stored == [(f"t{i % 3}", {"i": i}) for i in range(1200)]


def test_what_a_pipeline_takes_is_not_stored_beside_it():
    pipeline, stored = Pipeline(), []
    delivery = Delivery(SimpleNamespace(submit=pipeline.submit, store=stored.extend))
    delivery.put("t", {"i": 1})
    deliver(delivery, nothing)
    assert (pipeline.messages, stored) == ([("t", {"i": 1})], [])


class Choosy(Pipeline):
    """Raises, rather than give a future that fails, at every message that says so; without the pipeline it is down."""

    error = None

    def submit(self, topic, payload):
        if payload.get("raises") and self.error:
            raise self.error
        return super().submit(topic, payload)

    def store(self, entries):
        raise ConnectionError("away")


def test_a_pipeline_that_raises_takes_no_message_with_it():
    pipeline = Choosy()
    pipeline.error = RuntimeError("can't start new thread")
    delivery = Delivery(pipeline)
    for i in range(4):
        delivery.put("t", {"i": i, "raises": i == 1})

    async def until_the_others_are_there():
        while len(pipeline.messages) < 3:
            await asyncio.sleep(0.01)
        assert len(delivery) == 1
        pipeline.error = None

    deliver(delivery, until_the_others_are_there)
    assert [payload["i"] for _topic, payload in pipeline.messages] == [0, 2, 3, 1]


def test_what_json_cannot_hold_is_dropped_with_an_error_and_the_others_go_on(caplog):
    pipeline = Choosy()
    pipeline.error = TypeError("Type is not JSON serializable: complex")
    delivery = Delivery(pipeline)
    for i in range(3):
        delivery.put("dairy/t", {"i": i, "raises": i == 1})
    deliver(delivery, nothing)
    assert [payload["i"] for _topic, payload in pipeline.messages] == [0, 2]
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "dairy/t" in record.getMessage() and "'i': 1" in record.getMessage() and record.exc_info


def test_who_is_in_a_hurry_does_not_wait_for_the_next_try(monkeypatch):
    monkeypatch.setattr(delivery_module, "_FIRST_PAUSE", 3600)
    monkeypatch.setattr(delivery_module, "_LONGEST_PAUSE", 3600)
    pipeline = Pipeline()
    pipeline.down = True
    delivery = Delivery(pipeline)
    delivery.put("t", {"i": 1})

    async def a_failed_try():
        while not delivery._outage:
            await asyncio.sleep(0.01)
        pipeline.down = False
        delivery.hurry()

    deliver(delivery, a_failed_try)
    assert [payload for _topic, payload in pipeline.messages] == [{"i": 1}]


def test_what_is_held_is_counted_by_meter_and_a_word_that_a_meter_is_there_is_no_reading():
    delivery = Delivery(Pipeline())
    for device_id in ("MM-1", "MM-2", "MM-1"):
        delivery.put("t", {"device_id": device_id}, milking=f"{device_id}-1")
    delivery.put("t", {"device_id": "MM-3"})
    assert delivery.held == {"MM-1": 2, "MM-2": 1}
