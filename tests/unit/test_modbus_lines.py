"""The poller on lines that several meters share, with real servers: a gateway, and a pair of pseudo terminals."""

import time

import pytest

from modbus_testing import TAG, MemoryRegistry, eventually, meter, polling
from simulation.modbus_line import ModbusLine
from simulation.modbus_meter import MeterRegisters, ModbusServer
from smart_dairy_iot_milk.modbus.endpoint import parse_endpoint

UNITS = range(1, 5)


@pytest.fixture
def registers():
    meters = {unit: MeterRegisters() for unit in UNITS}
    for unit, one in meters.items():
        one.set(milking=True, rfid=TAG + unit, yield_liters=float(unit), session_seconds=10)
    return meters


def serial(registers):
    return ModbusLine(registers, 115200)


def rtu_gateway(registers):
    return ModbusServer("127.0.0.1", 0, registers, framing="rtu")


def tcp_gateway(registers):
    return ModbusServer("127.0.0.1", 0, registers)


@pytest.fixture(params=[serial, rtu_gateway, tcp_gateway])
def line(request, registers):
    with request.param(registers) as line:
        line.communication = "modbus_tcp" if request.param is tcp_gateway else "modbus_rtu"
        yield line


def meters_on(line, units=UNITS, interval=0.2):
    endpoint = parse_endpoint(line.communication, line.endpoint, "115200")
    return [meter(endpoint, f"MM-{unit}", unit=unit, interval=interval, idle_interval=interval) for unit in units]


def read(pipeline, units=UNITS):
    return {unit: len(pipeline.data(f"MM-{unit}")) for unit in units}


def test_all_meters_of_a_line_are_read_over_one_connection(line):
    with polling(MemoryRegistry(*meters_on(line))) as pipeline:
        eventually(lambda: min(read(pipeline).values()) > 5)
    for unit in UNITS:
        assert {payload["yield_liters"] for payload in pipeline.data(f"MM-{unit}")} == {float(unit)}
        tags = {payload.get("rfid_tag") for payload in pipeline.data(f"MM-{unit}")} - {None}
        assert tags == {f"{TAG + unit:016X}"}, "no answer was taken for that of another meter"


def test_a_dead_meter_leaves_the_others_their_turn_and_comes_back(line, registers):
    registers[2].silent = True
    registry = MemoryRegistry(*meters_on(line))
    with polling(registry) as pipeline:
        eventually(lambda: min(read(pipeline, (1, 3, 4)).values()) > 15)
        assert not read(pipeline)[2]
        eventually(lambda: registry.states.get(2) and registry.states[2].state == "silent")
        registers[2].silent = False
        eventually(lambda: read(pipeline)[2])
        eventually(lambda: registry.states[2].state == "polled")


def test_a_slow_meter_leaves_the_others_their_turn_and_is_read_all_the_same(line, registers):
    """A reading is two answers, the whole of an interval: asked as often as the others, it would have half of their
    turns at the least."""
    registers[2].delay = 0.15
    registry = MemoryRegistry(*meters_on(line, interval=0.3))
    with polling(registry) as pipeline:
        eventually(lambda: registry.states.get(2) and registry.states[2].state == "slow")
        before = read(pipeline)

        def grown():
            return {unit: count - before[unit] for unit, count in read(pipeline).items()}

        eventually(lambda: min(grown()[unit] for unit in (1, 3, 4)) >= 24 and grown()[2])
        since = grown()
        registers[2].delay = 0.0
        eventually(lambda: registry.states[2].state == "polled")
    assert 0 < since[2] < max(since[unit] for unit in (1, 3, 4)) * 0.4
    for unit in UNITS:
        assert {payload["yield_liters"] for payload in pipeline.data(f"MM-{unit}")} == {float(unit)}


def test_a_meter_that_refuses_and_one_that_talks_nonsense_leave_the_others_their_turn(line, registers):
    registers[2].fault = 2
    registers[3].set_words(0, [0x7FC0, 0x0000])
    registry = MemoryRegistry(*meters_on(line))
    with polling(registry) as pipeline:
        eventually(lambda: min(read(pipeline, (1, 4)).values()) > 15)
        eventually(lambda: len(registry.states) == len(UNITS))
        states = {unit: registry.states[unit].state for unit in UNITS}
    assert states == {1: "polled", 2: "refused", 3: "incomplete", 4: "polled"}


def test_a_line_that_is_cut_and_laid_again_is_read_again_with_no_second_session(registers):
    with serial(registers) as line:
        line.communication = "modbus_rtu"
        registry = MemoryRegistry(*meters_on(line))
        with polling(registry) as pipeline:
            eventually(lambda: min(read(pipeline).values()) > 2)
            line.cut()
            eventually(lambda: {state.state for state in registry.states.values()} == {"unreachable"})
            before = read(pipeline)
            line.restore()
            eventually(lambda: all(count > before[unit] for unit, count in read(pipeline).items()))
    for unit in UNITS:
        assert len({payload["session_id"] for payload in pipeline.data(f"MM-{unit}")}) == 1


def test_noise_on_a_line_and_an_answer_that_is_lost_cost_a_reading_and_no_milking(registers):
    with serial(registers) as line:
        line.communication = "modbus_rtu"
        with polling(MemoryRegistry(*meters_on(line))) as pipeline:
            for _time in range(5):
                before = sum(read(pipeline).values())
                line.noise(b"\x00\xff\x13")
                line.drop_answer()
                eventually(lambda before=before: sum(read(pipeline).values()) > before + 8)
                time.sleep(0.1)
    for unit in UNITS:
        payloads = pipeline.data(f"MM-{unit}")
        assert len({payload["session_id"] for payload in payloads}) == 1
        assert {payload["yield_liters"] for payload in payloads} == {float(unit)}
