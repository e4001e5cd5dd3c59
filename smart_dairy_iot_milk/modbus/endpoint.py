"""Where a meter is reached: a TCP port, a serial line behind a TCP port (RTU over TCP), or a line of this machine.

What a person typed is checked here, once for the form and once more by whoever opens the line: a serial path is handed
to a library that takes addresses of other kinds as well (`spy://` writes files, `socket://` connects anywhere).
"""

import ipaddress
import posixpath
import re
from dataclasses import dataclass

DEFAULT_PORT = 502
DEFAULT_BAUDRATE = 9600
BAUDRATES = (9600, 19200, 38400, 57600, 115200)
PARITIES = ("N", "E", "O")

_DEVICE = re.compile(r"/dev/[A-Za-z0-9._/-]+")
# RFC 1123, and underscores, which some networks have: others cannot be looked up.
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


@dataclass(frozen=True)
class Endpoint:
    """One place where meters are reached; what is shared by all of them is one connection.

    :param kind: `tcp`, `rtu_tcp` (RTU frames in a TCP connection) or `serial`
    :param host, port: of `tcp` and `rtu_tcp`
    :param device: path of the serial line, with its `baudrate` and `parity` (N, E, O); 8 data bits, 1 stop bit
    """

    kind: str
    host: str = ""
    port: int = 0
    device: str = ""
    baudrate: int = DEFAULT_BAUDRATE
    parity: str = "N"

    @property
    def line(self):
        """What two meters share that cannot be reached in two ways at once: the TCP port, or the serial line.

        Neither framing nor baud rate nor parity is part of it, so that two settings of one line are seen as such.
        """
        return (self.device,) if self.kind == "serial" else ("network", self.host, self.port)

    @property
    def is_rtu(self):
        """Whether frames are those of a serial line: without a number that ties an answer to its request."""
        return self.kind in ("serial", "rtu_tcp")

    def __str__(self):
        if self.kind == "serial":
            return f"{self.device} ({self.baudrate} 8{self.parity}1)"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"RTU at {host}:{self.port}" if self.kind == "rtu_tcp" else f"{host}:{self.port}"


def parse_endpoint(communication_type, text, baudrate=DEFAULT_BAUDRATE, parity="N"):
    """The endpoint that a meter's settings name.

    :param communication_type: `modbus_tcp`: `host`, `host:port` or `[IPv6 address]:port`; `modbus_rtu`: the path of a
        serial line below /dev/, or `host:port` of a gateway that passes RTU frames on
    :param baudrate: number or its text; empty is 9600
    :param parity: N, E or O; empty is N
    :return: `Endpoint`; of a network endpoint baud rate and parity are the gateway's business and left at their default
    :raise ValueError: it is none of these; the text is a sentence
    """
    text = (text or "").strip()
    if communication_type == "modbus_tcp":
        return Endpoint("tcp", *_host_and_port(text, DEFAULT_PORT))
    if communication_type != "modbus_rtu":
        raise ValueError(f"{communication_type} is no Modbus connection")
    if not text.startswith("/"):
        return Endpoint("rtu_tcp", *_host_and_port(text, None))
    try:
        baudrate = int(baudrate or DEFAULT_BAUDRATE)
    except ValueError:
        raise ValueError(f"{baudrate!r} is no baud rate") from None
    if baudrate not in BAUDRATES:
        raise ValueError(f"{baudrate} is no baud rate of a meter")
    parity = parity or "N"
    if parity not in PARITIES:
        raise ValueError(f"{parity!r} is no parity")
    return Endpoint("serial", device=checked_device(text), baudrate=baudrate, parity=parity)


def checked_device(path):
    """The path of a serial line, in its shortest form.

    :raise ValueError: it is anything but a plain path below /dev/
    """
    if not _DEVICE.fullmatch(path) or ".." in path or path.endswith("/"):
        raise ValueError(f"{path!r} is no serial line: its device lies below /dev/")
    return posixpath.normpath(path)


def _host_and_port(text, default_port):
    host, separator, port = text.rpartition(":")
    if not separator or text.endswith("]"):
        host, port = text, default_port
    if port is None:
        raise ValueError(f"{text!r} is no host:port, and no device below /dev/")
    if host.startswith("[") and host.endswith("]"):
        host = _ipv6(host[1:-1], text)
    elif not _HOST_NAME.fullmatch(host):
        hint = ": a serial line speaks Modbus RTU" if text.startswith("/dev/") else ""
        raise ValueError(f"{text!r} is no host:port{hint}")
    if not (isinstance(port, int) or (port.isascii() and port.isdecimal())):
        raise ValueError(f"{text!r} is no host:port")
    port = int(port)
    if not 0 < port < 65536:
        raise ValueError(f"{port} is no TCP port")
    return host, port


def _ipv6(address, text):
    try:
        return str(ipaddress.IPv6Address(address))
    except ValueError:
        raise ValueError(f"{text!r} is no host:port") from None
