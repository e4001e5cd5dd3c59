"""A milk meter that speaks Modbus over TCP: a real pymodbus server whose registers are set from outside.

The registers are those of a maker's map, the DeLaval MM27BC's if nothing is said. The server runs in a thread of its
own, so that a simulator, a test or a person at a prompt can change the values while it is polled:

    meter = ModbusMeter("127.0.0.1", 15020)
    meter.start()
    meter.set(milking=True, rfid=0x8000F9DCBE991A14, yield_liters=0.4, session_seconds=12)
    meter.stop()            # switched off: connections drop, the port is closed; start() switches it on again

Several meters behind one gateway are several `MeterRegisters` on one `ModbusServer`; `framing="rtu"` is a gateway that
passes the frames of a serial line on. A serial line itself is in `modbus_line`.
"""

import asyncio
import struct
import threading
from typing import NamedTuple

from pymodbus.constants import ExcCodes
from pymodbus.exceptions import NoSuchIdException
from pymodbus.framer import FramerType
from pymodbus.server import ModbusTcpServer
from pymodbus.server.requesthandler import ServerRequestHandler
from pymodbus.simulator import DataType, SimData, SimDevice

# Starting, stopping and switching a meter are matters of milliseconds; a machine that needs longer is stuck.
_PATIENCE_SECONDS = 10

_FUNCTION_CODES = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}


class Place(NamedTuple):
    """Where a setting stands.

    `code` is the `struct` format of its value (big-endian words), `bit` a number for one bit of a register; a coil or
    discrete input needs neither.
    """

    address: int
    code: str = None
    bit: int = None
    register_type: str = "holding"

    @property
    def count(self):
        return struct.calcsize(self.code) // 2 if self.code else 1


DELAVAL = {
    "yield_liters": Place(0, ">f"),
    "flow_rate": Place(2, ">f"),
    "conductivity": Place(4, ">f"),
    "temperature": Place(6, ">f"),
    "session_seconds": Place(8, ">H"),
    "rfid": Place(10, ">Q"),
    "milking": Place(14, bit=0),
    "vacuum": Place(15, ">H"),
    "pulsation": Place(16, ">H"),
}

#: No register says that a cow is being milked.
AFIMILK = {
    "yield_liters": Place(100, ">f"),
    "flow_rate": Place(102, ">f"),
    "fat": Place(104, ">f"),
    "protein": Place(106, ">f"),
    "lactose": Place(108, ">f"),
    "somatic_cells": Place(110, ">I"),
    "conductivity": Place(112, ">f"),
    "blood": Place(114, ">H"),
    "rfid": Place(120, ">8s"),
}

REGISTER_COUNT = 17
"""Registers of a DeLaval meter."""


class MeterRegisters:
    """The registers of one meter, safe to set from any thread.

    `requests` lists what was read: (function code, address, count). A meter that is `silent` takes requests and answers
    none; one with a `delay` thinks for so many seconds before it answers, as late as that may be; one with a `fault` (a
    Modbus exception code) answers each with that exception. Registers behind the last one are refused as a real meter
    refuses them.

    :param layout: dict setting -> `Place`
    :param size: registers of each kind; None: up to the last of the layout
    """

    def __init__(self, layout=None, size=None):
        self.requests = []
        self.silent = False
        self.delay = 0.0
        self.fault = None
        self._layout = layout or DELAVAL
        self._lock = threading.Lock()
        size = size or max(place.address + place.count for place in self._layout.values())
        self._words = {register_type: [0] * size for register_type in _FUNCTION_CODES.values()}

    def set(self, offset=0, **values):
        """Set registers; what is not named keeps its value, and one reading sees all of the change or none.

        :param offset: registers to those of another milking point
        :param values: settings of the layout in its units; of the DeLaval map `milking` (bool), `yield_liters`,
            `flow_rate` (L/min), `conductivity` (mS/cm), `temperature` (°C), `session_seconds`, `rfid` (the ISO 11784
            code as an integer), `vacuum` (kPa), `pulsation` (per minute)
        """
        changes = [(self._layout[name], value) for name, value in values.items()]
        changes = [(place, _as_words(value, place.code) if place.code else bool(value)) for place, value in changes]
        with self._lock:
            for place, value in changes:
                self._put(place, place.address + offset, value)

    def set_words(self, address, words, register_type="holding"):
        """Set raw registers from `address` on, whatever they mean."""
        with self._lock:
            self._words[register_type][address : address + len(words)] = list(words)

    async def answer(self, function_code, start_address, address, count, registers, values):
        """Called by the server for each request, before it answers from `registers`."""
        self.requests.append((function_code, address, count))
        if self.silent:
            await asyncio.Event().wait()
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.fault is not None:
            return ExcCodes(self.fault)
        if values is not None:
            return ExcCodes.ILLEGAL_FUNCTION
        with self._lock:
            words = self._words[_FUNCTION_CODES[function_code]]
            # The server keeps sixteen coils in a word, the lowest address in the lowest bit.
            registers[:] = _packed(words) if function_code in (1, 2) else words
        return None

    def device(self, unit):
        """These registers as the device `unit` of a pymodbus server."""
        size = len(self._words["holding"])
        bits = [SimData(0, values=[0] * len(_packed([0] * size)), datatype=DataType.BITS)]
        words = [SimData(0, values=[0] * size, datatype=DataType.REGISTERS)]
        return SimDevice(id=unit, simdata=(bits, bits, words, words), action=self.answer)

    def _put(self, place, address, value):
        """:param value: words, or a bool where the place is a single bit"""
        words = self._words[place.register_type]
        if place.code:
            words[address : address + place.count] = value
        elif place.bit is None:
            words[address] = int(value)
        else:
            words[address] = words[address] & ~(1 << place.bit) | value << place.bit


class Answers:
    """What happens to answers on their way: each change is for the next answer alone, but for `delay`.

    :ivar delay: seconds by which each answer comes late, as bytes that nobody may be waiting for any more
    """

    def __init__(self):
        self.delay = 0.0
        self._changes = []
        self._send = None

    def change(self, change):
        """:param change: callable(bytes of the frame) -> bytes that are sent in its place"""
        self._changes.append(change)

    def drop(self):
        """The next answer is lost."""
        self.change(lambda _frame: b"")

    def noise(self, garbage):
        """Garbage stands before the next answer."""
        self.change(lambda frame: garbage + frame)

    def use(self, send):
        """Where late answers go: callable(bytes), in the server's loop."""
        self._send = send

    def __call__(self, sending, data):
        """pymodbus's `trace_packet`."""
        if not sending:
            return data
        if self._changes:
            data = self._changes.pop(0)(data)
        if self.delay:
            asyncio.get_running_loop().call_later(self.delay, self._send, data)
            return b""
        return data


class _Handler(ServerRequestHandler):
    """Answers each request as the meter that was asked.

    pymodbus 3.16 looks again, when a delayed answer is ready, at who was asked last, and sends the answer in that one's
    name, with a right checksum: no client can tell that from the truth, and no real line does it.
    """

    async def handle_request(self):
        request, addr = self.last_pdu, self.last_addr
        if not request:
            return
        try:
            response = await request.datastore_update(self.server.context, request.dev_id)
        except NoSuchIdException:
            await super().handle_request()
            return
        response.transaction_id, response.dev_id = request.transaction_id, request.dev_id
        self.server_send(response, addr)


class MeterServer:
    """Meters served in a thread until `stop()`, over what a subclass opens.

    :param meters: dict unit id -> `MeterRegisters`
    """

    def __init__(self, meters):
        self.meters = meters
        self.answers = Answers()
        self._thread = None
        self._loop = None
        self._server = None

    @property
    def connection_count(self):
        """Connections that are open now."""
        return len(self._server.active_connections)

    def start(self):
        """Listen. Returns when meters answer.

        :raise OSError: the port or line cannot be had
        """
        ready, failure = threading.Event(), []
        self._thread = threading.Thread(target=self._run, args=(ready, failure), name="modbus meter", daemon=True)
        self._thread.start()
        if not ready.wait(_PATIENCE_SECONDS):
            raise OSError(f"the Modbus server on {self.endpoint} does not start")
        if failure:
            self._thread.join(_PATIENCE_SECONDS)
            self._thread = None
            raise OSError(f"the Modbus server cannot listen on {self.endpoint}") from failure[0]

    def stop(self):
        """Drop all connections and close the port; nothing where it was not started."""
        if self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._server.shutdown(), self._loop).result(_PATIENCE_SECONDS)
        self._thread.join(_PATIENCE_SECONDS)
        self._thread = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exception):
        self.stop()

    def _make_server(self, devices):
        raise NotImplementedError

    def _listening(self):
        """Once the server listens."""

    def _run(self, ready, failure):
        asyncio.run(self._serve(ready, failure))

    async def _serve(self, ready, failure):
        self._loop = asyncio.get_running_loop()
        self._server = self._make_server([meter.device(unit) for unit, meter in self.meters.items()])
        server = self._server
        traces = server.trace_packet, server.trace_pdu, server.trace_connect
        server.callback_new_connection = lambda: _Handler(server, *traces)
        self.answers.use(self._send)
        try:
            await self._server.serve_forever(background=True)
            self._listening()
        except RuntimeError as error:
            failure.append(error)
            return
        finally:
            ready.set()
        await self._server.serving
        # Requests to a silent meter wait for ever; they end with the server.
        current = asyncio.current_task()
        for task in asyncio.all_tasks() - {current}:
            task.cancel()

    def _send(self, data):
        for connection in list(self._server.active_connections.values()):
            if connection.transport:
                connection.transport.write(data)


class ModbusServer(MeterServer):
    """Meters behind one TCP port.

    :param port: 0 takes a free port at the first start and keeps it
    :param framing: `tcp`, or `rtu` for a gateway that passes the frames of a serial line on
    """

    def __init__(self, host, port, meters, framing="tcp"):
        super().__init__(meters)
        self.host = host
        self.port = port
        self.framing = framing

    @property
    def endpoint(self):
        return f"{self.host}:{self.port}"

    def _make_server(self, devices):
        framer = FramerType.RTU if self.framing == "rtu" else FramerType.SOCKET
        return ModbusTcpServer(devices, framer=framer, address=(self.host, self.port), trace_packet=self.answers)

    def _listening(self):
        self.port = self._server.transport.sockets[0].getsockname()[1]


class ModbusMeter(MeterRegisters, ModbusServer):
    """One meter with a TCP port of its own.

    :param port: 0 takes a free port at the first start and keeps it; then read it from `port`
    :param unit: Modbus unit id
    """

    def __init__(self, host="127.0.0.1", port=0, unit=1, framing="tcp", layout=None):
        MeterRegisters.__init__(self, layout)
        ModbusServer.__init__(self, host, port, {unit: self}, framing)


def _as_words(value, code):
    raw = struct.pack(code, value.encode() if isinstance(value, str) else value)
    return [int.from_bytes(raw[i : i + 2], "big") for i in range(0, len(raw), 2)]


def _packed(bits):
    return [sum(bool(bit) << i for i, bit in enumerate(bits[start : start + 16])) for start in range(0, len(bits), 16)]
