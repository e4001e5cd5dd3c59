"""One connection to one endpoint, shared by the meters behind it.

An answer of a serial line carries no number that ties it to its request: one that comes too late looks like the answer
to the next. So what is not from the unit that was asked, not of its function or not of the length asked for is passed
over; after an answer that failed to come the line is closed, left to itself for a moment and opened anew (which throws
away what came in the meantime); and the meter that was late is not asked again until its answer is long overdue.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import stat
import termios
import time
from dataclasses import dataclass
from pathlib import Path

from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerRTU, FramerType

from .blocks import MAX_PER_REQUEST
from .decode import decode_profile
from .endpoint import checked_device
from .lookup import Lookup
from .profile import BIT_REGISTER_TYPES, LAST_ADDRESS, REGISTER_TYPES

# pymodbus logs each refused connection and each missing answer; an outage is reported once, by the bus.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)

#: A connection or an answer over the network that takes longer counts as missing. Half the polling period, so that a
#: meter that is dead leaves the others behind the same gateway their turn within the second.
TIMEOUT_SECONDS = 0.5

#: What a meter on a serial line may think before it answers, beside the time of twice the frames themselves.
_SERIAL_TIMEOUT_SECONDS = 0.2

#: A line that failed is left alone for this long, and for 3.5 characters at least, which end a frame.
_SETTLE_SECONDS = 0.05

#: Start, 8 data bits, parity or a second stop bit, stop.
_BITS_PER_CHARACTER = 11

#: Bytes of a request; of an answer beside its data: unit, function, length, checksum; of one that is an exception.
_REQUEST_SIZE = 8
_ANSWER_FRAME_SIZE = 5
_EXCEPTION_SIZE = 5

_EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledged, not ready",
    6: "device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
}
#: A serial line belongs to one process at a time.
LINE_IN_USE = "another process uses the line"

#: With this exception a gateway says that the meter behind it is silent.
_GATEWAY_TARGET_SILENT = 11


class MeterError(Exception):
    """A meter that could not be read; the text says why.

    :ivar kind: `unreachable` (no connection), `silent` (no answer), `refused` (an exception response), `garbage`
        (bytes, but no answer to the request), `incomplete` (a value without which nothing can be told is missing),
        `failed` (an error of the platform)
    :ivar reading: of `incomplete` the `RegisterReading` of what could be read, else None
    """

    def __init__(self, message, kind, reading=None):
        super().__init__(message)
        self.kind = kind
        self.reading = reading


@dataclass(frozen=True)
class RegisterReading:
    """What the registers of one milking point hold.

    :param words: dict (register type, address on the wire) -> word, or bool of a coil or discrete input
    :param values: dict quantity -> value
    :param problems: dict quantity -> why it has no value
    :param seconds: from the first request to the last answer
    """

    words: dict
    values: dict
    problems: dict
    seconds: float


class Connection:
    """Connects when first read from, and again after a failure; one request at a time.

    :param endpoint: `Endpoint`
    :param timeout: seconds for a connection and for each answer; None: what suits the kind of endpoint
    """

    def __init__(self, endpoint, timeout=None):
        self.endpoint = endpoint
        self._timeout = timeout
        self._client = None
        self._lookup = Lookup(endpoint.host)
        self._lock = asyncio.Lock()
        self._answer = _AnswerFilter()
        self._settled_at = 0.0
        self._late_unit = None
        self._late_until = 0.0

    async def read(self, unit, profile, offset=0):
        """Read one milking point of a meter.

        :param unit: Modbus unit id
        :param offset: registers from the addresses of the profile to those of the point
        :return: `RegisterReading`
        :raise MeterError: it could not be read, or lacks a value that the profile requires
        """
        if any(block.last_address + offset > LAST_ADDRESS for block in profile.blocks):
            raise MeterError(f"the point's registers lie beyond {LAST_ADDRESS}", "refused")
        async with self._lock:
            client = await self._connected(unit)
            begin = time.monotonic()
            words = {}
            for block in profile.blocks:
                words.update(await self._read_block(client, unit, block, offset))
            seconds = time.monotonic() - begin
        reading = RegisterReading(words, *decode_profile(profile, words, offset), seconds)
        missing = [
            f"{quantity} ({reading.problems.get(quantity, 'no value')})"
            for quantity in profile.required
            if quantity not in reading.values
        ]
        if missing:
            raise MeterError(f"unit {unit} has no value for {' and '.join(missing)}", "incomplete", reading)
        return reading

    def close(self):
        """Give the line free; the next reading opens it again."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def give_line_free(self):
        """Let others open a serial line that a thread holds which hangs. To be called from another thread."""
        transport = getattr(getattr(self._client, "ctx", None), "transport", None)
        if hasattr(transport, "sync_serial"):
            # It is closed meanwhile, if that thread goes on after all.
            with contextlib.suppress(OSError, TypeError, ValueError):
                fcntl.flock(transport.sync_serial.fileno(), fcntl.LOCK_UN)

    async def _read_block(self, client, unit, block, offset):
        """:return: dict (register type, address) -> word or bool"""
        address = block.address + offset
        self._answer.expect(unit, block)
        try:
            response = await asyncio.wait_for(
                _request(client, block.register_type, address, block.count, unit), self._answer_seconds(block.count)
            )
        except (ModbusException, asyncio.TimeoutError) as error:
            lost = not client.connected
            self._give_up(unit, block.count)
            if lost:
                raise MeterError(f"the connection to {self.endpoint} was lost", "unreachable") from error
            if self._answer.received:
                raise MeterError(f"unit {unit} is not understood", "garbage") from error
            raise MeterError(f"no answer from unit {unit}", "silent") from error
        except asyncio.CancelledError:
            # The answer to a request that nobody waits for any more is still to come.
            self._give_up(unit, block.count)
            raise
        if response.isError():
            raise _refusal(unit, block, address, response.exception_code)
        if response.function_code != REGISTER_TYPES[block.register_type]:
            self._give_up(unit, block.count)
            raise MeterError(f"unit {unit} answers function {response.function_code}", "garbage")
        found = response.bits if block.register_type in BIT_REGISTER_TYPES else response.registers
        # The bits of coils fill whole bytes.
        missing = len(found) < block.count
        if missing or (block.register_type not in BIT_REGISTER_TYPES and len(found) > block.count):
            self._give_up(unit, block.count)
            raise MeterError(f"unit {unit} answers {len(found)} of {block.count} registers", "garbage")
        return {(block.register_type, address + i): found[i] for i in range(block.count)}

    def _give_up(self, unit, count):
        """Close, so that an answer that comes late is not taken for the next one."""
        self.close()
        now = time.monotonic()
        self._settled_at = now + max(_SETTLE_SECONDS, self._characters_seconds(3.5))
        self._late_unit, self._late_until = unit, now + self._answer_seconds(count)

    async def _connected(self, unit):
        if self.endpoint.is_rtu:
            await _sleep_until(self._late_until if unit == self._late_unit else self._settled_at)
        if self._client is None or not self._client.connected:
            self.close()
            self._client = await self._connect()
        return self._client

    async def _connect(self):
        if self.endpoint.kind == "serial":
            device = self._checked_device()
            client = await _opened(self._make_client(device))
            reason = "" if client else f": {_reason_not_opened(device)}"
        else:
            client, reason = await self._connect_over_network()
        if client is None:
            raise MeterError(f"no connection to {self.endpoint}{reason}", "unreachable")
        return client

    async def _connect_over_network(self):
        """:return: (client, or None; why there is none)"""
        seconds, addresses = self._answer_seconds(MAX_PER_REQUEST["holding"]), []
        try:
            return await asyncio.wait_for(self._try_addresses(addresses), seconds)
        except asyncio.TimeoutError:
            return None, ": it does not answer" if addresses else ": the name is still being looked up"

    async def _try_addresses(self, addresses):
        """Connect to the first of the host's addresses that can be.

        :param addresses: list that is given them as soon as they are known
        :return: as above
        """
        try:
            addresses += await self._lookup.addresses()
        except (OSError, UnicodeError):
            return None, ": the name is not known"
        for address in addresses:
            if client := await _opened(self._make_client(address)):
                return client, ""
        return None, ": it is refused, or there is no way there"

    def _make_client(self, place):
        """:param place: path of the serial line, or an address of the host"""
        # Reconnecting is the bus's decision, with its backoff, not the library's.
        common = {"timeout": self._answer_seconds(MAX_PER_REQUEST["holding"]), "retries": 0, "reconnect_delay": 0}
        if self.endpoint.is_rtu:
            common |= {"framer": FramerType.RTU, "trace_packet": self._answer}
        else:
            common |= {"trace_packet": self._answer.count}
        if self.endpoint.kind == "serial":
            return AsyncModbusSerialClient(
                place, baudrate=self.endpoint.baudrate, parity=self.endpoint.parity, **common
            )
        return AsyncModbusTcpClient(place, port=self.endpoint.port, **common)

    def _checked_device(self):
        """The path of the line itself, behind any link; nothing has been opened yet."""
        try:
            return _serial_line(self.endpoint.device)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise MeterError(f"no connection to {self.endpoint}: {reason}", "unreachable") from error

    def _answer_seconds(self, count):
        """How long the answer with `count` registers may take."""
        if self._timeout is not None:
            return self._timeout
        if self.endpoint.kind != "serial":
            return TIMEOUT_SECONDS
        frames = _REQUEST_SIZE + _ANSWER_FRAME_SIZE + 2 * min(count, MAX_PER_REQUEST["holding"])
        return _SERIAL_TIMEOUT_SECONDS + 2 * self._characters_seconds(frames)

    def _characters_seconds(self, count):
        return count * _BITS_PER_CHARACTER / self.endpoint.baudrate


class _AnswerFilter:
    """Finds the answer to the last request in what a serial line brings: noise and frames of others may stand before.

    Given to pymodbus as `trace_packet`, which sees the bytes received so far and returns those to decode.
    """

    def __init__(self):
        self.received = False
        self._answer = self._exception = b""
        self._size = 0

    def expect(self, unit, block):
        """Before each request: whose answer to which it will be."""
        self.received = False
        data_size = (block.count + 7) // 8 if block.register_type in BIT_REGISTER_TYPES else 2 * block.count
        function_code = REGISTER_TYPES[block.register_type]
        self._answer = bytes([unit, function_code, data_size])
        self._exception = bytes([unit, function_code | 0x80])
        self._size = _ANSWER_FRAME_SIZE + data_size

    def count(self, sending, data):
        """Only notice that there was something; a frame of TCP has a number of its own."""
        self.received = self.received or not sending
        return data

    def __call__(self, sending, data):
        if sending:
            return data
        self.received = True
        for start in range(len(data)):
            for head, size in ((self._answer, self._size), (self._exception, _EXCEPTION_SIZE)):
                frame = data[start : start + size]
                if frame.startswith(head) and len(frame) == size and _is_whole(frame):
                    return frame
        return b""


def read_once(endpoint, unit, profile, offset=0, timeout=3.0):
    """Read one milking point of a meter over a connection made for it alone. Blocks.

    :return: `RegisterReading`
    :raise MeterError: it could not be read
    """
    (result,) = read_points(endpoint, unit, profile, [offset], timeout)
    if isinstance(result, MeterError):
        raise result
    return result


def read_points(endpoint, unit, profile, offsets, timeout=3.0):
    """Read milking points of a meter one after the other, over a connection made for that alone. Blocks.

    :param offsets: of the points' registers from the addresses of the profile
    :return: list of `RegisterReading`, or `MeterError` where a point could not be read; it ends with the first point
        that nobody answers for, or not so that it can be understood: the others would only take the same time
    """

    async def read():
        connection, results = Connection(endpoint, timeout), []
        try:
            for offset in offsets:
                try:
                    results.append(await connection.read(unit, profile, offset))
                except MeterError as error:
                    results.append(error)
                    if error.kind in ("unreachable", "silent", "garbage"):
                        break
        finally:
            connection.close()
        return results

    return asyncio.run(read())


async def _opened(client):
    """The client once it is connected; None where it cannot be."""
    try:
        connected = await client.connect()
    except termios.error:
        # A terminal that was opened and does not take the baud rate or the parity.
        connected = False
    except asyncio.CancelledError:
        client.close()
        raise
    if not connected:
        client.close()
        return None
    return client


def _request(client, register_type, address, count, unit):
    method = {
        "coil": client.read_coils,
        "discrete": client.read_discrete_inputs,
        "holding": client.read_holding_registers,
        "input": client.read_input_registers,
    }[register_type]
    return method(address, count=count, device_id=unit)


def _refusal(unit, block, address, code):
    if code == _GATEWAY_TARGET_SILENT:
        return MeterError(f"the gateway has no answer from unit {unit}", "silent")
    reason = _EXCEPTIONS.get(code, f"exception {code}")
    what = f"{block.register_type} registers {address} to {address + block.count - 1}"
    return MeterError(f"unit {unit} refuses {what}: {reason}", "refused")


def _is_whole(frame):
    return FramerRTU.compute_CRC(frame[:-2]).to_bytes(2, "big") == frame[-2:]


async def _sleep_until(moment):
    await asyncio.sleep(max(0.0, moment - time.monotonic()))


def _serial_line(path):
    """The device behind a path, seen to be a terminal without opening it: opening alone sets some devices off.

    :raise OSError: there is none, or it cannot be read and written
    :raise ValueError: it is no serial line
    """
    device = checked_device(os.path.realpath(checked_device(path)))
    is_terminal = device.startswith("/dev/pts/") or Path("/sys/class/tty", os.path.basename(device)).exists()
    if not stat.S_ISCHR(os.stat(device).st_mode) or not is_terminal:
        raise ValueError(f"{path} is no serial line")
    if not os.access(device, os.R_OK | os.W_OK):
        raise ValueError(f"{path} may not be read and written by the platform's user")
    return device


def _reason_not_opened(device):
    """Why a serial line that is there was not had."""
    try:
        line = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError as error:
        return error.strerror
    try:
        fcntl.flock(line, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return LINE_IN_USE
    finally:
        os.close(line)
    return "the line does not take these settings"
