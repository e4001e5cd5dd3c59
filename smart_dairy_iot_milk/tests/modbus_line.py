"""A meter on a serial line, for tests inside of Odoo: a pseudo terminal whose other end answers Modbus RTU requests."""

import os
import select
import struct
import threading
import tty

#: A request to read: unit, function, first address, count, checksum.
_REQUEST_SIZE = 8


class MeterLine:
    """Answers on `device` from its start to its end, as a context manager.

    :ivar words: dict address -> holding register; others are 0
    :ivar fault: Modbus exception code to answer with, or None
    """

    def __init__(self, **floats):
        """:param floats: `r<address>=value`: float32 values of two registers each"""
        self.words = {}
        self.fault = None
        for name, value in floats.items():
            self.set_float(int(name[1:]), value)

    def set_float(self, address, value):
        self.words[address], self.words[address + 1] = struct.unpack(">HH", struct.pack(">f", value))

    def __enter__(self):
        self._far, self._near = os.openpty()
        # Kept open here: a terminal ends when nobody has it open any more.
        tty.setraw(self._near)
        self.device = os.ttyname(self._near)
        self._stop_reader, self._stop_writer = os.pipe()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_exception):
        os.write(self._stop_writer, b".")
        self._thread.join(10)
        for descriptor in (self._far, self._near, self._stop_reader, self._stop_writer):
            os.close(descriptor)

    def _serve(self):
        received = b""
        while True:
            readable, _, _ = select.select([self._far, self._stop_reader], [], [])
            if self._stop_reader in readable:
                return
            received += os.read(self._far, 256)
            while len(received) >= _REQUEST_SIZE:
                request, received = received[:_REQUEST_SIZE], received[_REQUEST_SIZE:]
                os.write(self._far, self._answer(request))

    def _answer(self, request):
        unit, function, address, count, _checksum = struct.unpack(">BBHHH", request)
        if self.fault:
            return _with_checksum(bytes([unit, function | 0x80, self.fault]))
        words = [self.words.get(address + i, 0) for i in range(count)]
        return _with_checksum(struct.pack(f">BBB{count}H", unit, function, 2 * count, *words))


def _with_checksum(frame):
    crc = 0xFFFF
    for octet in frame:
        crc ^= octet
        for _bit in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return frame + crc.to_bytes(2, "little")
