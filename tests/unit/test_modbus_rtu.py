"""Serial lines of this machine: only what is one is opened, by one process at a time, and the error says why not."""

import fcntl
import os
import termios

import pytest

from simulation.modbus_line import ModbusLine
from simulation.modbus_meter import AFIMILK, MeterRegisters
from smart_dairy_iot_milk.modbus.client import MeterError, read_once
from smart_dairy_iot_milk.modbus.endpoint import Endpoint, parse_endpoint
from smart_dairy_iot_milk.modbus.profile import Line, Profile

PROFILE = Profile("short", (Line("yield_liters", 0, "float32"), Line("milking", 14, "bit")))
PATIENCE = 3.0


@pytest.fixture
def line():
    registers = MeterRegisters()
    registers.set(milking=True, yield_liters=8.25)
    with ModbusLine({1: registers}) as line:
        yield line


def serial(device):
    return Endpoint("serial", device=device)


def problem(device):
    with pytest.raises(MeterError) as error:
        read_once(serial(device), 1, PROFILE)
    assert error.value.kind == "unreachable"
    return str(error.value)


def test_a_line_is_read_as_a_person_typed_it(line):
    endpoint = parse_endpoint("modbus_rtu", line.device, "9600", "N")
    assert read_once(endpoint, 1, PROFILE, timeout=PATIENCE).values == {"yield_liters": 8.25, "milking": True}


def test_settings_that_a_line_does_not_take_are_an_error_and_no_crash(line, monkeypatch):
    def refuse(*_arguments):
        raise termios.error(22, "Invalid argument")

    monkeypatch.setattr(termios, "tcsetattr", refuse)
    assert "the line does not take these settings" in problem(line.device)


def test_a_line_that_is_not_there_is_unreachable():
    assert "No such file or directory" in problem("/dev/ttyNowhere")


def test_what_is_no_serial_line_is_not_opened():
    """`null` would take our requests and answer none; opening `watchdog` starts a machine anew."""
    assert "is no serial line" in problem("/dev/null")


@pytest.mark.parametrize("path", ["/etc/passwd", "/dev/../etc/passwd", "spy:///dev/null?file=/tmp/x", "socket://h:1"])
def test_a_path_that_was_never_checked_is_not_opened(path):
    assert "is no serial line" in problem(path)


def test_a_link_that_leads_out_of_the_devices_is_not_followed(monkeypatch):
    monkeypatch.setattr(os.path, "realpath", lambda path: "/etc/passwd")
    assert "is no serial line" in problem("/dev/ttyUSB0")


def test_a_line_that_another_process_uses_is_said_to_be_in_use(line):
    other = os.open(line.device, os.O_RDWR | os.O_NOCTTY)
    try:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert "another process uses the line" in problem(line.device)
    finally:
        os.close(other)
    assert read_once(serial(line.device), 1, PROFILE, timeout=PATIENCE).values["yield_liters"] == 8.25


def test_a_line_that_was_pulled_out_is_read_again_once_it_is_back(line):
    device = line.device
    line.cut()
    assert "No such file or directory" in problem(device)
    line.restore()
    assert line.device == device
    assert read_once(serial(device), 1, PROFILE, timeout=PATIENCE).values["yield_liters"] == 8.25


@pytest.mark.parametrize("garbage", [b"\x00", b"\x01\x03\x04", b"\x01\x83"])
def test_a_noisy_line_is_read(line, garbage):
    line.noise(garbage)
    assert read_once(serial(line.device), 1, PROFILE, timeout=PATIENCE).values["yield_liters"] == 8.25


def test_a_lost_answer_is_silence_within_the_time_of_the_line(line):
    line.drop_answer()
    with pytest.raises(MeterError) as error:
        read_once(serial(line.device), 1, PROFILE, timeout=None)
    assert error.value.kind == "silent"


def test_an_afimilk_map_is_read_without_a_status():
    registers = MeterRegisters(AFIMILK)
    registers.set(yield_liters=6.5, flow_rate=2.25, fat=4.1, blood=1, rfid="9821234\0")
    profile = Profile(
        "Afimilk",
        (
            Line("yield_liters", 100, "float32", maximum=50),
            Line("flow_rate", 102, "float32", maximum=15),
            Line("fat_percentage", 104, "float32"),
            Line("blood_detected", 114, "bool"),
            Line("rfid_tag", 120, "string", length=4),
        ),
        milking_from="flow",
    )
    with ModbusLine({7: registers}) as line:
        reading = read_once(serial(line.device), 7, profile, timeout=PATIENCE)
    assert reading.values == {
        "yield_liters": 6.5,
        "flow_rate": 2.25,
        "fat_percentage": 4.1,
        "blood_detected": True,
        "rfid_tag": "9821234",
    }
