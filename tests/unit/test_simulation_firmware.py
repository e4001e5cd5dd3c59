"""Simulated devices fetch firmware in parts, with their own credentials, and do not install what they did not want."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from simulation.devices import Credentials
from simulation.firmware import PART_BYTES, DownloadError, download

CONTENT = bytes(range(256)) * (PART_BYTES // 128) + b"the last part is shorter"
CREDENTIALS = Credentials("TE_TS001", "sd_TS001", "secret")
AUTHORIZATION = "Basic VEVfVFMwMDE6c2VjcmV0"


class Handler(BaseHTTPRequestHandler):
    """Serves parts of CONTENT to the device alone."""

    def do_GET(self):
        self.server.ranges.append(self.headers["Range"])
        if self.headers["Authorization"] != AUTHORIZATION:
            self.send_error(401)
            return
        begin, end = (int(number) for number in self.headers["Range"].removeprefix("bytes=").split("-"))
        part = self.server.content[begin : end + 1]
        self.send_response(206)
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.content, server.ranges = CONTENT, []
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(timeout=10)


def asked(server, **other):
    """The parameters of the command."""
    url = f"http://127.0.0.1:{server.server_port}/firmware"
    return {"url": url, "size": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest(), **other}


def test_it_is_fetched_in_parts_and_the_progress_is_told(server):
    told = []
    download(asked(server), CREDENTIALS, told.append)
    assert server.ranges == [
        f"bytes=0-{PART_BYTES - 1}",
        f"bytes={PART_BYTES}-{2 * PART_BYTES - 1}",
        f"bytes={2 * PART_BYTES}-{len(CONTENT) - 1}",
    ]
    assert told == sorted(told)
    assert told[-1] == 100


def test_another_file_than_the_announced_one_is_refused(server):
    server.content = CONTENT[::-1]
    with pytest.raises(DownloadError, match="checksum"):
        download(asked(server), CREDENTIALS, lambda percent: None)


def test_a_file_that_is_too_short_is_refused(server):
    server.content = CONTENT[:-1]
    with pytest.raises(DownloadError, match="bytes instead of"):
        download(asked(server), CREDENTIALS, lambda percent: None)


def test_a_server_that_refuses_or_is_away_is_named_as_the_reason(server):
    with pytest.raises(DownloadError, match="401"):
        download(asked(server), Credentials("TE_TS001", "sd_TS001", "wrong"), lambda percent: None)
    with pytest.raises(DownloadError, match="download failed"):
        download(asked(server, url="http://127.0.0.1:1/firmware"), CREDENTIALS, lambda percent: None)
