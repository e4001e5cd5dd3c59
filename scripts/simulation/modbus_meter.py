"""A milk meter that speaks Modbus TCP: a real pymodbus server whose registers are set from outside.

The registers are those of the DeLaval MM27BC. The server runs in a thread of its own, so that a simulator, a test or a
person at a prompt can change the values while it is polled:

    meter = ModbusMeter("127.0.0.1", 15020)
    meter.start()
    meter.set(milking=True, rfid=0x8000F9DCBE991A14, yield_liters=0.4, session_seconds=12)
    meter.stop()            # switched off: connections drop, the port is closed; start() switches it on again

Several meters behind one gateway are several `MeterRegisters` on one `ModbusServer`.
"""

import asyncio
import struct
import threading

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

REGISTER_COUNT = 17

#: Bit of the status register that is set while a cow is milked.
MILKING_BIT = 0

# Starting, stopping and switching a meter are matters of milliseconds; a machine that needs longer is stuck.
_PATIENCE_SECONDS = 10

#: Setting -> (address, struct format of the value, big-endian words).
_LAYOUT = {
    "yield_liters": (0, ">f"),
    "flow_rate": (2, ">f"),
    "conductivity": (4, ">f"),
    "temperature": (6, ">f"),
    "session_seconds": (8, ">H"),
    "rfid": (10, ">Q"),
    "vacuum": (15, ">H"),
    "pulsation": (16, ">H"),
}
_STATUS_ADDRESS = 14


class MeterRegisters:
    """The registers of one meter, safe to set from any thread.

    `requests` lists what was read: (function code, address, count). A meter that is `silent` takes requests and answers
    none; one with a `fault` (a Modbus exception code) answers each with that exception.
    """

    def __init__(self):
        self.requests = []
        self.silent = False
        self.fault = None
        self._lock = threading.Lock()
        self._words = [0] * REGISTER_COUNT

    def set(self, milking=None, **values):
        """Set registers; what is not named keeps its value, and one reading sees all of the change or none.

        :param milking: bool, bit 0 of the status register
        :param values: `yield_liters`, `flow_rate` (L/min), `conductivity` (mS/cm), `temperature` (°C),
            `session_seconds`, `rfid` (the ISO 11784 code as an integer), `vacuum` (kPa), `pulsation` (per minute)
        """
        encoded = {_LAYOUT[name][0]: _words(value, _LAYOUT[name][1]) for name, value in values.items()}
        with self._lock:
            for address, words in encoded.items():
                self._words[address : address + len(words)] = words
            if milking is not None:
                cleared = self._words[_STATUS_ADDRESS] & ~(1 << MILKING_BIT)
                self._words[_STATUS_ADDRESS] = cleared | bool(milking) << MILKING_BIT

    def set_words(self, address, words):
        """Set raw registers from `address` on, whatever they mean."""
        with self._lock:
            self._words[address : address + len(words)] = list(words)

    async def answer(self, function_code, start_address, address, count, registers, values):
        """Called by the server for each request, before it answers from `registers`."""
        self.requests.append((function_code, address, count))
        if self.silent:
            await asyncio.Event().wait()
        if self.fault is not None:
            return ExcCodes(self.fault)
        if values is not None:
            return ExcCodes.ILLEGAL_FUNCTION
        with self._lock:
            registers[:REGISTER_COUNT] = self._words
        return None

    def device(self, unit):
        """These registers as the device `unit` of a pymodbus server."""
        data = SimData(0, values=[0] * REGISTER_COUNT, datatype=DataType.REGISTERS)
        return SimDevice(id=unit, simdata=[data], action=self.answer)


class ModbusServer:
    """Meters behind one TCP port, served in a thread until `stop()`.

    :param meters: dict unit id -> `MeterRegisters`
    :param port: 0 takes a free port at the first start and keeps it
    """

    def __init__(self, host, port, meters):
        self.host = host
        self.port = port
        self.meters = meters
        self._thread = None
        self._loop = None
        self._server = None

    @property
    def endpoint(self):
        return f"{self.host}:{self.port}"

    @property
    def connection_count(self):
        """Connections that are open now."""
        return len(self._server.active_connections)

    def start(self):
        """Listen. Returns when connections are accepted.

        :raise OSError: the port cannot be had
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

    def _run(self, ready, failure):
        asyncio.run(self._serve(ready, failure))

    async def _serve(self, ready, failure):
        self._loop = asyncio.get_running_loop()
        devices = [meter.device(unit) for unit, meter in self.meters.items()]
        self._server = ModbusTcpServer(devices, address=(self.host, self.port))
        try:
            await self._server.serve_forever(background=True)
            self.port = self._server.transport.sockets[0].getsockname()[1]
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


class ModbusMeter(MeterRegisters, ModbusServer):
    """One meter with a TCP port of its own.

    :param port: 0 takes a free port at the first start and keeps it; then read it from `port`
    :param unit: Modbus unit id
    """

    def __init__(self, host="127.0.0.1", port=0, unit=1):
        MeterRegisters.__init__(self)
        ModbusServer.__init__(self, host, port, {unit: self})


def _words(value, code):
    raw = struct.pack(code, value)
    return [int.from_bytes(raw[i : i + 2], "big") for i in range(0, len(raw), 2)]
