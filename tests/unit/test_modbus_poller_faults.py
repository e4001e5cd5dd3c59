"""What goes wrong around the poller costs no reading, and no meter but its own: outages, restarts, names, errors."""

import asyncio
import contextlib
import socket
import threading
from datetime import timedelta
from types import SimpleNamespace

import psycopg2
import pytest

from modbus_testing import TAG, Clock, MemoryRegistry, Pipeline, eventually, meter, polling
from simulation.modbus_line import ModbusLine
from simulation.modbus_meter import MeterRegisters, ModbusMeter, ModbusServer
from smart_dairy_iot.bridge.supervisor import CHECKS_WITHOUT_A_TURN, LastingThreads
from smart_dairy_iot_milk.modbus import lookup, watch
from smart_dairy_iot_milk.modbus import poller as poller_module
from smart_dairy_iot_milk.modbus.bus import Bus
from smart_dairy_iot_milk.modbus.endpoint import Endpoint, parse_endpoint
from smart_dairy_iot_milk.modbus.poller import ModbusPoller, poller_for
from smart_dairy_iot_milk.modbus.tracker import Past, Reading


@pytest.fixture
def server():
    with ModbusMeter() as server:
        yield server


def milk(server, yield_liters, seconds, **values):
    server.set(milking=True, rfid=TAG, yield_liters=yield_liters, session_seconds=seconds, **values)


def test_a_poller_that_is_stopped_in_an_outage_stores_what_it_holds_when_it_can_and_says_what_may_be_lost(
    server, caplog, monkeypatch
):
    monkeypatch.setattr(poller_module, "STORED_WITHIN", 0.1)
    pipeline, registry = Pipeline(), MemoryRegistry(meter(server))
    pipeline.down = True
    with polling(registry, pipeline):
        milk(server, 1.0, 10)
        asked = len(server.requests)
        eventually(lambda: len(server.requests) > asked + 4)
        server.set(milking=False, yield_liters=3.0, session_seconds=12)
        asked = len(server.requests)
        eventually(lambda: len(server.requests) > asked + 4)

        def come_back():
            eventually(lambda: [record for record in caplog.records if record.levelname == "ERROR"])
            pipeline.down = False

        helper = threading.Thread(target=come_back, daemon=True)
        helper.start()
    helper.join(60)
    assert pipeline.data()[-1]["yield_liters"] == 3.0 and not pipeline.data()[-1]["milking"]
    (error,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert "are lost" in error and f"{len(pipeline.data())} of MM-1" in error


def test_a_poller_that_another_bridge_relieves_stores_what_it_holds_without_the_lead(server):
    pipeline, stored = Pipeline(), Pipeline()
    pipeline.down = stored.down = True
    context = SimpleNamespace(dsn={}, submit=pipeline.submit, store=stored.store)
    poller = ModbusPoller(context, MemoryRegistry(meter(server)), Clock())
    with polling(None, stored, poller=poller):
        milk(server, 1.0, 10)
        asked = len(server.requests)
        eventually(lambda: len(server.requests) > asked + 4)
        stored.down = False
    assert not pipeline.messages
    assert {payload["yield_liters"] for payload in stored.data()} == {1.0}


class NameServer:
    """Knows one host, and of some names nothing until it is told to answer."""

    def __init__(self, host):
        self._host = host
        self.answers = threading.Event()
        self.asked = []

    def look_up(self, name, *_arguments, **_options):
        self.asked.append(name)
        if name.startswith("slow"):
            self.answers.wait(600)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (self._host, 0))]


def test_names_that_nobody_looks_up_delay_no_other_meter_and_a_late_answer_is_not_lost(server, monkeypatch):
    names = NameServer(server.host)
    monkeypatch.setattr(lookup.socket, "getaddrinfo", names.look_up)
    milk(server, 1.0, 10)
    # More than an event loop has threads. Not so often that the server has too much to do once all are found.
    numbers, often = range(10, 50), {"interval": 0.2, "idle_interval": 0.2}
    slow = [meter(Endpoint("tcp", f"slow-{n}.farm", server.port), f"MM-{n}", **often) for n in numbers]
    registry = MemoryRegistry(*slow, meter(Endpoint("tcp", "quick.farm", server.port), "MM-1"))
    try:
        with polling(registry) as pipeline:
            eventually(lambda: len(pipeline.data("MM-1")) > 3)
            eventually(lambda: all(number in registry.states for number in numbers))
            eventually(lambda: all(registry.states[number].failures > 1 for number in numbers))
            assert {registry.states[number].state for number in numbers} == {"unreachable"}
            assert "still being looked up" in registry.states[10].problem
            assert len([name for name in names.asked if name.startswith("slow")]) == len(slow), "each name once"
            registry.change(*registry.meters, meter(server, "MM-2"))
            eventually(lambda: pipeline.data("MM-2"))
            names.answers.set()
            eventually(lambda: pipeline.data("MM-49"))
    finally:
        names.answers.set()


def test_a_meter_whose_reading_cannot_be_worked_on_says_so_and_delays_no_other_on_its_line(caplog, monkeypatch):
    work, fails = watch.data_payload, threading.Event()
    fails.set()

    def fail(meter, point, reading):
        if meter.device_id == "MM-1" and fails.is_set():
            raise ZeroDivisionError("the payload")
        return work(meter, point, reading)

    monkeypatch.setattr(watch, "data_payload", fail)
    first, second = MeterRegisters(), MeterRegisters()
    for registers in (first, second):
        registers.set(milking=True, yield_liters=1.0, session_seconds=1)
    with ModbusServer("127.0.0.1", 0, {1: first, 2: second}) as gateway:
        registry = MemoryRegistry(meter(gateway, "MM-1", unit=1), meter(gateway, "MM-2", unit=2))
        with polling(registry) as pipeline:
            eventually(lambda: len(pipeline.data("MM-2")) > 20)
            eventually(lambda: registry.states.get(1) and registry.states[1].failures > 2)
            assert len(first.requests) < len(second.requests)
            assert (registry.states[1].state, registry.states[2].state) == ("failed", "polled")
            assert "ZeroDivisionError" in registry.states[1].problem
            fails.clear()
            eventually(lambda: pipeline.data("MM-1"))
            eventually(lambda: registry.states[1].state == "polled")
    told = [record for record in caplog.records if "MM-1 cannot be read" in record.getMessage()]
    assert len(told) == 1 and told[0].exc_info, "once, with its traceback"


def test_a_line_that_fails_as_a_whole_is_begun_again_alone(server, caplog, monkeypatch):
    milk(server, 1.0, 10)
    schedule, fails = Bus._next, threading.Event()
    fails.set()

    def choose(bus):
        if bus.endpoint.host == "127.0.0.2" and fails.is_set():
            raise ZeroDivisionError("the schedule")
        return schedule(bus)

    monkeypatch.setattr(Bus, "_next", choose)
    with ModbusMeter(host="127.0.0.2") as other:
        milk(other, 2.0, 20)
        registry = MemoryRegistry(meter(other, "MM-2"), meter(server))
        with polling(registry) as pipeline:
            eventually(lambda: caplog.text.count("has failed and is begun again") >= 2)
            eventually(lambda: registry.states.get(2))
            assert registry.states[2].state == "failed" and "ZeroDivisionError" in registry.states[2].problem
            count = len(pipeline.data("MM-1"))
            eventually(lambda: len(pipeline.data("MM-1")) > count + 5)
            fails.clear()
            eventually(lambda: pipeline.data("MM-2"))
            eventually(lambda: registry.states[2].state == "polled")
    assert "Traceback" in caplog.text


class ForgetfulBus(Bus):
    """Its cancellation comes in the same moment as an answer, more than once: see `watch.cancel`."""

    async def run(self):
        for _ in range(3):
            with contextlib.suppress(asyncio.CancelledError):
                await super().run()
        await super().run()


@pytest.mark.parametrize("is_taken_off", [False, True])
def test_a_meter_that_answers_in_the_moment_the_poller_is_stopped_is_polled_no_more(server, monkeypatch, is_taken_off):
    monkeypatch.setattr(watch, "Bus", ForgetfulBus)
    pipeline, registry, stop = Pipeline(), MemoryRegistry(meter(server)), threading.Event()
    # What cannot be stored keeps its event loop at work, and in there whatever was not told to end.
    pipeline.down = True
    poller = ModbusPoller(pipeline, registry, Clock())
    milk(server, 1.0, 10)
    thread = threading.Thread(target=poller.run, args=(stop,), daemon=True)
    thread.start()
    eventually(lambda: len(server.requests) > 4)
    if is_taken_off:
        registry.change()
    stop.set()
    try:
        assert registry.given_up.wait(10), "another process may poll"
        eventually(lambda: not server.connection_count, 10)
        assert thread.is_alive()
    finally:
        pipeline.down = False
        thread.join(60)
    assert not thread.is_alive()


def test_a_milking_that_another_process_followed_while_the_lock_was_lost_for_a_moment_is_taken_up(server):
    """As after a process has been stopped for some seconds: it finds its connection ended, and the lock free again."""
    pipeline, registry, clock = Pipeline(), MemoryRegistry(meter(server)), Clock()
    milk(server, 1.0, 10)
    with polling(registry, pipeline, clock):
        eventually(pipeline.data)
        values = {"yield_liters": 2.0, "duration_seconds": 20, "rfid_tag": f"{TAG:016X}"}
        registry.known = Past(Reading("of the other", clock() + timedelta(minutes=1), True, values))
        registry.lose(psycopg2.OperationalError("terminating connection due to administrator command"))
        milk(server, 3.0, 30)
        eventually(lambda: pipeline.data()[-1]["session_id"] == "of the other")


def test_how_meters_were_is_not_said_again_after_another_process_has_polled_them(server):
    registry = MemoryRegistry(meter(server))
    milk(server, 1.0, 10)
    with polling(registry):
        eventually(lambda: registry.states)
        server.stop()
        eventually(lambda: registry.states[1].state == "unreachable")
        registry.is_polled_elsewhere = True
        registry.change(*registry.meters)
        eventually(lambda: not registry.states)
        server.start()
        since = registry.clocked_at
        registry.is_polled_elsewhere = False
        registry.change(*registry.meters)
        state = eventually(lambda: registry.states.get(1))
    assert state.state == "polled" and state.since > since


def test_a_meter_that_has_not_answered_yet_is_one_of_those_whose_state_is_kept(server):
    silent = ModbusMeter()
    with silent:
        silent.silent = True
        registry = MemoryRegistry(meter(server), meter(silent, "MM-2"))
        with polling(registry):
            eventually(lambda: registry.states)
            assert registry.kept == {1, 2}


def test_a_poller_that_relieves_one_that_hangs_shares_no_milking_with_it(server):
    registry = MemoryRegistry(meter(server))
    pipeline = Pipeline()
    pipeline.db_name = "shared"
    poller = ModbusPoller(pipeline, registry, Clock())
    with polling(registry, poller=poller):
        milk(server, 1.0, 10)
        eventually(lambda: any(tracker.is_milking for tracker in poller._watch._trackers.values()))
        successor = poller.successor()
        milk(server, 2.0, 20)
        server.set(milking=False)
        eventually(lambda: not any(tracker.is_milking for tracker in poller._watch._trackers.values()))
    assert [tracker.is_milking for tracker in successor._watch._trackers.values()] == [True]


def test_a_poller_that_hangs_is_relieved_and_nothing_of_what_it_held_is_lost(server, monkeypatch, caplog):
    work, hangs, goes_on = watch.data_payload, threading.Event(), threading.Event()
    pipeline, registry = Pipeline(), MemoryRegistry(meter(server))
    pipeline.down = True

    def hang(*arguments):
        if hangs.is_set() and not goes_on.is_set():
            goes_on.wait(60)
        return work(*arguments)

    monkeypatch.setattr(watch, "data_payload", hang)
    context = SimpleNamespace(db_name="hanging", dsn={}, submit=pipeline.submit, store=pipeline.store)
    poller = ModbusPoller(context, registry, Clock())
    monkeypatch.setitem(poller_module._pollers, "hanging", poller)
    threads = LastingThreads()
    threads.start([poller], context)
    try:
        milk(server, 1.0, 10)
        eventually(lambda: poller._delivery.held)
        hangs.set()
        milk(server, 2.0, 20)
        asked = len(server.requests)
        eventually(lambda: turns_no_more(poller))
        assert len(server.requests) <= asked + 2
        monkeypatch.setattr(watch, "data_payload", work)
        for _check in range(CHECKS_WITHOUT_A_TURN + 1):
            threads.relieve_those_that_hang(context)
        assert poller_for(context) is not poller, "it is the one that the next shift works with"
        pipeline.down = False
        eventually(lambda: pipeline.data() and pipeline.data()[-1]["yield_liters"] == 2.0)
    finally:
        goes_on.set()
        threads.request_stop()
        threads.join(60)
    assert pipeline.data()[0]["yield_liters"] == 1.0
    assert len({payload["session_id"] for payload in pipeline.data()}) == 1, "its milking goes on"
    assert "Modbus poller hangs" in caplog.text and "goes_on.wait(60)" in caplog.text


def test_a_poller_that_relieves_one_that_hangs_has_its_serial_lines(server, monkeypatch):
    """A serial line can be opened once, by whoever it is; the one that hangs will not give it back."""
    work, hangs, goes_on = watch.data_payload, threading.Event(), threading.Event()

    def hang(meter, *arguments):
        if meter.device_id == "MM-1" and hangs.is_set() and not goes_on.is_set():
            goes_on.wait(60)
        return work(meter, *arguments)

    monkeypatch.setattr(watch, "data_payload", hang)
    registers = MeterRegisters()
    registers.set(milking=True, yield_liters=2.0, session_seconds=20)
    with ModbusLine({2: registers}, 115200) as line:
        on_line = meter(parse_endpoint("modbus_rtu", line.endpoint, "115200"), "MM-2", unit=2)
        pipeline, registry = Pipeline(), MemoryRegistry(meter(server, "MM-1"), on_line)
        context = SimpleNamespace(db_name="hanging", dsn={}, submit=pipeline.submit, store=pipeline.store)
        poller, threads = ModbusPoller(context, registry, Clock()), LastingThreads()
        threads.start([poller], context)
        try:
            eventually(lambda: pipeline.data("MM-2"))
            hangs.set()
            milk(server, 1.0, 10)
            eventually(lambda: turns_no_more(poller))
            monkeypatch.setattr(watch, "data_payload", work)
            read = len(pipeline.data("MM-2"))
            for _check in range(CHECKS_WITHOUT_A_TURN + 1):
                threads.relieve_those_that_hang(context)
            eventually(lambda: len(pipeline.data("MM-2")) > read + 3)
        finally:
            goes_on.set()
            threads.request_stop()
            threads.join(60)


def test_a_host_is_looked_up_again_where_no_thread_could_be_started(monkeypatch):
    class NoThread:
        def __init__(self, **_arguments):
            raise RuntimeError("can't start new thread")

    host = lookup.Lookup("localhost")
    with monkeypatch.context() as patched:
        patched.setattr(lookup.threading, "Thread", NoThread)
        with pytest.raises(RuntimeError):
            asyncio.run(host.addresses())
    assert asyncio.run(asyncio.wait_for(host.addresses(), 60))


def turns_no_more(poller):
    before = poller.turns
    return not threading.Event().wait(1) and poller.turns == before
