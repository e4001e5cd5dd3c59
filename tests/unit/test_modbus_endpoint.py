"""What a person types as a meter's address is a place on the network or a serial line, or it is refused."""

import pytest

from smart_dairy_iot_milk.modbus.endpoint import Endpoint, parse_endpoint


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("10.0.0.7:1502", "10.0.0.7", 1502),
        ("meter.local", "meter.local", 502),
        (" parlour-1:502 ", "parlour-1", 502),
        ("[fe80::1]:502", "fe80::1", 502),
        ("[::1]", "::1", 502),
    ],
)
def test_a_tcp_meter_has_a_host_and_a_port(text, host, port):
    assert parse_endpoint("modbus_tcp", text) == Endpoint("tcp", host, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        None,
        ":502",
        "host:",
        "host:0",
        "host:65536",
        "host:modbus",
        "host:+502",
        "a host:502",
        "10.0.0..5",
        "meter-.farm",
        f"{'m' * 64}.farm:502",
        "fe80::1",
        "[host]:502",
        "__pymodbus_nullmodem:502",
        "/dev/ttyUSB0",
        "socket://127.0.0.1:502",
    ],
)
def test_what_is_no_place_on_the_network_is_no_tcp_meter(text):
    with pytest.raises(ValueError, match="is no"):
        parse_endpoint("modbus_tcp", text)


def test_a_serial_line_of_a_tcp_meter_is_told_where_it_belongs():
    with pytest.raises(ValueError, match="a serial line speaks Modbus RTU"):
        parse_endpoint("modbus_tcp", "/dev/ttyUSB0")


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("/dev/ttyUSB0", "/dev/ttyUSB0"),
        ("/dev/pts/3", "/dev/pts/3"),
        ("/dev//./ttyS1", "/dev/ttyS1"),
        ("/dev/serial/by-id/usb-FTDI_A50285BI-if00", "/dev/serial/by-id/usb-FTDI_A50285BI-if00"),
        (" /dev/ttyUSB0\n", "/dev/ttyUSB0"),
    ],
)
def test_a_serial_meter_has_a_device_with_its_settings(text, device):
    endpoint = parse_endpoint("modbus_rtu", text, "19200", "E")
    assert endpoint == Endpoint("serial", device=device, baudrate=19200, parity="E")


def test_settings_that_were_left_empty_are_9600_baud_without_parity():
    assert str(parse_endpoint("modbus_rtu", "/dev/ttyS0", False, False)) == "/dev/ttyS0 (9600 8N1)"


def test_an_rtu_meter_can_be_behind_a_gateway_that_passes_its_frames_on():
    assert parse_endpoint("modbus_rtu", "10.0.0.7:4001") == Endpoint("rtu_tcp", "10.0.0.7", 4001)


@pytest.mark.parametrize(
    "text",
    [
        "spy:///dev/ttyUSB0?file=/tmp/log",
        "spy://socket://10.0.0.1:4001",
        "socket://10.0.0.1:4001",
        "loop://",
        "/etc/passwd",
        "/dev/../etc/passwd",
        "/dev/",
        "/dev",
        "/dev/pts/",
        "/dev/tty USB0",
        "/dev/ttyUSB0?file=x",
        "dev/ttyUSB0",
        "ttyUSB0",
        "COM3",
        "10.0.0.7",
        "",
        None,
    ],
)
def test_no_other_path_and_no_address_of_another_kind_is_a_serial_line(text):
    with pytest.raises(ValueError, match="is no"):
        parse_endpoint("modbus_rtu", text)


@pytest.mark.parametrize(("baudrate", "parity"), [("fast", "N"), ("300", "N"), ("-9600", "N"), ("9600", "M")])
def test_settings_that_no_meter_has_are_refused(baudrate, parity):
    with pytest.raises(ValueError, match="is no"):
        parse_endpoint("modbus_rtu", "/dev/ttyS0", baudrate, parity)


def test_a_meter_of_another_kind_has_no_endpoint():
    with pytest.raises(ValueError, match="mqtt is no Modbus connection"):
        parse_endpoint("mqtt", "10.0.0.7:502")


def test_meters_share_a_line_whatever_they_say_of_its_speed_or_its_frames():
    def line(*settings):
        return parse_endpoint(*settings).line

    assert line("modbus_rtu", "/dev/ttyS0", "9600", "N") == line("modbus_rtu", "/dev//ttyS0", "19200", "E")
    assert line("modbus_rtu", "/dev/ttyS0") != line("modbus_rtu", "/dev/ttyS1")
    assert line("modbus_tcp", "10.0.0.7:4001") == line("modbus_rtu", "10.0.0.7:4001")
    assert line("modbus_tcp", "10.0.0.7:4001") != line("modbus_tcp", "10.0.0.7:4002")


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        (("modbus_tcp", "10.0.0.7"), "10.0.0.7:502"),
        (("modbus_tcp", "[::1]:1502"), "[::1]:1502"),
        (("modbus_rtu", "10.0.0.7:4001"), "RTU at 10.0.0.7:4001"),
        (("modbus_rtu", "/dev/ttyS0", "19200", "E"), "/dev/ttyS0 (19200 8E1)"),
    ],
)
def test_an_endpoint_is_shown_as_people_write_it(settings, shown):
    assert str(parse_endpoint(*settings)) == shown
