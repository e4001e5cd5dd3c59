"""Cables that can be cut, stalled and slowed, and a tap that writes down what broker and bridge tell each other.

All of them run in one event loop in a thread of its own, the `Network`.
"""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from .packets import PUBACK, PUBLISH, SUBACK, PacketStream, packet_ids, publication

_CHUNK = 65536


class Network:
    """The loop that the cables run in; use it in a ``with`` statement."""

    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="network", daemon=True)
        self._servers: list[asyncio.Server] = []

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_exc):
        self.call(self._cancel_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def listen(self, serve, tls=None) -> int:
        """Call ``serve(reader, writer)`` with every connection to a port of its own; returns the port."""
        server = self.call(asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls))
        self._servers.append(server)
        return server.sockets[0].getsockname()[1]

    def call(self, coroutine):
        """Run a coroutine in the loop and return what it returns."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    async def _cancel_all(self):
        for server in self._servers:
            server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class _Relay:
    """Takes connections on a port of its own and carries each on to another port of this machine."""

    def __init__(self, network: Network, target_port: int, near_tls=None, far_tls=None):
        self._network = network
        self._target_port = target_port
        self._far_tls = far_tls
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = network.listen(self._serve, near_tls)

    async def _serve(self, near_reader, near_writer):
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port, ssl=self._far_tls)
        except OSError:
            near_writer.transport.abort()
            return
        ends = {near_writer, far_writer}
        self._writers |= ends
        try:
            await self._carry_both(near_reader, near_writer, far_reader, far_writer)
        finally:
            self._writers -= ends

    async def _carry_both(self, near_reader, near_writer, far_reader, far_writer):
        raise NotImplementedError

    async def _abort_all(self):
        for writer in self._writers:
            writer.transport.abort()

    async def _close_all(self):
        for writer in self._writers:
            writer.close()


class Wire(_Relay):
    """A cable: plugged in, unless it is cut (connections die at once), stalled (nothing comes through, nothing ends) or
    slow (each piece comes late).
    """

    def __init__(self, network: Network, target_port: int):
        self._is_cut = False
        self._flowing = asyncio.Event()
        self._delay = 0.0
        super().__init__(network, target_port)
        self.mend()

    def cut(self) -> None:
        """End all connections, and every new one."""
        self._is_cut = True
        self._network.call(self._abort_all())

    def unplug(self) -> None:
        """As `cut`, but what is under way arrives first."""
        self._is_cut = True
        self._network.call(self._close_all())

    def stall(self) -> None:
        """Hold back what is under way."""
        self._network.call(self._set_flowing(False))

    def slow(self, seconds: float) -> None:
        """Let each piece come so much later."""
        self._delay = seconds

    def mend(self) -> None:
        """As if nothing had been; what was held back comes through."""
        self._is_cut, self._delay = False, 0.0
        self._network.call(self._set_flowing(True))

    async def _set_flowing(self, flowing):
        if flowing:
            self._flowing.set()
        else:
            self._flowing.clear()

    async def _serve(self, near_reader, near_writer):
        if self._is_cut:
            near_writer.transport.abort()
            return
        await super()._serve(near_reader, near_writer)

    async def _carry_both(self, near_reader, near_writer, far_reader, far_writer):
        await asyncio.gather(self._carry(near_reader, far_writer), self._carry(far_reader, near_writer))

    async def _carry(self, reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self._flowing.wait()
                await asyncio.sleep(self._delay)
                writer.write(data)
                await writer.drain()
        await self._flowing.wait()  # the end of a connection does not come through either
        writer.close()


@dataclass(eq=False)
class Delivery:
    """A message as the broker gave it to the bridge.

    :param forgotten: whether the broker may know nothing of it any more, though it was not acknowledged
    """

    payload: bytes
    acknowledged: bool = False
    forgotten: bool = False


@dataclass(eq=False)
class Session:
    """One connection between bridge and broker."""

    is_open: bool = True
    subscribed: bool = False
    deliveries: list[Delivery] = field(default_factory=list)
    under_way: dict[int, Delivery] = field(default_factory=dict)


class Tap(_Relay):
    """Stands between the bridge and its cable to the broker, ends TLS on both sides and reads along.

    It stands on the bridge's side of the cable: what it has written down has reached the bridge, unless that is dead.

    :param certificate: (certificate, key, CA) files of the broker, which it poses as
    """

    def __init__(self, network: Network, target_port: int, certificate: tuple[str, str, str]):
        near_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        near_tls.load_cert_chain(certificate[0], certificate[1])
        self.sessions: list[Session] = []
        #: Called once, in the network's thread, when the bridge's next acknowledgement has gone to the broker.
        self.on_acknowledgement: Callable[[], None] | None = None
        super().__init__(network, target_port, near_tls, ssl.create_default_context(cafile=certificate[2]))

    @property
    def session(self) -> Session | None:
        """The connection that stands, None where there is none."""
        return self.sessions[-1] if self.sessions and self.sessions[-1].is_open else None

    @property
    def receiving(self) -> bool:
        """Whether the broker has taken the bridge's subscriptions."""
        return self.session is not None and self.session.subscribed

    @property
    def unacknowledged(self) -> int:
        """How many messages the bridge holds that came over the connection that stands."""
        return len(self.session.under_way) if self.session else 0

    def deliveries(self) -> list[Delivery]:
        """All that the broker has delivered, in order; what it delivered again is there again."""
        return [delivery for session in self.sessions for delivery in session.deliveries]

    def note_amnesia(self) -> None:
        """What came over earlier connections and was not acknowledged the broker may have forgotten, being killed."""
        for session in self.sessions[:-1]:
            for delivery in session.under_way.values():
                delivery.forgotten = True

    def forget(self) -> None:
        """Start with an empty page, while nothing is under way."""
        for session in self.sessions:
            session.deliveries = []

    async def _carry_both(self, near_reader, near_writer, far_reader, far_writer):
        session = Session()
        self.sessions.append(session)
        try:
            await asyncio.gather(
                self._carry_down(session, far_reader, near_writer), self._carry_up(session, near_reader, far_writer)
            )
        finally:
            session.is_open = False

    async def _carry_down(self, session, reader, writer):
        stream = PacketStream()
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                for head, body in stream.feed(data):
                    _note_from_broker(session, head, body)
                writer.write(data)
                await writer.drain()
        session.is_open = False
        writer.close()

    async def _carry_up(self, session, reader, writer):
        stream = PacketStream()
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                answered = [body for head, body in stream.feed(data) if head & 0xF0 == PUBACK]
                for packet_id in packet_ids(answered):
                    delivery = session.under_way.pop(packet_id, None)
                    if delivery:
                        delivery.acknowledged = True
                writer.write(data)
                await writer.drain()
                if answered and self.on_acknowledgement:
                    action, self.on_acknowledgement = self.on_acknowledgement, None
                    action()
        session.is_open = False
        writer.close()


def _note_from_broker(session, head, body):
    if head & 0xF0 == SUBACK:
        session.subscribed = True
    elif head & 0xF0 == PUBLISH:
        packet_id, payload = publication(head, body)
        if packet_id is not None:
            delivery = Delivery(payload)
            session.deliveries.append(delivery)
            session.under_way[packet_id] = delivery
