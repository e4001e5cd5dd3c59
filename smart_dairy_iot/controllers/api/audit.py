"""What becomes of a request's entry in the audit trail."""

import logging
import time

import psycopg2

from odoo import SUPERUSER_ID, api
from odoo.http import request

from .callers import is_first_refusal

_logger = logging.getLogger(__name__)


class AuditEntry:
    """Of the present request, to be noted once it is known how it ended.

    :param call: `Call`; it has no caller while nobody is known
    """

    def __init__(self, call):
        self._call = call
        self._began = time.monotonic()

    def note(self, env, status, error=None, replayed=False):
        """Note how it ended, where it is one for the audit trail.

        :param error: `ApiError`, None where it was served
        :param replayed: whether it got the answer of an earlier request
        """
        if not self._is_for_the_trail(error):
            return
        # Superuser: nobody writes the audit trail, everybody who writes is in it.
        env["iot.api.request"].sudo()._note(
            caller=self._call.caller,
            device=self._call.device,
            operation=self._call.endpoint.name,
            status=status,
            error_code=error and error.code,
            replayed=replayed,
            milliseconds=(time.monotonic() - self._began) * 1000,
        )

    def note_alone(self, error):
        """Note a request that the server failed at: its transaction is lost, and its entry with it."""
        try:
            with request.registry.cursor() as cr:
                self.note(api.Environment(cr, SUPERUSER_ID, {}), error.status, error)
        except psycopg2.Error as second:
            # The answer is the error in any case, and the database may be what has failed.
            _logger.error("API: a failed request (%s) could not be noted: %s", self._call.endpoint.name, second)

    def _is_for_the_trail(self, error):
        call = self._call
        if not call.caller or not call.endpoint.writes:
            return False
        if error and error.status == 429:
            # A flood of refused requests must not become a flood of entries.
            return is_first_refusal(call.caller)
        return error or not (call.endpoint.operation.routine and call.caller.kind == "device")
