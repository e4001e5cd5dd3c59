"""Several reads of tags, and which one they name for certain.

A reader repeats itself, two readers share a line, a line is cut off; and a code that lost a bit on its way is a code
still. One read proves little. What this module gives is a tag that the reads of one milking (or of one passage of a
gate) agree on, or none: to know nothing costs a look at a list, to know the wrong animal costs her records.

This module imports nothing of Odoo: it also runs in processes that have none.
"""

import re
from dataclasses import dataclass

from .rfid import RfidError, normalize, to_decimal

#: Share of the reads that a tag needs to be certain, and how many reads unless there is no other evidence at all.
CERTAIN_SHARE = 2 / 3
CERTAIN_READS = 2

# A fragment shorter than this says nothing about any tag.
_FRAGMENT_MIN = 6
# More than any reader sends as one read; the rest of a flood is not looked at.
_LONGEST = 2000

_DELIMITERS = re.compile(r"[\x00\x02\x03\r\n]+")
_REPEATED = re.compile(r"(\S.{12,40}?\S)(?:\s*\1)+")
_OF_LINES = re.compile(r"[LAR\d\s]+")
_LINE_START = re.compile(r"(?=L[AR])|(?<!L)(?=[AR])")
_FRAGMENT = re.compile(r"(?:L?A)?([0-9A-F]+)")


@dataclass(frozen=True)
class TagVote:
    """Which tag the reads name.

    :param tag: in its canonical form; empty where nothing is certain
    :param share: the part of the reads that name `tag`, or the most frequent one where none is certain; 0 to 1
    :param reads: how many those are
    :param others: the other tags that were read, the most frequent one first
    """

    tag: str
    share: float
    reads: int
    others: tuple


def frames(text):
    """Take apart what came as one read: the same frame repeated, several of them, glued together, or cut off.

    :param text: as a reader sent it, with or without STX, ETX, CR, LF and NUL
    :return: list of the different frames in their order, each a tag or a fragment
    """
    found = []
    for piece in _DELIMITERS.split(text[:_LONGEST]):
        found += _unglued(piece.strip())
    return list(dict.fromkeys(filter(None, found)))


def tags_in(text):
    """Tags that one read holds, and what in it may be part of one.

    :param text: as a reader sent it
    :return: (tags, partial): the different tags in their canonical form, and the other frames as they came
    """
    tags, partial = [], []
    for frame in frames(text):
        tag = _canonical(frame)
        if tag and tag not in tags:
            tags.append(tag)
        elif not tag:
            partial.append(frame)
    return tuple(tags), tuple(partial)


def vote(reads, partial=()):
    """Find the tag that the reads agree on.

    A tag is certain by two reads and two thirds of all. The only read there is will do as well, unless a fragment
    that cannot be of the same tag came beside it.

    :param reads: dict of tag in its canonical form -> how often it was read
    :param partial: texts that were no tag as a whole
    :return: `TagVote`
    """
    ranked = sorted((tag for tag in reads if reads[tag] > 0), key=lambda tag: (-reads[tag], tag))
    if not ranked:
        return TagVote("", 0.0, 0, ())
    best, *others = ranked
    count, total = reads[best], sum(reads[tag] for tag in ranked)
    # In whole numbers: two thirds of three reads are two of them.
    enough_share = 3 * count >= 2 * total
    confirmed = count >= CERTAIN_READS or (total == 1 and all(may_be_of(fragment, best) for fragment in partial))
    if enough_share and confirmed:
        return TagVote(best, count / total, count, tuple(others))
    return TagVote("", count / total, count, tuple(ranked))


def may_be_of(fragment, tag):
    """Whether a text that is no tag may be what is left of this tag: characters lost, doubled or cut off.

    What is no piece of a number, as a reader's words for "nothing read", speaks against nothing.

    :param tag: in its canonical form
    """
    match = _FRAGMENT.fullmatch(re.sub(r"[\s.:_-]", "", fragment.upper()))
    digits = match[1].lstrip("0") if match else ""
    if len(digits) < _FRAGMENT_MIN:
        return True
    return any(_is_within(digits, form) or _is_within(form.lstrip("0"), digits) for form in _digits_of(tag))


def _digits_of(tag):
    """The digits of a tag in the forms in which readers send it."""
    decimal = to_decimal(tag)
    if not decimal:
        return (tag,)
    dotted = f"{int(decimal[:3]):03X}{int(decimal[3:]):010X}"
    bits = f"{int(tag, 16):064b}"
    return tag, f"{int(bits[::-1], 2):016X}", dotted, decimal


def _is_within(short, long):
    """Whether all characters of one text come in the other in the same order."""
    rest = iter(long)
    return all(character in rest for character in short)


def _unglued(piece):
    if not piece or _canonical(piece):
        return [piece]
    match = _REPEATED.fullmatch(piece)
    if match and _canonical(match[1]):
        return [match[1]]
    # Lines begin with letters. Numbers glued together have no beginning: with one digit lost and another doubled they
    # could be cut at the wrong place.
    if _OF_LINES.fullmatch(piece):
        return [line.strip() for line in _LINE_START.split(piece)]
    return [piece]


def _canonical(frame):
    try:
        return normalize(frame)
    except RfidError:
        return ""
