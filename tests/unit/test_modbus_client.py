"""A meter is read over TCP, over a gateway that passes RTU frames on, and over a serial line, or the error says why.

The same behaviour on each: real Modbus servers, the serial line a pair of terminals that socat holds together.
"""

import asyncio
import contextlib
import socket
import struct
import threading
import time

import pytest

from simulation.modbus_line import ModbusLine
from simulation.modbus_meter import MeterRegisters, ModbusMeter, ModbusServer
from smart_dairy_iot_milk.modbus.client import Connection, MeterError, read_once, read_points
from smart_dairy_iot_milk.modbus.endpoint import Endpoint
from smart_dairy_iot_milk.modbus.profile import Line, Profile

YIELD, STATUS = Line("yield_liters", 0, "float32"), Line("milking", 14, "bit")
PROFILE = Profile("short", (YIELD, STATUS, Line("rfid_tag", 10, "uint64")))
TAG = 0x8000F9DCBE991A14
#: Generous: a machine that is busy must not look like a meter that is silent.
PATIENCE = 3.0
#: For what is meant to run out.
SHORT = 0.3

BYTE_ORDERS = ["ABCD", "CDAB", "BADC", "DCBA"]


class Place:
    """A server and the endpoint that names it."""

    def __init__(self, kind, meters):
        self.kind = kind
        self.meters = meters
        if kind == "serial":
            self.server = ModbusLine(meters, baudrate=115200)
        else:
            self.server = ModbusServer("127.0.0.1", 0, meters, framing="tcp" if kind == "tcp" else "rtu")

    @property
    def endpoint(self):
        if self.kind == "serial":
            return Endpoint("serial", device=self.server.device, baudrate=115200)
        return Endpoint(self.kind, self.server.host, self.server.port)


@pytest.fixture(params=["tcp", "rtu_tcp", "serial"])
def place(request):
    """Two meters: unit 1 milks 8.25 L, unit 2 5.5 L."""
    yield from serve(request.param)


@pytest.fixture(params=["rtu_tcp", "serial"])
def rtu(request):
    """The same, with frames that carry no number."""
    yield from serve(request.param)


def serve(kind):
    place = Place(kind, {1: MeterRegisters(), 2: MeterRegisters()})
    place.meters[1].set(milking=True, yield_liters=8.25, rfid=TAG)
    place.meters[2].set(milking=True, yield_liters=5.5)
    with place.server:
        yield place


def read(place, unit=1, profile=PROFILE, timeout=PATIENCE, **values):
    return read_once(place.endpoint, unit, profile, timeout=timeout, **values)


def failure(place, unit=1, profile=PROFILE, timeout=SHORT, **values):
    with pytest.raises(MeterError) as error:
        read(place, unit, profile, timeout, **values)
    return error.value


def in_turn(place, steps, timeout=SHORT):
    """Read over one connection; a step is a unit to read or something to do. Gives yields and kinds of errors."""

    async def run():
        connection, results = Connection(place.endpoint, timeout), []
        try:
            for step in steps:
                if callable(step):
                    await asyncio.to_thread(step)
                    continue
                try:
                    results.append((await connection.read(step, PROFILE)).values["yield_liters"])
                except MeterError as error:
                    results.append(error.kind)
        finally:
            connection.close()
        return results

    return asyncio.run(run())


def test_a_reading_has_registers_values_and_the_time_it_took(place):
    reading = read(place)
    assert reading.values == {"milking": True, "yield_liters": 8.25, "rfid_tag": f"{TAG:016X}"}
    assert reading.problems == {}
    assert reading.words["holding", 0] == 0x4104
    assert reading.words["holding", 14] == 1
    assert 0 < reading.seconds < PATIENCE
    assert place.meters[1].requests == [(3, 10, 5), (3, 0, 2)]


def test_each_unit_of_a_line_answers_for_itself(place):
    assert in_turn(place, [1, 2, 1, 2], PATIENCE) == [8.25, 5.5, 8.25, 5.5]


def test_every_type_in_every_byte_order_is_read(place):
    kinds = [("uint16", ">H", 650), ("int16", ">h", -65), ("uint32", ">I", 70_000), ("int32", ">i", -70_000)]
    kinds += [("uint64", ">Q", 2**40), ("int64", ">q", -(2**40)), ("float32", ">f", 12.5), ("float64", ">d", 12.25)]
    for data_type, code, value in kinds:
        for byte_order in BYTE_ORDERS:
            raw = struct.pack(code, value)
            words = [int.from_bytes(raw[i : i + 2], "big") for i in range(0, len(raw), 2)]
            words = words[::-1] if byte_order in ("CDAB", "DCBA") else words
            if byte_order in ("BADC", "DCBA"):
                words = [(word & 0xFF) << 8 | word >> 8 for word in words]
            place.meters[1].set_words(0, words)
            profile = Profile("a", (Line("yield_liters", 0, data_type, byte_order), STATUS))
            assert read(place, profile=profile).values["yield_liters"] == value, (data_type, byte_order)


@pytest.mark.parametrize(("register_type", "code"), [("coil", 1), ("discrete", 2)])
def test_coils_and_discrete_inputs_are_read_one_by_one(place, register_type, code):
    place.meters[1].set_words(0, [0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0], register_type)
    lines = (
        YIELD,
        Line("milking", 3, "bool", register_type=register_type),
        Line("blood_detected", 10, "bool", register_type=register_type),
    )
    reading = read(place, profile=Profile("a", lines))
    assert (reading.values["milking"], reading.values["blood_detected"]) == (True, False)
    assert reading.words[register_type, 3] is True
    across = read(place, profile=Profile("a", lines, largest_gap=16))
    assert across.values == reading.values
    assert across.words[register_type, 9] is True
    assert place.meters[1].requests[-2:] == [(code, 3, 1), (3, 0, 2)] or (code, 3, 8) in place.meters[1].requests


def test_input_registers_are_not_holding_registers(place):
    place.meters[1].set_words(0, [0x4040, 0], "input")
    profile = Profile("a", (Line("yield_liters", 0, "float32", register_type="input"), STATUS))
    assert read(place, profile=profile).values["yield_liters"] == 3.0


def test_a_request_of_125_registers_is_answered(place):
    place.meters[1] = place.server.meters[1] = MeterRegisters(size=130)
    place.server.stop()
    place.server.start()
    place.meters[1].set_words(121, [0x3132, 0x3334])
    lines = (YIELD, STATUS, Line("rfid_tag", 15, "string", length=110))
    profile = Profile("a", lines, largest_gap=16)
    assert [block.count for block in profile.blocks] == [125]
    assert read(place, profile=profile).values["rfid_tag"] == "1234"


def test_the_point_behind_the_first_is_read_at_its_offset(place):
    place.server.stop()
    place.meters[1] = place.server.meters[1] = MeterRegisters(size=40)
    place.server.start()
    place.meters[1].set(offset=20, milking=True, yield_liters=2.5)
    assert read(place, offset=20).values["yield_liters"] == 2.5
    assert read(place).values["yield_liters"] == 0.0
    assert failure(place, offset=65_530).kind == "refused"


def test_a_meter_that_is_not_there_is_silent_and_one_whose_line_is_not_there_unreachable(place):
    place.meters[1].silent = True
    assert failure(place).kind == "silent"
    endpoint = place.endpoint
    place.server.stop()
    # A serial line's reason is the system's own.
    reason = "no connection to" if endpoint.kind == "serial" else "no connection to .*: it is refused"
    with pytest.raises(MeterError, match=reason) as error:
        read_once(endpoint, 1, PROFILE, timeout=SHORT)
    assert error.value.kind == "unreachable"


@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        (1, "refused", "illegal function"),
        (2, "refused", "illegal data address"),
        (3, "refused", "illegal data value"),
        (4, "refused", "device failure"),
        (6, "refused", "device busy"),
        (11, "silent", "the gateway has no answer"),
    ],
)
def test_an_exception_is_told_by_its_name(place, code, kind, reason):
    place.meters[1].fault = code
    error = failure(place, timeout=PATIENCE)
    assert error.kind == kind
    assert reason in str(error)


def test_after_an_exception_the_line_goes_on(place):
    def refuse():
        place.meters[1].fault = 2

    assert in_turn(place, [1, refuse, 1, 2], PATIENCE) == [8.25, "refused", 5.5]


def test_a_required_value_that_is_not_there_makes_the_reading_incomplete_and_shows_the_rest(place):
    place.meters[1].set(yield_liters=float("nan"))
    error = failure(place, timeout=PATIENCE)
    assert (error.kind, str(error)) == ("incomplete", "unit 1 has no value for yield_liters (not available)")
    assert error.reading.values == {"milking": True, "rfid_tag": f"{TAG:016X}"}
    assert error.reading.problems == {"yield_liters": "not available"}


def test_a_required_value_out_of_its_range_is_none(place):
    place.meters[1].set(yield_liters=912.0)
    error = failure(
        place, profile=Profile("a", (Line("yield_liters", 0, "float32", maximum=50), STATUS)), timeout=PATIENCE
    )
    assert error.kind == "incomplete"
    assert error.reading.problems == {"yield_liters": "out of range: 912.0 L"}


def test_a_name_that_cannot_be_looked_up_is_a_line_that_is_not_there():
    with pytest.raises(MeterError, match=r"no connection to .*: the name is not known") as error:
        read_once(Endpoint("tcp", "10.0.0..5", 502), 1, PROFILE, timeout=SHORT)
    assert error.value.kind == "unreachable"


def test_a_host_that_takes_no_connection_does_not_answer():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, contextlib.ExitStack() as waiting:
        # Whoever connects beyond the backlog is heard by nobody.
        for _number in range(2):
            full = waiting.enter_context(socket.socket())
            full.setblocking(False)
            full.connect_ex(server.getsockname())
        with pytest.raises(MeterError, match=r"no connection to .*: it does not answer") as error:
            read_once(Endpoint("tcp", *server.getsockname()), 1, PROFILE, timeout=SHORT)
    assert error.value.kind == "unreachable"


def test_an_answer_that_was_lost_costs_one_reading(place):
    assert in_turn(place, [1, place.server.answers.drop, 1, 1, 2]) == [8.25, "silent", 8.25, 5.5]


def test_a_line_that_goes_away_is_read_again_once_it_is_back(place):
    steps = [1, place.server.stop, 1, place.server.start, 1]
    assert in_turn(place, steps) == [8.25, "unreachable", 8.25]


# ------------------------------------------------------------------ frames that carry no number


@pytest.mark.parametrize(
    "garbage", [b"\x00", b"\xff\xff\xff", b"\x01\x03", b"\x01\x03\x0a\x00\x00", b"\x02\x03\x04\x41\x04\x00\x00\xaa\xbb"]
)
def test_garbage_before_an_answer_is_passed_over(rtu, garbage):
    rtu.server.answers.noise(garbage)
    assert read(rtu).values["yield_liters"] == 8.25


def test_an_answer_with_a_wrong_checksum_is_none(rtu):
    rtu.server.answers.change(lambda frame: frame[:5] + bytes([frame[5] ^ 1]) + frame[6:])
    assert failure(rtu).kind == "garbage"


def test_half_an_answer_is_none(rtu):
    rtu.server.answers.change(lambda frame: frame[: len(frame) // 2])
    assert failure(rtu).kind == "garbage"


def test_the_answer_of_another_unit_is_none(rtu):
    others = struct.pack(">BBB", 2, 3, 10) + bytes(10)
    rtu.server.answers.change(lambda _frame: with_checksum(others))
    assert failure(rtu).kind == "garbage"


def test_the_answer_to_another_question_is_none(rtu):
    rtu.server.answers.change(lambda _frame: with_checksum(struct.pack(">BBB", 1, 4, 10) + bytes(10)))
    assert failure(rtu).kind == "garbage"
    rtu.server.answers.change(lambda _frame: with_checksum(struct.pack(">BBB", 1, 3, 4) + bytes(4)))
    assert failure(rtu).kind == "garbage"


@pytest.mark.parametrize("late", [SHORT + 0.03, SHORT + 0.12, SHORT + 0.25])
def test_an_answer_that_comes_too_late_is_not_taken_for_the_next(rtu, late):
    """The register changes in between, so that a stale answer shows."""

    def delay():
        rtu.server.answers.delay = late

    def hurry():
        rtu.server.answers.delay = 0
        rtu.meters[1].set(yield_liters=9.0)

    assert in_turn(rtu, [delay, 1, hurry, 1, 2, 1]) == ["silent", 9.0, 5.5, 9.0]


def test_the_late_answer_of_a_slow_meter_is_not_taken_for_that_of_a_neighbour_who_thinks(rtu):
    rtu.meters[1].set(rfid=TAG)
    rtu.meters[2].set(rfid=TAG + 1)
    # The answer of unit 1 comes while that of unit 2 is waited for.
    rtu.meters[1].delay, rtu.meters[2].delay = SHORT + 0.15, 0.2

    async def run():
        connection, tags = Connection(rtu.endpoint, SHORT), []
        try:
            with pytest.raises(MeterError, match="unit 1"):
                await connection.read(1, PROFILE)
            for _ in range(3):
                with contextlib.suppress(MeterError):
                    tags.append((await connection.read(2, PROFILE)).values["rfid_tag"])
        finally:
            connection.close()
        return tags

    tags = asyncio.run(run())
    assert tags and set(tags) == {f"{TAG + 1:016X}"}


def test_the_neighbour_of_a_late_meter_does_not_wait_for_it(rtu):
    def delay():
        rtu.server.answers.delay = SHORT + 0.1

    def hurry():
        rtu.server.answers.delay = 0

    assert in_turn(rtu, [delay, 1, hurry, 2, 2, 1]) == ["silent", 5.5, 5.5, 8.25]


def with_checksum(frame):
    crc = 0xFFFF
    for octet in frame:
        crc ^= octet
        for _bit in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return frame + crc.to_bytes(2, "little")


# ------------------------------------------------------------------ one connection


def test_one_request_at_a_time(place):
    """Two readers of one connection take turns: neither gets the other's registers."""

    async def run():
        connection = Connection(place.endpoint, PATIENCE)
        try:
            readings = await asyncio.gather(*(connection.read(1 + i % 2, PROFILE) for i in range(10)))
        finally:
            connection.close()
        return [reading.values["yield_liters"] for reading in readings]

    assert asyncio.run(run()) == [8.25, 5.5] * 5
    if place.kind != "serial":
        assert all(len(meter.requests) == 10 for meter in place.meters.values())


def test_a_reader_that_is_stopped_leaves_no_answer_behind(place):
    async def run():
        connection = Connection(place.endpoint, PATIENCE)
        place.server.answers.delay = 0.2
        task = asyncio.create_task(connection.read(1, PROFILE))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        place.server.answers.delay = 0
        try:
            return (await connection.read(2, PROFILE)).values["yield_liters"]
        finally:
            connection.close()

    assert asyncio.run(run()) == 5.5


def test_a_network_meter_has_half_a_second_and_a_serial_one_the_time_of_its_frames():
    with ModbusMeter() as meter:
        meter.silent = True
        begin = time.monotonic()
        with pytest.raises(MeterError):
            read_once(Endpoint("tcp", meter.host, meter.port), 1, PROFILE, timeout=None)
        assert 0.45 < time.monotonic() - begin < 2


def test_no_meter_of_a_place_disturbs_a_reading_of_another_place():
    """Readers in threads of their own, as the requests of two users are."""
    results = []
    with ModbusMeter() as first, ModbusMeter() as second:
        first.set(yield_liters=1.0, milking=True)
        second.set(yield_liters=2.0, milking=True)

        def work(meter):
            results.append(read_once(Endpoint("tcp", meter.host, meter.port), 1, PROFILE).values["yield_liters"])

        threads = [threading.Thread(target=work, args=(meter,)) for meter in (first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert sorted(results) == [1.0, 2.0]


# ------------------------------------------------------------------ all points of a meter


def test_points_are_read_one_after_the_other_and_one_that_lacks_a_value_does_not_end_it(place):
    place.server.stop()
    place.meters[1] = place.server.meters[1] = MeterRegisters(size=60)
    place.server.start()
    for offset, liters in ((0, 1.5), (20, float("nan")), (40, 3.5)):
        place.meters[1].set(offset=offset, milking=True, yield_liters=liters)
    first, second, third = read_points(place.endpoint, 1, PROFILE, [0, 20, 40], PATIENCE)
    assert (first.values["yield_liters"], second.kind, third.values["yield_liters"]) == (1.5, "incomplete", 3.5)
    assert (first.words["holding", 0], third.words["holding", 40]) == (0x3FC0, 0x4060)


def test_a_meter_that_does_not_answer_is_asked_for_one_point_alone(place):
    place.meters[1].silent = True
    (error,) = read_points(place.endpoint, 1, PROFILE, [0, 20, 40], SHORT)
    assert error.kind == "silent"


def test_a_line_that_brings_garbage_is_asked_for_one_point_alone(rtu):
    """Each point would wait for its time-out, with a person before the window."""
    rtu.server.answers.change(lambda frame: frame[: len(frame) // 2])
    (error,) = read_points(rtu.endpoint, 1, PROFILE, [0, 20, 40], SHORT)
    assert error.kind == "garbage"
