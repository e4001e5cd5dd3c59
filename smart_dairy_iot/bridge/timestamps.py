"""RFC 3339 time stamps of payloads <-> naive UTC, as Odoo and the telemetry tables keep them."""

import re
from datetime import datetime, timezone

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)")
# Lengths of the forms that `fromisoformat` of Python 3.10 reads as they are, once the Z is cut off.
_PLAIN_LENGTHS = (20, 24, 27)


def parse_timestamp(text):
    """A naive UTC datetime, cut to microseconds.

    :raises ValueError: where the text is no RFC 3339 time stamp with an offset, or no time that exists.
    """
    if text.endswith("Z") and len(text) in _PLAIN_LENGTHS:
        return datetime.fromisoformat(text[:-1])
    match = _RFC3339.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is no RFC 3339 time stamp with an offset")
    date, time, fraction, offset = match.groups()
    offset = "+00:00" if offset in "Zz" else offset
    fraction = (fraction or "")[:6].ljust(6, "0")
    return datetime.fromisoformat(f"{date}T{time}.{fraction}{offset}").astimezone(timezone.utc).replace(tzinfo=None)


def format_timestamp(moment):
    """The RFC 3339 text of a naive UTC datetime, with all its digits."""
    return f"{moment.isoformat()}Z"


def utc_now():
    """The wall clock, naive UTC. Parts of the bridge take it as an argument, so that a test can set it."""
    return datetime.now(timezone.utc).replace(tzinfo=None)
