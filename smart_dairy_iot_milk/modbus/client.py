"""One connection to one Modbus TCP endpoint, shared by the meters behind it."""

import asyncio
import logging

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from .decode import DecodeError, decode_profile
from .profile import REQUIRED_QUANTITIES

# pymodbus logs each refused connection and each missing answer; an outage is reported once, by the bus.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)

#: A connection or an answer that takes longer counts as missing. Half the polling period, so that a meter that is
#: dead leaves the others behind the same gateway their turn within the second.
TIMEOUT_SECONDS = 0.5

DEFAULT_PORT = 502


class MeterError(Exception):
    """A meter that could not be read; the text says why."""


def parse_endpoint(text):
    """`host:port`, `host` or `[IPv6 address]:port` as (host, port).

    :raise ValueError: it is none of these
    """
    text = (text or "").strip()
    host, separator, port = text.rpartition(":")
    if not separator or text.endswith("]"):
        host, port = text, DEFAULT_PORT
    host = host.strip("[]")
    if not host or any(character.isspace() for character in host):
        raise ValueError(f"{text!r} is no host:port")
    try:
        port = int(port)
    except ValueError:
        raise ValueError(f"{text!r} is no host:port") from None
    if not 0 < port < 65536:
        raise ValueError(f"{port} is no TCP port")
    return host, port


class Connection:
    """Connects when first read from, and again after a failure; one request at a time.

    :param endpoint: (host, port)
    """

    def __init__(self, endpoint, timeout=TIMEOUT_SECONDS):
        self.host, self.port = endpoint
        self._timeout = timeout
        self._client = None
        self._lock = asyncio.Lock()

    async def read(self, unit, profile):
        """Read a meter's registers.

        :param unit: Modbus unit id
        :return: dict quantity -> value
        :raise MeterError: no connection, no answer, an exception response, or registers that make no sense
        """
        async with self._lock:
            try:
                values = decode_profile(profile, await self._read_blocks(unit, profile))
            except DecodeError as error:
                raise MeterError(str(error)) from error
            except ModbusException as error:
                # Closed, so that an answer that comes late is not taken for the next meter's.
                self.close()
                raise MeterError(f"no answer from unit {unit}") from error
        missing = [quantity for quantity in REQUIRED_QUANTITIES if quantity not in values]
        if missing:
            raise MeterError(f"unit {unit} has no value for {' and '.join(missing)}")
        return values

    def close(self):
        if self._client is not None:
            self._client.close()
            self._client = None

    async def _read_blocks(self, unit, profile):
        client = await self._connected()
        read = client.read_input_registers if profile.register_type == "input" else client.read_holding_registers
        words = {}
        for block in profile.blocks:
            response = await read(block.address, count=block.count, device_id=unit)
            if response.isError():
                raise MeterError(f"unit {unit} refuses registers {block.address} to {block.address + block.count - 1}")
            if len(response.registers) != block.count:
                raise MeterError(f"unit {unit} answers {len(response.registers)} of {block.count} registers")
            words.update(enumerate(response.registers, block.address))
        return words

    async def _connected(self):
        if self._client is None or not self._client.connected:
            self.close()
            # Reconnecting is the bus's decision, with its backoff, not the library's.
            client = AsyncModbusTcpClient(
                self.host, port=self.port, timeout=self._timeout, retries=0, reconnect_delay=0
            )
            if not await client.connect():
                raise MeterError(f"no connection to {self.host}:{self.port}")
            self._client = client
        return self._client


def read_once(endpoint, unit, profile, timeout=3.0):
    """Read a meter over a connection made for it alone. Blocks.

    :return: dict quantity -> value
    :raise MeterError: it could not be read
    """

    async def read():
        connection = Connection(endpoint, timeout)
        try:
            return await connection.read(unit, profile)
        finally:
            connection.close()

    return asyncio.run(read())
