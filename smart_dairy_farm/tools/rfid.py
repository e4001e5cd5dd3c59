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

This module imports nothing of Odoo: it also runs in processes that have none.
"""

import re

ANIMAL_FLAG = 1 << 63
RESERVED_MASK = 0x3F << 49
COUNTRY_SHIFT = 38
COUNTRY_MAX = 999
NATIONAL_MAX = (1 << COUNTRY_SHIFT) - 1
CODE_MAX = (1 << 64) - 1

# What serial readers put around a tag: STX, ETX, CR, LF, NUL and blanks.
_FRAMING = "\x00\x02\x03\r\n\t "
_SEPARATORS = re.compile(r"[\s:_-]")
_INDUSTRIAL = re.compile(r"L?R[\s\d]")
_DOTTED = re.compile(r"([0-9A-F]{3})\.([0-9A-F]{10})")
_DECIMAL = re.compile(r"(?:L?A\d{0,7})?(\d{3})(\d{12})")
_HEXADECIMAL = re.compile(r"(?:0X)?([0-9A-F]{16})")


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
    text = tag.strip(_FRAMING).upper()
    if not text:
        raise RfidError("The RFID tag is empty.")
    if _INDUSTRIAL.match(text):
        raise RfidError(f"{text!r} is an industrial tag (LR), not the tag of an animal.")
    if match := _DOTTED.fullmatch(text):
        return _from_parts(int(match[1], 16), int(match[2], 16))
    compact = _SEPARATORS.sub("", text)
    # Before hexadecimal: "A" and fifteen digits are sixteen hexadecimal digits too, and readers send the former.
    if match := _DECIMAL.fullmatch(compact):
        return _from_parts(int(match[1]), int(match[2]))
    if match := _HEXADECIMAL.fullmatch(compact):
        return _from_code(int(match[1], 16))
    raise RfidError(
        f"{text[:64]!r} is not an RFID tag: give its 15 digits (country and number), its 16 hexadecimal digits, "
        "or the line a reader sent."
    )


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
    return f"{code:016X}"


def _from_parts(country, national):
    if not 1 <= country <= COUNTRY_MAX:
        raise RfidError(f"{country:03d} is not a country or manufacturer code of ISO 11784.")
    if national > NATIONAL_MAX:
        raise RfidError(f"{national:012d} is more than the largest number that ISO 11784 allows, {NATIONAL_MAX}.")
    return f"{ANIMAL_FLAG | country << COUNTRY_SHIFT | national:016X}"


def _is_animal_code(code):
    country, _national = _split(code)
    return bool(code & ANIMAL_FLAG) and not code & RESERVED_MASK and 1 <= country <= COUNTRY_MAX


def _split(code):
    return code >> COUNTRY_SHIFT & 0x3FF, code & NATIONAL_MAX
