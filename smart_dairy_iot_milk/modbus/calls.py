"""Blocking calls, one after another, in a thread that keeps no process from ending.

The threads of an executor are waited for when the interpreter ends: a database that swallows everything would keep the
bridge from stopping.
"""

import threading
from collections import deque
from concurrent.futures import Future


class Calls:
    """:param name: of the thread, which lives as long as there is something to call"""

    def __init__(self, name):
        self._name = name
        self._lock = threading.Lock()
        self._waiting = deque()
        self._is_at_work = False

    def submit(self, method, *arguments):
        """Call a method once those before it have returned.

        :return: `concurrent.futures.Future` of what it gives
        :raise RuntimeError: no thread can be started
        """
        future = Future()
        with self._lock:
            if not self._is_at_work:
                threading.Thread(target=self._work, name=self._name, daemon=True).start()
                self._is_at_work = True
            self._waiting.append((future, method, arguments))
        return future

    def _work(self):
        while call := self._next():
            future, method, arguments = call
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = method(*arguments)
            except BaseException as error:  # noqa: BLE001 - it is raised to whoever waits, who would wait for ever else
                future.set_exception(error)
            else:
                future.set_result(result)

    def _next(self):
        """:return: the next call, None where there is none: the thread has to end then"""
        with self._lock:
            self._is_at_work = bool(self._waiting)
            return self._waiting.popleft() if self._waiting else None
