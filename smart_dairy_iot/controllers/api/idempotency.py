"""A POST with an `Idempotency-Key` is done once: its repetition gets the answer of the first.

The key is taken before anything is done, in the same transaction: of two requests at the same time the second waits,
and then, its snapshot being too old, Odoo repeats it and it finds the first one's answer. A request that fails changes
nothing and gives the key back.
"""

import re

from odoo import _
from odoo.http import Response

from .errors import ApiError

HEADER = "Idempotency-Key"
REPLAYED = {"Idempotency-Replayed": "true"}
KEY_PATTERN = "^[!-~]{1,255}$"
_KEY = re.compile(KEY_PATTERN)


def once(env, call, key, fingerprint, perform):
    """(response, whether it is an earlier one).

    :param call: `Call`
    :param fingerprint: of all that was asked: the same key cannot stand for something else
    :param perform: function that gives the response
    """
    if not _KEY.fullmatch(key):
        raise ApiError(400, _("An idempotency key has up to 255 visible ASCII characters."))
    # Superuser: the table holds answers to others, too; only this caller's are looked up.
    answers = env["iot.api.idempotency"].sudo()
    earlier = answers._take(call.caller.key, key, fingerprint)
    if earlier:
        return _replay(earlier, fingerprint), True
    response = perform()
    kept = None if call.endpoint.operation.secret else response.get_data(as_text=True)
    answers._keep(call.caller.key, key, response.status_code, dict(response.headers), kept)
    return response, False


def _replay(earlier, fingerprint):
    if earlier["fingerprint"] != fingerprint:
        raise ApiError(409, _("This idempotency key was used for another request."), code="idempotency_conflict")
    if earlier["answer"] is None:
        raise ApiError(
            409,
            _("This was done already, and its password was shown once, in the first answer. Ask for a new one."),
            code="idempotency_conflict",
        )
    return Response(earlier["answer"], status=earlier["status"], headers={**earlier["headers"], **REPLAYED})
