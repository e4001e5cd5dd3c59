"""A reading is kept until it is committed."""

import asyncio
import itertools

from modbus_testing import Pipeline
from smart_dairy_iot_milk.modbus.delivery import Delivery


def deliver(delivery, while_running):
    """Run the delivery until `while_running` is done and nothing waits, or a minute has passed."""

    async def run():
        task = asyncio.create_task(delivery.run())
        await while_running()
        try:
            await asyncio.wait_for(delivery.drained(), 60)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


async def nothing():
    await asyncio.sleep(0)


def test_messages_arrive_in_order():
    pipeline = Pipeline()
    delivery = Delivery(pipeline.submit)
    for i in range(1200):
        delivery.put("t", {"i": i})
    deliver(delivery, nothing)
    assert [payload["i"] for _topic, payload in pipeline.messages] == list(range(1200))


def test_what_is_not_committed_is_handed_on_again_in_order():
    pipeline = Pipeline()
    pipeline.down = True
    delivery = Delivery(pipeline.submit)
    for i in range(3):
        delivery.put("t", {"i": i})

    async def outage():
        await asyncio.sleep(0.1)
        pipeline.down = False

    deliver(delivery, outage)
    assert [payload["i"] for _topic, payload in pipeline.messages] == [0, 1, 2]


def test_the_last_reading_of_a_milking_is_never_dropped():
    pipeline = Pipeline()
    delivery = Delivery(pipeline.submit, limit=5)
    delivery.put("t", {"end": True}, keep=True)
    for i in range(20):
        delivery.put("t", {"i": i})
    deliver(delivery, nothing)
    payloads = [payload for _topic, payload in pipeline.messages]
    assert payloads == [{"end": True}] + [{"i": i} for i in range(16, 20)]


def test_what_was_under_way_when_the_worker_stopped_is_not_forgotten():
    pipeline = Pipeline()
    pipeline.down = True
    delivery = Delivery(pipeline.submit)
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
    delivery = Delivery(pipeline.submit, limit=40)
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
    delivery = Delivery(pipeline.submit, limit=3)
    delivery.put("t", {"status": "online"})
    for i in range(3):
        delivery.put("t", {"i": i}, milking="m")
    deliver(delivery, nothing)
    assert [payload for _topic, payload in pipeline.messages] == [{"i": i} for i in range(3)]
