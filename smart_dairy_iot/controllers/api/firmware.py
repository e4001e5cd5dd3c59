"""`GET devices/{id}/firmware/{version}`: devices download the firmware that a roll-out has sent them to fetch.

The file is read as it is sent, however large it is, and in parts for who asks for a range (RFC 9110, 14): a device with
a poor connection goes on where it was cut off. The entity tag is the file's SHA-256, so that parts of two files cannot
be put together by `If-Range`.
"""

import re

from werkzeug.exceptions import RequestedRangeNotSatisfiable

from odoo import _
from odoo.http import Controller, request

from .base import ApiError, Operation, endpoint

SINGLE_RANGE = re.compile(r"bytes=(?:[0-9]{1,18}-[0-9]{0,18}|-(?P<suffix>[0-9]{1,18}))")
"""Of bytes, and one; any other a server may ignore (RFC 9110, 14.2)."""

DOWNLOAD = Operation(
    summary="Download firmware",
    description="The file of a firmware version that a roll-out has told this device to install, for as long as it is"
    " to: from the command `update_firmware` until it has installed it or failed. Takes `Range` (one range of bytes),"
    " `If-Range` and `If-None-Match`; the `ETag` is the SHA-256 of the file in hex, in quotes.",
    answer={},
    callers=("device",),
    content="application/octet-stream",
    other_answers={
        206: "The part that was asked for; `Content-Range` says which.",
        304: "The file is still the one with the given entity tag.",
        416: "The file is shorter than that; `Content-Range` says how long it is.",
    },
)


class FirmwareApi(Controller):
    @endpoint("GET", "/devices/{id}/firmware/{version}", DOWNLOAD)
    def download_firmware(self, call):
        """The file, or the part of it that the request asks for."""
        # Superuser: the caller is the device of the path itself, and the lines that are looked at are its own.
        lines = call.env["iot.firmware.rollout.line"].sudo()
        line = lines._of_download(call.device, call.path["version"])
        if not line:
            raise ApiError(404, _("There is no firmware %s for this device to install.", call.path["version"]))
        line._note_download()
        try:
            response = line.firmware_id._stream().get_response(
                as_attachment=True, environ=_environ(line.firmware_id.size)
            )
        except RequestedRangeNotSatisfiable as error:
            raise ApiError(
                416,
                _("The file has %s bytes.", line.firmware_id.size),
                headers={"Content-Range": f"bytes */{line.firmware_id.size}"},
            ) from error
        response.headers["Accept-Ranges"] = "bytes"
        return response


def _environ(size):
    """The request's, without a range that is not a single one of bytes."""
    environ = dict(request.httprequest.environ)
    asked = SINGLE_RANGE.fullmatch(environ.get("HTTP_RANGE", ""))
    if not asked:
        environ.pop("HTTP_RANGE", None)
    elif asked["suffix"]:
        # The last so many bytes; of a shorter file all (RFC 9110, 14.1.2), which werkzeug takes for an error.
        environ["HTTP_RANGE"] = f"bytes={max(size - int(asked['suffix']), 0)}-"
    return environ
