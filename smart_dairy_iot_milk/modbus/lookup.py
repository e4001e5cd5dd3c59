"""Looks up the host of an endpoint, in a thread of its own: a name server that does not answer delays nobody else.

The event loop would do that in a few threads that all share, and a name that nobody waits for any more would go on
taking one of them up: some meters with such names, and no other meter's name is looked up any more.
"""

import asyncio
import contextlib
import ipaddress
import socket
import threading
from concurrent.futures import Future


class Lookup:
    """One host; however often it is asked for, one thread at most is at it.

    :param host: name or address
    """

    def __init__(self, host):
        self._host = host
        self._under_way = None

    async def addresses(self):
        """The addresses of the host, in the order in which they are to be tried.

        An answer that comes when nobody waits for it any more is the one that is given the next time.

        :raise OSError: it has none
        :raise UnicodeError: it is no name
        """
        if _is_address(self._host):
            return [self._host]
        if self._under_way is None:
            under_way, name = Future(), f"smart_dairy_iot lookup {self._host}"
            threading.Thread(target=_look_up, args=(self._host, under_way), name=name, daemon=True).start()
            # Not before the thread runs: where none can be started, the next call tries again.
            self._under_way = under_way
        await _done(self._under_way)
        answer, self._under_way = self._under_way, None
        return answer.result()


async def _done(future):
    """Wait for the end of a `concurrent.futures.Future`, which goes on where this is cancelled."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def tell(_future):
        # The loop is closed where nobody waits any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(done.set)

    future.add_done_callback(tell)
    await done.wait()


def _look_up(host, future):
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        future.set_result(list(dict.fromkeys(address[0] for *_kind, address in found)))
    except Exception as error:  # noqa: BLE001 - it is raised to whoever waits, who would wait for ever otherwise
        future.set_exception(error)


def _is_address(host):
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
