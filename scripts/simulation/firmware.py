"""How a simulated device fetches firmware: in parts, with its own credentials, over HTTP, checked by its SHA-256."""

import base64
import hashlib
import urllib.request

PART_BYTES = 256 * 1024
PATIENCE_SECONDS = 30


class DownloadError(Exception):
    """The firmware could not be had, or is not the one that was announced. The message is for the platform's user."""


def download(asked, credentials, report):
    """Fetch what a command `update_firmware` asks for, and check it.

    :param asked: the command's parameters, with `url`, `size` (bytes) and `sha256` (hex)
    :param credentials: the device's `Credentials`
    :param report: called with the per cent done after each part
    :raise DownloadError: it cannot be had, or it is not what was asked for
    """
    digest, received = hashlib.sha256(), 0
    while received < asked["size"]:
        part = _fetch(asked["url"], received, min(received + PART_BYTES, asked["size"]), credentials)
        digest.update(part)
        received += len(part)
        report(100 * received // asked["size"])
    if digest.hexdigest() != asked["sha256"]:
        raise DownloadError("the file's checksum is wrong")


def _fetch(url, begin, end, credentials):
    """The bytes from `begin` up to, not including, `end`."""
    account = base64.b64encode(f"{credentials.username}:{credentials.password}".encode()).decode()
    headers = {"Authorization": f"Basic {account}", "Range": f"bytes={begin}-{end - 1}"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=PATIENCE_SECONDS) as response:
            part = response.read(end - begin + 1)
    except (OSError, ValueError) as error:
        raise DownloadError(f"the download failed: {error}") from error
    if len(part) != end - begin:
        raise DownloadError(f"the server sent {len(part)} bytes instead of {end - begin}")
    return part
