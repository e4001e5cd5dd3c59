"""Dates and times as programs write them into text files."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

_TIME = (
    r"(?:(?:[T ]+|,\s*)(?P<hour>\d{1,2}):?(?P<minute>\d{2})(?::?(?P<second>\d{2})(?:[.,]\d*)?)?\s*(?P<half>[AP]M)?)?"
    r"\s*(?P<offset>Z|[+-]\d{2}(?::?\d{2})?)?"
)
_YEAR_FIRST = re.compile(r"(?P<a>\d{4})([-/.]?)(?P<b>\d{1,2})\2(?P<c>\d{1,2})" + _TIME, re.IGNORECASE)
_YEAR_LAST = re.compile(r"(?P<a>\d{1,2})([-/.])(?P<b>\d{1,2})\2(?P<c>\d{4})" + _TIME, re.IGNORECASE)


def is_month_first(texts: Iterable[str]) -> bool:
    """Whether dates like 03/12/2019 mean the 12th of March: where one of them has no other meaning, and none has the
    other alone. Elsewhere the day is first."""
    first = second = False
    for text in texts:
        match = _YEAR_LAST.fullmatch(text.strip())
        if match and match[2] == "/":
            first, second = first or int(match["a"]) > 12, second or int(match["b"]) > 12
    return second and not first


def parse_moment(text: str, month_first: bool = False) -> tuple[datetime, bool | None] | None:
    """The moment a text names, naive (of UTC where the text gives an offset), and whether it is a day.

    00:00:00 may be the time of a milking, or what a program has added to a day: None. None alone for no moment.

    :param month_first: what is meant by 03/12/2019; with points or dashes the day is always first
    """
    text = text.strip()
    match = _YEAR_FIRST.fullmatch(text)
    if match:
        year, month, day = match["a"], match["b"], match["c"]
    else:
        match = _YEAR_LAST.fullmatch(text)
        if not match:
            return None
        day, month, year = match["a"], match["b"], match["c"]
        if month_first and match[2] == "/":
            day, month = month, day
    try:
        hour, minute, second = _hour(match), int(match["minute"] or 0), int(match["second"] or 0)
        moment = datetime(int(year), int(month), int(day), hour, minute, second) - _offset(match["offset"] or "")
    except (ValueError, OverflowError):
        return None
    return moment, match["hour"] is None or (None if not (hour or minute or second) else False)


def _hour(match: re.Match) -> int:
    """The hour of 0 to 23; 12 AM is midnight."""
    hour = int(match["hour"] or 0)
    if not match["half"]:
        return hour
    if not 1 <= hour <= 12:
        raise ValueError(f"{hour} is no hour of half a day.")
    return hour % 12 + 12 * (match["half"].upper() == "PM")


def _offset(text: str) -> timedelta:
    """How far a clock is ahead of UTC."""
    digits = text[1:].replace(":", "")
    if not digits:
        return timedelta()
    ahead = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
    return -ahead if text[0] == "-" else ahead
