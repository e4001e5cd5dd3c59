"""The poller against real Modbus TCP servers on this machine."""

import threading
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest

from modbus_testing import (
    NOW,
    OTHER_TAG,
    PERIOD,
    TAG,
    Clock,
    MemoryRegistry,
    Pipeline,
    eventually,
    meter,
    polling,
)
from simulation.modbus_meter import MeterRegisters, ModbusMeter, ModbusServer
from smart_dairy_iot_milk.modbus.meters import Point
from smart_dairy_iot_milk.modbus.poller import ModbusPoller, poller_for
from smart_dairy_iot_milk.modbus.tracker import Past, Reading


@pytest.fixture
def server():
    with ModbusMeter() as server:
        yield server


def milk(server, yield_liters, seconds, **values):
    server.set(milking=True, rfid=TAG, yield_liters=yield_liters, session_seconds=seconds, **values)


def test_a_milking_is_reported_as_messages_of_one_session_and_the_last_says_so(server):
    registry = MemoryRegistry(meter(server, channel=4))
    with polling(registry) as pipeline:
        milk(server, 1.0, 10, conductivity=5.5, vacuum=42)
        first = eventually(pipeline.data)[0]
        milk(server, 2.0, 20)
        eventually(lambda: pipeline.data()[-1]["yield_liters"] == 2.0)
        server.set(milking=False, yield_liters=2.5, session_seconds=25)
        last = eventually(lambda: [payload for payload in pipeline.data() if not payload["milking"]])[0]
    assert first["device_id"] == "MM-1"
    assert first["channel"] == 4
    assert last["rfid_tag"] == "8000F9DCBE991A14"
    assert first["quality"]["conductivity"] == 5.5
    assert first["equipment"]["vacuum_pressure"] == 42.0
    assert first["timestamp"].startswith("2026-03-01T04:30:") and first["timestamp"].endswith("Z")
    assert last["yield_liters"] == 2.5
    assert {payload["session_id"] for payload in pipeline.data()} == {first["session_id"]}
    assert {topic for topic, payload in pipeline.messages if "session_id" in payload} == {
        "dairy/farm1/milk_meters/MM-1/data"
    }


def test_after_the_end_nothing_more_is_reported(server):
    with polling(MemoryRegistry(meter(server))) as pipeline:
        milk(server, 1.0, 10)
        eventually(pipeline.data)
        server.set(milking=False)
        eventually(lambda: not pipeline.data()[-1]["milking"])
        count, asked = len(pipeline.data()), len(server.requests)
        eventually(lambda: len(server.requests) > asked + 10)
        assert len(pipeline.data()) == count


def test_an_idle_meter_says_that_it_is_there_once_a_minute(server):
    clock = Clock(step=timedelta(seconds=10))
    with polling(MemoryRegistry(meter(server)), clock=clock) as pipeline:
        eventually(lambda: len(pipeline.messages) >= 3)
    topics = {topic for topic, _payload in pipeline.messages}
    assert topics == {"dairy/farm1/milk_meters/MM-1/status"}
    assert {payload["status"] for _topic, payload in pipeline.messages} == {"online"}
    assert len(pipeline.messages) == pytest.approx((clock.now - NOW).total_seconds() / 60, abs=2)


def test_yield_and_flow_are_corrected_by_the_calibration_factor(server):
    milk(server, 10.0, 100, flow_rate=2.0)
    with polling(MemoryRegistry(meter(server, factor=1.05))) as pipeline:
        payload = eventually(pipeline.data)[0]
    assert (payload["yield_liters"], payload["flow_rate"]) == (10.5, 2.1)


def test_a_meter_switched_off_and_on_again_is_polled_again(server, caplog):
    caplog.set_level("INFO")
    with polling(MemoryRegistry(meter(server))) as pipeline:
        milk(server, 1.0, 10)
        session = eventually(pipeline.data)[0]["session_id"]
        before = len(caplog.text)
        server.stop()
        eventually(lambda: "cannot be read" in caplog.text[before:])
        time.sleep(10 * PERIOD)
        milk(server, 4.0, 40)
        server.start()
        eventually(lambda: pipeline.data()[-1]["yield_liters"] == 4.0)
    assert {payload["session_id"] for payload in pipeline.data()} == {session}
    outage, again, _after = caplog.text[before:].partition("can be read again")
    assert again
    assert outage.count("cannot be read") == 1
    assert "pymodbus" not in caplog.text


def test_an_end_while_the_meter_was_away_is_reported_with_its_yield(server):
    with polling(MemoryRegistry(meter(server))) as pipeline:
        milk(server, 1.0, 10)
        eventually(pipeline.data)
        server.stop()
        server.set(milking=False, yield_liters=9.5, session_seconds=300)
        server.start()
        last = eventually(lambda: [payload for payload in pipeline.data() if not payload["milking"]])[0]
    assert last["yield_liters"] == 9.5


@pytest.mark.parametrize("behaviour", ["silent", "off"])
def test_a_dead_meter_does_not_delay_another(server, behaviour):
    milk(server, 1.0, 10)
    with ModbusMeter() as dead:
        dead.silent = True
        if behaviour == "off":
            dead.stop()
        with polling(MemoryRegistry(meter(dead, "MM-2"), meter(server))) as pipeline:
            eventually(pipeline.data)
            started, asked = time.monotonic(), len(server.requests)
            eventually(lambda: len(server.requests) >= asked + 2 * 20)
            # Twenty readings; if each waited for the dead meter's time-out, they would take two hundred periods.
            assert time.monotonic() - started < 100 * PERIOD
        assert not pipeline.data("MM-2")


def test_a_dead_meter_on_the_same_gateway_leaves_the_others_their_turn():
    alive, dead = MeterRegisters(), MeterRegisters()
    alive.set(milking=True, yield_liters=1.0, session_seconds=1)
    dead.silent = True
    with ModbusServer("127.0.0.1", 0, {1: dead, 2: alive}) as gateway:
        registry = MemoryRegistry(meter(gateway, "MM-1", unit=1), meter(gateway, "MM-2", unit=2))
        with polling(registry) as pipeline:
            eventually(lambda: len(pipeline.data("MM-2")) >= 40)
            # Tried every time, it would have been asked as often.
            assert len(dead.requests) < 20
            dead.silent = False
            dead.set(milking=True, yield_liters=2.0)
            eventually(lambda: pipeline.data("MM-1"))


def test_a_meter_that_answers_nonsense_does_not_stop_the_others(server):
    milk(server, 1.0, 10)
    with ModbusMeter() as broken:
        broken.set_words(0, [0x7FC0, 0x0000])
        with polling(MemoryRegistry(meter(broken, "MM-2"), meter(server))) as pipeline:
            eventually(lambda: len(pipeline.data("MM-1")) > 5)
        assert not pipeline.data("MM-2")


def test_how_each_meter_is_is_said_with_its_reason(server):
    with ModbusMeter() as dead:
        dead.stop()
        broken = meter(server, "MM-3", problem="it has no Modbus profile with registers", endpoint=None)
        registry = MemoryRegistry(meter(server), meter(dead, "MM-2"), broken)
        with polling(registry):
            states = eventually(lambda: len(registry.states) == 3 and registry.states)
    assert {number: state.state for number, state in states.items()} == {
        1: "polled",
        2: "unreachable",
        3: "misconfigured",
    }
    assert states[1].last_read_at and states[1].response_ms > 0
    assert not states[2].last_read_at and "no connection" in states[2].problem
    assert states[3].problem == broken.problem


def test_milkings_at_two_points_of_one_meter_are_two_sessions(server):
    milk(server, 1.0, 10)
    with polling(MemoryRegistry(meter(server, points=(Point(1), Point(2))))) as pipeline:
        eventually(lambda: {payload["channel"] for payload in pipeline.data()} == {1, 2})
    assert len({payload["session_id"] for payload in pipeline.data()}) == 2


def test_what_is_polled_follows_the_registry(server):
    milk(server, 1.0, 10)
    registry = MemoryRegistry()
    with polling(registry) as pipeline:
        registry.change(meter(server))
        eventually(pipeline.data)
        registry.change()

        def requests_in_ten_periods():
            before = len(server.requests)
            time.sleep(10 * PERIOD)
            return len(server.requests) - before

        # One reading may be under way when the meter is taken off.
        eventually(lambda: requests_in_ten_periods() == 0)
        assert requests_in_ten_periods() == 0


def test_meters_behind_one_endpoint_share_a_connection():
    meters = {unit: MeterRegisters() for unit in (1, 2)}
    for registers in meters.values():
        registers.set(milking=True, yield_liters=1.0)
    with ModbusServer("127.0.0.1", 0, meters) as gateway:
        with polling(MemoryRegistry(meter(gateway, "MM-1", unit=1), meter(gateway, "MM-2", unit=2))) as pipeline:
            eventually(lambda: len(pipeline.data("MM-1")) > 3 and len(pipeline.data("MM-2")) > 3)
            assert gateway.connection_count == 1


def test_readings_are_kept_while_they_cannot_be_stored(server):
    pipeline = Pipeline()
    pipeline.down = True
    with polling(MemoryRegistry(meter(server)), pipeline):
        milk(server, 1.0, 10)
        asked = len(server.requests)
        eventually(lambda: len(server.requests) > asked + 4)
        server.set(milking=False, yield_liters=3.0, session_seconds=12)
        asked = len(server.requests)
        eventually(lambda: len(server.requests) > asked + 4)
        assert not pipeline.messages
        pipeline.down = False
        eventually(lambda: pipeline.data() and not pipeline.data()[-1]["milking"])
    assert pipeline.data()[0]["yield_liters"] == 1.0
    assert pipeline.data()[-1]["yield_liters"] == 3.0


def test_a_poller_that_starts_in_the_middle_of_a_milking_takes_up_its_session(server):
    last = Reading("MM-1-1-earlier", NOW, True, {"yield_liters": 1.0, "duration_seconds": 9, "rfid_tag": f"{TAG:016X}"})
    milk(server, 2.0, 20)
    with polling(MemoryRegistry(meter(server), past=Past(last))) as pipeline:
        eventually(lambda: len(pipeline.data()) > 2)
    assert {payload["session_id"] for payload in pipeline.data()} == {"MM-1-1-earlier"}


def test_a_poller_that_starts_with_the_next_cow_closes_the_session_of_the_one_before(server):
    values = {"yield_liters": 1.0, "duration_seconds": 300, "rfid_tag": f"{OTHER_TAG:016X}"}
    last = Reading("MM-1-1-earlier", NOW, True, values)
    milk(server, 2.0, 20)
    with polling(MemoryRegistry(meter(server), past=Past(last))) as pipeline:
        eventually(lambda: len(pipeline.data()) > 2)
    first, second, *_rest = pipeline.data()
    assert (first["session_id"], first["milking"], first["yield_liters"]) == ("MM-1-1-earlier", False, 1.0)
    assert second["milking"]
    assert pipeline.data()[2]["rfid_tag"] == f"{TAG:016X}"


def test_readings_that_could_not_be_stored_outlive_a_restart_of_the_bridge(server):
    lost, registry = Pipeline(), MemoryRegistry(meter(server))
    lost.down = True
    poller, stop = ModbusPoller(lost, registry, Clock()), threading.Event()
    milk(server, 1.0, 10)
    first = threading.Thread(target=poller.run, args=(stop,), daemon=True)
    first.start()
    asked = len(server.requests)
    eventually(lambda: len(server.requests) > asked + 4)
    stop.set()
    assert registry.given_up.wait(60), "another process may poll, though not all is stored"
    assert first.is_alive(), "it goes on trying"
    server.set(milking=True, rfid=OTHER_TAG, yield_liters=0.2, session_seconds=2)
    back = Pipeline()
    back.down = True
    poller.use(back)
    with polling(registry, back, poller=poller):
        asked = len(server.requests)
        eventually(lambda: len(server.requests) > asked + 4)
        back.down = False
        eventually(lambda: f"{OTHER_TAG:016X}" in {payload.get("rfid_tag") for payload in back.data()})
    first.join(60)
    assert not first.is_alive(), "the next run has what the former one held"
    sessions = list(dict.fromkeys(payload["session_id"] for payload in back.data()))
    assert len(sessions) == 2
    of_first = [payload for payload in back.data() if payload["session_id"] == sessions[0]]
    assert {payload["yield_liters"] for payload in of_first} == {1.0}
    assert [payload["milking"] for payload in of_first][-2:] == [True, False]


def test_a_milking_that_another_process_followed_meanwhile_is_taken_up_where_that_one_left_it(server):
    pipeline, registry, clock = Pipeline(), MemoryRegistry(meter(server)), Clock()
    poller = ModbusPoller(pipeline, registry, clock)
    milk(server, 1.0, 10)
    with polling(registry, pipeline, poller=poller):
        eventually(pipeline.data)
    values = {"yield_liters": 2.0, "duration_seconds": 20, "rfid_tag": f"{TAG:016X}"}
    registry.known = Past(Reading("of the other", clock() + timedelta(minutes=1), True, values))
    milk(server, 3.0, 30)
    with polling(registry, pipeline, poller=poller):
        eventually(lambda: pipeline.data()[-1]["session_id"] == "of the other")


def test_a_lock_that_is_still_that_of_our_own_lost_connection_costs_no_milking(server):
    pipeline, registry = Pipeline(), MemoryRegistry(meter(server))
    pipeline.down = True
    with polling(registry, pipeline):
        milk(server, 1.0, 10)
        asked = len(server.requests)
        eventually(lambda: len(server.requests) > asked + 4)
        registry.is_polled_elsewhere = True
        registry.change(*registry.meters)
        eventually(lambda: not server.connection_count)
        registry.is_polled_elsewhere = False
        asked = len(server.requests)
        eventually(lambda: len(server.requests) > asked + 4)
        pipeline.down = False
        eventually(pipeline.data)
    assert len({payload["session_id"] for payload in pipeline.data()}) == 1


def test_a_database_has_one_poller_in_a_process_whatever_becomes_of_its_bridge():
    contexts = [SimpleNamespace(db_name="cows", dsn={}, submit=Pipeline().submit) for _bridge in range(2)]
    elsewhere = SimpleNamespace(db_name="goats", dsn={}, submit=Pipeline().submit)
    assert poller_for(contexts[0]) is poller_for(contexts[1])
    assert poller_for(elsewhere) is not poller_for(contexts[0])
