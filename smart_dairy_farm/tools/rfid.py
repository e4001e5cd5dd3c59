"""Animal identification tags: one canonical form for everything a person types or a reader sends.

An ISO 11784 transponder holds a 64-bit code::

    bit 63      animal flag (1: animal, 0: industrial)
    bits 48-62  retagging counter, user information, reserved, data block flag
    bits 38-47  country (ISO 3166-1 numeric) or, from 900 on, the manufacturer (999: test)
    bits 0-37   national identification number

The identity of an animal is country and number alone: the fifteen bits between flag and country tell how often the same
number was issued again and what else the tag can do. They are left out of the canonical form, so that the full code
from a milk meter and the fifteen digits printed on the ear tag name the same animal.

The canonical form is the code as sixteen upper-case hexadecimal digits, ``8000F9DCBE991A14`` for country 999 and number
123456789012. Sixteen hexadecimal digits that are no ISO 11784 code (a proprietary tag) are their own canonical form.

No form has a check digit: what left the transponder with one arrives here without it. A line that lost or doubled a
character must therefore be no tag, rather than another animal's. So each form is taken at its exact length and with its
blanks where they belong, and a country has to be one. What a form cannot tell, `rfid_reads` tells by several reads.

This module imports nothing of Odoo: it also runs in processes that have none.
"""

import re

ANIMAL_FLAG = 1 << 63
RESERVED_MASK = 0x3F << 49
COUNTRY_SHIFT = 38
COUNTRY_MAX = 999
NATIONAL_MAX = (1 << COUNTRY_SHIFT) - 1
CODE_MAX = (1 << 64) - 1

# Country codes of ISO 3166-1 (numeric). From 900 on ISO 11784 numbers manufacturers.
# fmt: off
COUNTRIES = frozenset({
    4, 8, 10, 12, 16, 20, 24, 28, 31, 32, 36, 40, 44, 48, 50, 51, 52, 56, 60, 64, 68, 70, 72, 74, 76, 84, 86, 90,
    92, 96, 100, 104, 108, 112, 116, 120, 124, 132, 136, 140, 144, 148, 152, 156, 158, 162, 166, 170, 174, 175, 178,
    180, 184, 188, 191, 192, 196, 203, 204, 208, 212, 214, 218, 222, 226, 231, 232, 233, 234, 238, 239, 242, 246,
    248, 250, 254, 258, 260, 262, 266, 268, 270, 275, 276, 288, 292, 296, 300, 304, 308, 312, 316, 320, 324, 328,
    332, 334, 336, 340, 344, 348, 352, 356, 360, 364, 368, 372, 376, 380, 384, 388, 392, 398, 400, 404, 408, 410,
    414, 417, 418, 422, 426, 428, 430, 434, 438, 440, 442, 446, 450, 454, 458, 462, 466, 470, 474, 478, 480, 484,
    492, 496, 498, 499, 500, 504, 508, 512, 516, 520, 524, 528, 531, 533, 534, 535, 540, 548, 554, 558, 562, 566,
    570, 574, 578, 580, 581, 583, 584, 585, 586, 591, 598, 600, 604, 608, 612, 616, 620, 624, 626, 630, 634, 638,
    642, 643, 646, 652, 654, 659, 660, 662, 663, 666, 670, 674, 678, 682, 686, 688, 690, 694, 702, 703, 704, 705,
    706, 710, 716, 724, 728, 729, 732, 740, 744, 748, 752, 756, 760, 762, 764, 768, 772, 776, 780, 784, 788, 792,
    795, 796, 798, 800, 804, 807, 818, 826, 831, 832, 833, 834, 840, 850, 854, 858, 860, 862, 876, 882, 887, 894,
})
# fmt: on
MANUFACTURER_MIN = 900

# What serial readers put around a tag: STX, ETX, CR, LF, NUL and blanks.
_FRAMING = "\x00\x02\x03\r\n\t "
_BLANKS = re.compile(r"\s+")
_INDUSTRIAL = re.compile(r"L?R[\s\d]")
_DOTTED = re.compile(r"([0-9A-F]{3})\.([0-9A-F]{10})")
# "A" and decimal digits are a reader's line, never hexadecimal digits.
_IS_LINE = re.compile(r"L?A[\d ]*")
# Before the country: nothing, seven zeros without a blank, or five digits and one. The latter need their blank: written
# together they could be the seven of a line that lost a digit, with a country made of its neighbours.
_LINE = re.compile(r"L?A ?(?:0{7}|\d{5} \d ?)?(\d{3}) ?(\d{12})")
_NUMBER = re.compile(r"(\d{3})[ :_-]?(\d{12}|\d{6}[ _-]\d{6}|\d{4}[ _-]\d{4}[ _-]\d{4}|(?:\d{3}[ _-]){3}\d{3})")
# Sixteen digits in one, or in groups: bytes, words, or as in 8000F9DC-BE99-1A14.
_HEXADECIMAL = re.compile(
    r"(?:0X)?((?:[0-9A-F]{2}[ :_-]?){7}[0-9A-F]{2}|(?:[0-9A-F]{4}[ :_-]?){3}[0-9A-F]{4})", re.ASCII
)
_SEPARATORS = re.compile(r"[ :_-]")

# A proprietary code that would be taken for a line or a number as soon as it is written down.
_LIKE_A_NUMBER = re.compile(r"A?\d{15,16}")
_ONE_TOO_MANY = "{} is not an RFID tag: it is a number of 15 digits with one character too many."


class RfidError(ValueError):
    """What was given is not the tag of an animal. The message is a sentence for the user."""


def normalize(tag):
    """Return the canonical form of a tag.

    :param tag: a printed or transmitted form as text (``"LA 982 000001088420"``, ``"A0000000964000000123456"``,
        ``"964 000000123456"``, ``"3DD.003BA20748"``, ``"8000F9DCBE991A14"`` or the same bit-reversed, each with or
        without a reader's STX/CR/LF), or a number: the 64-bit code (a meter's uint64 register) or the 15-digit decimal
    :return: 16 upper-case hexadecimal digits
    :raise RfidError: when no animal's tag can be read from it
    """
    if isinstance(tag, int) and not isinstance(tag, bool):
        return _from_number(tag)
    if not isinstance(tag, str):
        raise RfidError(f"An RFID tag is a text or a number, not {type(tag).__name__}.")
    return _from_text(tag)


def to_decimal(canonical):
    """Return country and number as the 15 digits printed on an ear tag, or None for a tag that is no ISO 11784 code.

    :param canonical: a tag as returned by :func:`normalize`
    """
    code = int(canonical, 16)
    if not _is_animal_code(code):
        return None
    country, national = _split(code)
    return f"{country:03d}{national:012d}"


def _from_text(tag):
    text = _BLANKS.sub(" ", tag.strip(_FRAMING).upper())
    if not text:
        raise RfidError("The RFID tag is empty.")
    if _INDUSTRIAL.match(text):
        raise RfidError(f"{text!r} is an industrial tag (LR), not the tag of an animal.")
    if match := _DOTTED.fullmatch(text):
        return _from_parts(int(match[1], 16), int(match[2], 16))
    form = _LINE if _IS_LINE.fullmatch(text) else _NUMBER
    if match := form.fullmatch(text):
        return _from_parts(int(match[1]), int(_SEPARATORS.sub("", match[2])))
    if form is _NUMBER and (match := _HEXADECIMAL.fullmatch(text)):
        return _from_hexadecimal(_SEPARATORS.sub("", match[1]))
    raise RfidError(
        f"{text[:64]!r} is not an RFID tag: give its 15 digits (country and number), its 16 hexadecimal digits, "
        "or the line a reader sent."
    )


def _from_hexadecimal(digits):
    code = int(digits, 16)
    # A number of fifteen digits with one doubled looks like this as well; a code has its flag and its zeros at one end.
    if digits.isdecimal() and code not in (0, CODE_MAX) and not (digits.startswith("8000") or digits.endswith("0001")):
        raise RfidError(_ONE_TOO_MANY.format(digits))
    return _from_code(code)


def _from_number(number):
    if number == 0:
        raise RfidError("0 is a reader's way to say that no tag was read.")
    if not 0 < number <= CODE_MAX:
        raise RfidError(f"{number} does not fit into the 64 bits of an RFID tag.")
    if number < (COUNTRY_MAX + 1) * 10**12:
        return _from_parts(*divmod(number, 10**12))
    return _from_code(number)


def _from_code(code):
    """Canonical form of a 64-bit code that may have arrived with its bits in the order they are sent over the air."""
    if code in (0, CODE_MAX):
        raise RfidError(f"{code:016X} is a reader's way to say that no tag was read.")
    if _is_animal_code(code):
        return _from_parts(*_split(code))
    reversed_code = int(f"{code:064b}"[::-1], 2)
    if _is_animal_code(reversed_code):
        return _from_parts(*_split(reversed_code))
    if _is_animal_code(code | ANIMAL_FLAG):
        raise RfidError(f"{code:016X} is an industrial tag (its animal flag is 0), not the tag of an animal.")
    proprietary = f"{code:016X}"
    if _LIKE_A_NUMBER.fullmatch(proprietary):
        raise RfidError(_ONE_TOO_MANY.format(proprietary))
    return proprietary


def _from_parts(country, national):
    if not _is_country(country):
        raise RfidError(f"{country:03d} is not a country or manufacturer code of ISO 11784.")
    if national > NATIONAL_MAX:
        raise RfidError(f"{national:012d} is more than the largest number that ISO 11784 allows, {NATIONAL_MAX}.")
    return f"{ANIMAL_FLAG | country << COUNTRY_SHIFT | national:016X}"


def _is_animal_code(code):
    country, _national = _split(code)
    return bool(code & ANIMAL_FLAG) and not code & RESERVED_MASK and _is_country(country)


def _is_country(country):
    return country in COUNTRIES or MANUFACTURER_MIN <= country <= COUNTRY_MAX


def _split(code):
    return code >> COUNTRY_SHIFT & 0x3FF, code & NATIONAL_MAX
