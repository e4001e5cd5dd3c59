"""Pages of a list that changes while it is read: each begins after the last item of the one before.

Items are in the order of their last change, so one that changes meanwhile comes once more, and none is left out.
"""

import re
from dataclasses import dataclass
from datetime import datetime

_FORM = re.compile(r"(\d{8}T\d{12})-(\d{1,10})-(\d{1,9})", re.ASCII)
_MOMENT = "%Y%m%dT%H%M%S%f"
_LARGEST_ID = 2**31 - 1


@dataclass(frozen=True)
class Cursor:
    """Where a page begins.

    :param moment: when the last item before it changed, naive UTC
    :param last_id: of that item
    :param page: number of the page, from 2
    """

    moment: datetime
    last_id: int
    page: int

    def __str__(self):
        return f"{self.moment.strftime(_MOMENT)}-{self.last_id}-{self.page}"

    @classmethod
    def parse(cls, text):
        """:raises ValueError: for what no page has told"""
        match = _FORM.fullmatch(text)
        if not match or int(match[2]) > _LARGEST_ID:
            raise ValueError(f"{text[:60]!r} is no cursor")
        return cls(datetime.strptime(match[1], _MOMENT), int(match[2]), int(match[3]))
