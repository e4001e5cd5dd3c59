"""What EMQX reports of its clients' connections, and whether it is EMQX that does.

A rule of the broker's configuration (`docker/emqx/config/emqx.conf`) sends a JSON object for each connection that
begins or ends. The same secret stands before and behind what is signed, so that nothing can be appended to it.
"""

import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime, timezone

FRESH_SECONDS = 5 * 60
"""How far the broker's clock and ours may be apart, delivery included; a report older than that is no news."""

KINDS = ("client.connected", "client.disconnected")
SIGNED = ("event", "clientid", "username", "timestamp", "peername", "reason")
SUCCESSION = ("takenover", "discarded")
"""Reasons for which a connection ends because the same client has another: it is not away."""


class EventError(ValueError):
    """This is no report of the broker's, or no longer one."""


@dataclass(frozen=True)
class ConnectionEvent:
    """A client was let in or left, `at` a moment by the broker's clock (naive UTC)."""

    kind: str
    username: str
    client_id: str
    at: datetime
    ip_address: str = ""
    reason: str = ""

    @property
    def is_succession(self):
        """Whether the connection ended only because the same client has a newer one."""
        return self.kind == "client.disconnected" and self.reason in SUCCESSION


def read_event(body, secret, now):
    """The event in the body of a request.

    :param body: bytes
    :param secret: what the broker signs with; with an empty one everything is refused
    :param now: seconds since 1970
    :raises EventError: for whatever is not well formed, well signed and fresh
    """
    fields = _fields(body)
    if not secret or not hmac.compare_digest(_signature(fields, secret), fields["signature"].encode()):
        raise EventError("wrongly signed")
    seconds = fields["timestamp"] / 1000
    if abs(now - seconds) > FRESH_SECONDS:
        raise EventError("too old, or of the future")
    return ConnectionEvent(
        kind=fields["event"],
        username=fields["username"],
        client_id=fields["clientid"],
        at=datetime.fromtimestamp(seconds, timezone.utc).replace(tzinfo=None),
        ip_address=fields["peername"].rpartition(":")[0].strip("[]"),
        reason=fields["reason"],
    )


def sign(fields, secret):
    """The signature of a report, lower-case hex, as the broker's rule computes it.

    :param fields: dict with the keys of SIGNED
    """
    return _signature(fields, secret).decode()


def _signature(fields, secret):
    signed = ":".join([secret, *(str(fields[name]) for name in SIGNED), secret])
    return hashlib.sha256(signed.encode()).hexdigest().encode()


def _fields(body):
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise EventError("not JSON") from error
    if not isinstance(fields, dict) or fields.keys() != {*SIGNED, "signature"}:
        raise EventError("not the fields of a report")
    # bool is an int to Python, and not to the broker.
    if any(type(value) is not (int if name == "timestamp" else str) for name, value in fields.items()):
        raise EventError("fields of another type")
    if not all(_is_text(value) for value in fields.values() if isinstance(value, str)):
        raise EventError("characters that no text has")
    if fields["event"] not in KINDS or not fields["signature"].isascii():
        raise EventError("an unknown event")
    return fields


def _is_text(value):
    """Whether PostgreSQL takes it as text: JSON can name a NUL, and halves of characters."""
    return "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)
