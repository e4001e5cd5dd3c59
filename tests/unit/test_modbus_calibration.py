"""A polled milking keeps the calibration factor with which it began, against a real Modbus TCP server."""

from dataclasses import replace

import pytest

from modbus_testing import DELAVAL, OTHER_TAG, TAG, MemoryRegistry, eventually, meter, polling
from simulation.modbus_meter import ModbusMeter


@pytest.fixture
def server():
    with ModbusMeter() as server:
        yield server


def milk(server, yield_liters):
    server.set(milking=True, rfid=TAG, yield_liters=yield_liters, flow_rate=2.0)


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_a_calibration_during_a_milking_counts_from_the_next_one_on(server, factor):
    """Of a meter without a clock: nothing but the yield tells one milking from the next."""
    lines = tuple(line for line in DELAVAL.lines if line.quantity != "duration_seconds")
    settings = {"profile": replace(DELAVAL, lines=lines)}
    registry = MemoryRegistry(meter(server, **settings))
    with polling(registry) as pipeline:
        milk(server, 10.0)
        eventually(pipeline.data)
        registry.change(meter(server, **settings, factor=factor))
        milk(server, 10.2)
        eventually(lambda: pipeline.data()[-1]["yield_liters"] != 10.0)
        server.set(milking=False, yield_liters=11.0)
        eventually(lambda: not pipeline.data()[-1]["milking"])
        server.set(milking=True, rfid=OTHER_TAG, yield_liters=1.0, flow_rate=2.0)
        last = eventually(lambda: pipeline.data()[-1]["milking"] and pipeline.data()[-1])
        first = [payload for payload in pipeline.data() if payload["session_id"] != last["session_id"]]
    assert len({payload["session_id"] for payload in first}) == 1
    assert list(dict.fromkeys(payload["yield_liters"] for payload in first)) == [10.0, 10.2, 11.0]
    assert {payload["flow_rate"] for payload in first} == {2.0}
    assert (last["yield_liters"], last["flow_rate"]) == (factor, 2 * factor)
    assert {payload["flow_calibration_factor"] for payload in first} == {1.0}
    assert last["flow_calibration_factor"] == factor
