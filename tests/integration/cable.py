"""A network cable that a test can unplug: a TCP forwarder on this machine."""

import contextlib
import socket
import threading


class Cable:
    """Forwards connections to a port of this machine; use it in a ``with`` statement.

    ``port`` is where it listens. While it is unplugged every connection is dead, and a new one is cut at once. While it
    is frozen, a new one is taken and nothing comes through it, as from a server that hangs.
    """

    def __init__(self, target_port):
        self._target_port = target_port
        self._is_plugged = True
        self._is_frozen = False
        self._sockets = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_exc_info):
        self.unplug()
        self._listener.close()

    def plug(self):
        """Let new connections through again."""
        with self._lock:
            self._is_plugged = True
            self._is_frozen = False

    def freeze(self):
        """Cut all connections, and take every new one without answering."""
        self.unplug()
        with self._lock:
            self._is_frozen = True

    def unplug(self):
        """Cut all connections, and every new one."""
        with self._lock:
            self._is_plugged = False
            for end in self._sockets:
                with contextlib.suppress(OSError):  # it may have ended by itself
                    end.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        while True:
            try:
                near, _address = self._listener.accept()
            except OSError:
                return  # the cable is gone
            with self._lock:
                if self._is_frozen:
                    self._sockets.add(near)
                    continue
                if not self._is_plugged:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self._target_port))
                self._sockets |= {near, far}
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source, sink):
        """Carry one direction until an end is closed, which closes the other."""
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        source.close()
        with self._lock:
            self._sockets.discard(source)
