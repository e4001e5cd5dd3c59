"""Odoo's JSON-RPC as the web client speaks it: a session of one user, and calls with that user's rights."""

import itertools
import json
import urllib.error
import urllib.request
from http.cookiejar import CookieJar

TIMEOUT_SECONDS = 60


class RpcError(Exception):
    """The server refused or failed. The message is what it said to the user."""


class OdooClient:
    """A logged-in session.

    :param url: the server's address, such as `http://127.0.0.1:8069`
    :param timeout: seconds to wait for an answer
    :raise RpcError: wrong login, or the server is out of reach
    """

    def __init__(self, url, database, login, password, timeout=TIMEOUT_SECONDS):
        self._timeout = timeout
        self._url = url.rstrip("/")
        self._numbers = itertools.count(1)
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        session = self._post("/web/session/authenticate", {"db": database, "login": login, "password": password})
        if not session.get("uid"):
            raise RpcError(f"{login} cannot log in to {database} at {self._url}.")

    def call(self, model, method, *args, **kwargs):
        """What `model.method(*args, **kwargs)` returns; the first positional argument of a record method is its ids."""
        return self._post(
            f"/web/dataset/call_kw/{model}/{method}",
            {"model": model, "method": method, "args": list(args), "kwargs": kwargs},
        )

    def search_read(self, model, domain, fields):
        """The records of `model` that match, as dicts; archived ones too."""
        return self.call(model, "search_read", domain, fields, context={"active_test": False})

    def _post(self, path, params):
        body = {"jsonrpc": "2.0", "method": "call", "id": next(self._numbers), "params": params}
        request = urllib.request.Request(
            self._url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                answer = json.load(response)
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            raise RpcError(f"{self._url} cannot be reached: {error}") from error
        if "error" in answer:
            details = answer["error"].get("data") or {}
            raise RpcError(details.get("message") or answer["error"]["message"])
        return answer.get("result")
