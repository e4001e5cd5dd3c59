"""A stand-in for EMQX's REST API: a real HTTP server on loopback that answers as EMQX 5.8 does, and remembers requests.

The answers are those of apps/emqx_management/src/emqx_mgmt_api_clients.erl, apps/emqx_auth/src/emqx_authz/
emqx_authz_api_cache.erl and apps/emqx_dashboard/src/emqx_dashboard.erl at the tag v5.8.7.
"""

import base64
import contextlib
import json
import re
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BASE = "/api/v5"
NOT_FOUND = {"code": "CLIENTID_NOT_FOUND", "message": "Client ID not found"}
BAD_KEY = {"code": "BAD_API_KEY_OR_SECRET", "message": "Check api_key/api_secret"}
FAILURE = {"code": "UNKNOWN_ERROR", "message": "{badrpc,nodedown}"}
SILENT_AT_MOST_SECONDS = 60

API_KEY = "smart_dairy_odoo"
API_PASSWORD = "a password of the stand-in"  # not a secret: it lives as long as the test


@dataclass(frozen=True)
class Request:
    """What was asked for; `body` is the JSON document, None without one."""

    method: str
    path: str
    body: object = None


class EmqxApiStandIn:
    """The API of a cluster at which `connected` clients are; a context manager.

    `failing` makes it answer 500, `silent` makes it take requests and answer none.
    """

    def __init__(self):
        self.connected = set()
        self.requests = []
        self.failing = False
        self._silent = False
        self._may_answer = threading.Event()
        self._may_answer.set()
        self._server = None
        self.port = None

    def __enter__(self):
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                stand_in._handle(self, "POST")

            def do_DELETE(self):
                stand_in._handle(self, "DELETE")

            def log_message(self, *arguments):
                """The test's own output is enough."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc_info):
        self._may_answer.set()
        self._server.shutdown()
        self._server.server_close()

    def settings(self):
        """The keys of the section [smart_dairy_iot] that lead here."""
        return {
            "emqx_api_url": f"http://127.0.0.1:{self.port}{BASE}",
            "emqx_api_key": API_KEY,
            "emqx_api_password": API_PASSWORD,
        }

    @property
    def silent(self):
        return self._silent

    @silent.setter
    def silent(self, value):
        self._silent = value
        if value:
            self._may_answer.clear()
        else:
            self._may_answer.set()

    def kicked(self):
        """The client ids that were to be kicked."""
        bodies = [request.body for request in self.requests if request.path == "/clients/kickout/bulk"]
        return {client_id for body in bodies for client_id in body}

    def _handle(self, http, method):
        length = int(http.headers.get("Content-Length") or 0)
        body = json.loads(http.rfile.read(length)) if length else None
        self._may_answer.wait(SILENT_AT_MOST_SECONDS)
        status, document = self._answer(http.headers, method, http.path, body)
        content = json.dumps(document).encode() if document else b""
        http.send_response(status)
        if status == 401:
            http.send_header("WWW-Authenticate", 'Basic Realm="emqx-dashboard"')
        if content:
            http.send_header("Content-Type", "application/json")
        if status != 204:
            http.send_header("Content-Length", str(len(content)))
        with contextlib.suppress(ConnectionError):  # who asked may have given up
            http.end_headers()
            http.wfile.write(content)

    def _answer(self, headers, method, path, body):
        credentials = base64.b64encode(f"{API_KEY}:{API_PASSWORD}".encode()).decode()
        if headers.get("Authorization") != f"Basic {credentials}":
            return 401, BAD_KEY
        path = path.removeprefix(BASE)
        self.requests.append(Request(method, path, body))
        if self.failing:
            return 500, FAILURE
        if (method, path) == ("POST", "/clients/kickout/bulk"):
            self.connected -= set(body)
            return 204, None
        if (method, path) == ("DELETE", "/authorization/cache"):
            return 204, None
        client = re.fullmatch(r"/clients/([^/]+)(/authorization/cache)?", path)
        if method != "DELETE" or not client:
            return 404, {"code": "NOT_FOUND", "message": "Request Path Not Found"}
        if client[1] not in self.connected:
            return 404, NOT_FOUND
        if not client[2]:
            self.connected.discard(client[1])
        return 204, None
