"""Milk meters on a serial line: a pair of pseudo terminals held together by socat, with a Modbus server at its far end.

with ModbusLine({1: MeterRegisters(), 2: MeterRegisters()}) as line:
    ...read `line.device`, which is a terminal below /dev/pts/...
    line.cut()          # the adapter is pulled: the device is gone
    line.restore()      # and there again, under the same name
"""

import os
import re
import select
import subprocess
import time

from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer

from .modbus_meter import MeterServer

_PTY_NAME = re.compile(r"N PTY is (/dev/pts/\d+)")

# socat names its terminals within milliseconds.
_PATIENCE_SECONDS = 10


class SerialLine:
    """Two terminals of which each reads what the other writes.

    :ivar device: the platform's end
    :ivar far_device: the meters' end
    """

    def __init__(self):
        self.device = None
        self.far_device = None
        self._process = None
        self._held = []

    def open(self):
        """Lay the line. One that was open before gets its former name back.

        :raise OSError: there is no such line to be had
        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            device, far_device = self._start()
            if self.device in (None, device):
                self.device, self.far_device = device, far_device
                # A pseudo terminal ends when nobody has its end open any more; a wire does not.
                self._held = [os.open(name, os.O_RDWR | os.O_NOCTTY) for name in (device, far_device)]
                return
            self._end()
            if time.monotonic() > deadline:
                raise OSError(f"{self.device} has been taken by somebody else")
            time.sleep(0.05)

    def close(self):
        """Take the line away: both devices are gone."""
        for descriptor in self._held:
            os.close(descriptor)
        self._held = []
        self._end()

    def _start(self):
        """:return: names of the two terminals"""
        end = "pty,raw,echo=0"
        self._process = subprocess.Popen(["socat", "-d", "-d", end, end], stderr=subprocess.PIPE)
        said = b""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            names = _PTY_NAME.findall(said.decode())
            if len(names) == 2:
                return names
            readable, _, _ = select.select([self._process.stderr], [], [], max(0.0, deadline - time.monotonic()))
            more = os.read(self._process.stderr.fileno(), 4096) if readable else b""
            if not more:
                self._end()
                raise OSError(f"socat gives no pair of terminals: {said.decode()}")
            said += more

    def _end(self):
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_PATIENCE_SECONDS)
            self._process.stderr.close()
            self._process = None


class ModbusLine(MeterServer):
    """Meters on a serial line of their own.

    :param meters: dict unit id -> `MeterRegisters`
    """

    def __init__(self, meters, baudrate=9600, parity="N"):
        super().__init__(meters)
        self.baudrate = baudrate
        self.parity = parity
        self._line = SerialLine()

    @property
    def device(self):
        """The platform's end of the line."""
        return self._line.device

    @property
    def endpoint(self):
        return self.device

    def start(self):
        self._line.open()
        super().start()

    def stop(self):
        super().stop()
        self._line.close()

    def cut(self):
        """The adapter is pulled out: the device is gone."""
        self.stop()

    def restore(self):
        """The adapter is back, under its former name."""
        self.start()

    def noise(self, garbage):
        """Garbage stands before the next answer."""
        self.answers.noise(garbage)

    def drop_answer(self):
        """The next answer is lost."""
        self.answers.drop()

    def slow(self, seconds):
        """Each answer comes that much later, until this is 0 again."""
        self.answers.delay = seconds

    def _make_server(self, devices):
        return ModbusSerialServer(
            devices,
            framer=FramerType.RTU,
            port=self._line.far_device,
            baudrate=self.baudrate,
            parity=self.parity,
            trace_packet=self.answers,
        )
