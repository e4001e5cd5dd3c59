"""Milkings as rows of text: what they mean, and their verdicts in the order of the rows.

A row is a mapping of texts with the columns cow, datetime, yield_kg, conductivity or conductivity_lf/rf/lr/rr, and
optional lactose, scc and blood; an empty text (or none, "NA", "nan", "null") is not measured. Other columns are left
alone.
"""

# Rows are read without Odoo, too, and are in order where they are grouped.
# pylint: disable=bad-builtin-groupby

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from statistics import fmean

from .levels import DEFAULT, Settings
from .milking import QUARTERS, Milking, Past
from .moments import parse_moment
from .norm import WINDOW, herd_norm
from .score import OLDEST, Verdict, score

_MISSING = {"", "na", "n/a", "nan", "nat", "null", "none", "-", "."}
_TRUE = {"true", "yes", "y", "t"}
_FALSE = {"false", "no", "n", "f"}
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+")
# Cells are counted in whole numbers: there a comma before three digits stands for thousands.
_THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+")


@dataclass(frozen=True)
class Row:
    """A row as it is scored: whose, and what. `is_day` is True of a cow-day, False of a milking, None where it may be
    either."""

    herd: str
    cow: str
    is_day: bool | None
    milking: Milking


def parse_row(
    row: Mapping[str, str | None],
    line: int,
    herd: str | None,
    warn: Callable[[str], None],
    month_first: bool = False,
) -> Row | None:
    """What a row says; None where cow or moment are not to be read, so that nothing can be judged.

    :param herd: the column that names the herd, where there is one
    :param warn: told of each text that is taken for "not measured" because it is no number
    :param month_first: what is meant by 03/12/2019
    """

    def number(column: str) -> float | None:
        text = (row.get(column) or "").strip()
        if text.lower() in _MISSING:
            return None
        try:
            value = float(_with_point(text, column))
        except ValueError:
            warn(f"Line {line}: {column} is {text!r}, which is no number. It is taken as not measured.")
            return None
        # No measure of these can be zero or less; such a 0 stands for a failed measurement.
        return value if 0 < value < float("inf") else None

    cow = (row.get("cow") or "").strip()
    moment = parse_moment(row.get("datetime") or "", month_first)
    if not cow or moment is None:
        warn(f"Line {line}: no cow or no date that can be read. The row is not judged.")
        return None
    at, is_day = moment
    return Row(
        (row.get(herd) or "").strip() if herd else "",
        cow,
        is_day,
        Milking(
            at,
            number("yield_kg"),
            number("conductivity"),
            tuple(number(f"conductivity_{quarter}") for quarter in QUARTERS),
            lactose=number("lactose"),
            scc=number("scc"),
            blood=_blood((row.get("blood") or "").strip().lower(), line, warn),
        ),
    )


def _with_point(text: str, column: str) -> str:
    """A number as Python reads it: decimals after a point, and no mark between thousands."""
    if column == "scc" and _THOUSANDS.fullmatch(text):
        return text.replace(",", "")
    return text.replace(",", ".") if _DECIMAL_COMMA.fullmatch(text) else text


def _blood(text: str, line: int, warn: Callable[[str], None]) -> bool | None:
    """Whether blood was seen: true, yes, 1 and any number above 0."""
    if text in _MISSING:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    try:
        return float(text) > 0
    except ValueError:
        warn(f"Line {line}: blood is {text!r}, which is neither yes nor no. It is taken as not measured.")
        return None


def verdicts(rows: Sequence[Row | None], settings: Settings = DEFAULT) -> list[Verdict | None]:
    """The verdict of each row, in their order; None of those that are None.

    A row is judged by what lies before it: the cow's own milkings before its moment, and the herd's before its day. So
    neither the order of the rows nor their repetition nor anything later matters.
    """
    found: list[Verdict | None] = [None] * len(rows)
    order = sorted(
        (index for index, row in enumerate(rows) if row is not None),
        key=lambda index: (rows[index].milking.at, rows[index].cow, index),
    )
    # A day's sum and a single milking are not to be compared, nor two herds' cows of one number.
    herds = defaultdict(list)
    milked_at: dict[tuple[str, str], datetime] = {}  # the last time of day of each cow
    for index in order:
        row = rows[index]
        at, key = row.milking.at, (row.herd, row.cow)
        is_day = row.is_day
        if is_day is None:
            is_day = key not in milked_at or at - milked_at[key] > OLDEST
        elif not is_day:
            milked_at[key] = at
        herds[row.herd, is_day].append((row.cow, row.milking, index))
    for places in herds.values():
        for index, verdict in _of_herd(places, settings):
            found[index] = verdict
    return found


def _of_herd(rows: list[tuple[str, Milking, int]], settings: Settings) -> Iterator[tuple[int, Verdict]]:
    """Index and verdict of each row of one herd, given in order of time."""
    window: list[tuple[str, Milking]] = []
    histories: dict[str, list[Past]] = defaultdict(list)
    for day, of_day in groupby(rows, key=lambda row: row[1].at.replace(hour=0, minute=0, second=0)):
        window = [(cow, milking) for cow, milking in window if milking.at >= day - WINDOW]
        norm = herd_norm(window, day)
        for (_at, cow), same in groupby(of_day, key=lambda row: (row[1].at, row[0])):
            # A row that is there twice is one milking.
            indices = defaultdict(list)
            for _cow, milking, index in same:
                indices[milking].append(index)
            history = histories[cow]
            judged = {milking: score(milking, history, norm, settings) for milking in indices}
            for milking, verdict in judged.items():
                yield from ((index, verdict) for index in indices[milking])
            # Of a milking in which nothing could be judged there is none: what lasts is carried over from before it.
            found = sorted(verdict.evidence for verdict in judged.values() if verdict.level)
            evidence = fmean(found) if found else None
            kept = [past for past in history if day - past.milking.at <= OLDEST]
            histories[cow] = kept + [Past(milking, evidence) for milking in judged]
            window.extend((cow, milking) for milking in judged)


def added_columns(verdict: Verdict | None) -> tuple[str, str, str]:
    """Score, level and reasons of a row as texts. The score of a row that cannot be judged is 0."""
    if verdict is None:
        return "0", "", "Cow or date cannot be read"
    return f"{verdict.score:.6f}", verdict.level or "", "; ".join(verdict.reasons)
