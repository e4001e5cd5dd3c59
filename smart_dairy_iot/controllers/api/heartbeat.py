"""`POST /devices/{id}/heartbeat`: a device says that it is alive."""

from odoo import _
from odoo.http import Controller

from ...bridge.ingestion import IngestionUnavailable
from .base import ApiError, Operation, endpoint
from .operations import TIMESTAMP


def unavailable(error):
    """The `ApiError` for what the store could not take."""
    message = _("Nothing can be stored at the moment: %s. Send it again.", error)
    return ApiError(503, message, code="unavailable", headers={"Retry-After": "5"})


class HeartbeatApi(Controller):
    @endpoint(
        "POST",
        "/devices/{id}/heartbeat",
        Operation(
            summary="Say that the device is alive",
            description="For a device that has no reading to send. `timestamp` is the platform's time, UTC.",
            answer={"timestamp": TIMESTAMP},
            callers=("device",),
            routine=True,
        ),
    )
    def note_heartbeat(self, call):
        # Superuser: the device may speak for itself alone, and this is about itself.
        ingestion = call.env["iot.ingestion"].sudo()._ingestion()
        try:
            return {"timestamp": ingestion.note_heartbeat(call.device.id)}
        except IngestionUnavailable as error:
            raise unavailable(error) from error
