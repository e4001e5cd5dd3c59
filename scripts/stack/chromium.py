"""A real Chromium for tests and benchmarks, driven over its DevTools protocol.

Odoo's own browser tests share the test's transaction with the page and refuse web sockets; whoever wants to see the
page of a real server get a notification needs a browser beside it.
"""

import base64
import itertools
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

import websocket

from .paths import PROGRAMS

CHROMIUM = PROGRAMS / "chromium"


class BrowserError(Exception):
    """The browser did not start, did not answer, or the page's script failed."""


class Chromium:
    """One browser with one page; use it in a ``with`` statement.

    ``errors`` collects what the page reports as an error: uncaught exceptions and console errors.
    """

    def __init__(self):
        self.errors = []
        self._ids = itertools.count(1)
        self._profile = tempfile.mkdtemp(prefix="chromium-")
        self._process = subprocess.Popen(
            [
                CHROMIUM,
                "--headless=new",
                "--disable-dev-shm-usage",
                "--remote-debugging-port=0",
                f"--user-data-dir={self._profile}",
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self._socket = websocket.create_connection(self._page_address(), timeout=60, suppress_origin=True)
            for domain in ("Page", "Runtime"):
                self.send(f"{domain}.enable")
            self.resize()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_exc_info):
        self.close()

    def close(self):
        """End the browser and remove its profile."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        shutil.rmtree(self._profile, ignore_errors=True)

    def _page_address(self):
        """Return the web socket address of the browser's page, once the browser is up."""
        port_file = Path(self._profile) / "DevToolsActivePort"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise BrowserError(f"Chromium ended at once with status {self._process.returncode}")
            if port_file.exists() and port_file.read_text().count("\n"):
                port = port_file.read_text().splitlines()[0]
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=10) as response:
                    pages = [target for target in json.load(response) if target["type"] == "page"]
                if pages:
                    return pages[0]["webSocketDebuggerUrl"]
            time.sleep(0.1)
        raise BrowserError("Chromium was not up within 60 seconds")

    def send(self, method, **params):
        """Send a DevTools command and return its result."""
        command_id = next(self._ids)
        self._socket.send(json.dumps({"id": command_id, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == command_id:
                if "error" in message:
                    raise BrowserError(f"{method}: {message['error']['message']}")
                return message["result"]
            self._note_error(message)

    def _note_error(self, event):
        """Keep an event of the page that reports an error."""
        params = event.get("params", {})
        if event["method"] == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description") or details["text"])
        elif event["method"] == "Runtime.consoleAPICalled" and params["type"] == "error":
            self.errors.append(" ".join(str(arg.get("value", arg.get("description"))) for arg in params["args"]))

    def resize(self, width=1366, height=900):
        """Give the page a window of so many CSS pixels, however narrow; by default a desktop's."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def open(self, url):
        """Open an address."""
        self.send("Page.navigate", url=url)

    def evaluate(self, expression):
        """Return the (JSON) value of a script's expression in the page; a promise is waited for."""
        result = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            details = result["exceptionDetails"]
            raise BrowserError(details.get("exception", {}).get("description") or details["text"])
        return result["result"].get("value")

    def wait_for(self, expression, seconds=60):
        """Wait until an expression is true (or an element is found) in the page."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.evaluate(f"document.readyState === 'complete' && !!({expression})"):
                return
            time.sleep(0.1)
        raise BrowserError(
            f"Not within {seconds} seconds: {expression}\n{self.evaluate('document.body.innerText')[:2000]}\n"
            + "\n".join(self.errors)
        )

    def log_in(self, url, login, password):
        """Log in to the Odoo at ``url`` by its own form."""
        self.open(f"{url}/web/login")
        self.wait_for("document.querySelector('form.oe_login_form input[name=password]')")
        self.evaluate(
            f"""{{
                const form = document.querySelector("form.oe_login_form");
                form.querySelector("[name=login]").value = {json.dumps(login)};
                form.querySelector("[name=password]").value = {json.dumps(password)};
                form.submit();
            }}"""
        )
        # A new database's first page waits for its scripts and styles to be put together.
        self.wait_for("document.querySelector('.o_web_client .o_main_navbar')", seconds=120)

    def screenshot(self, path):
        """Write a PNG of the window's content."""
        Path(path).write_bytes(base64.b64decode(self.send("Page.captureScreenshot")["data"]))
