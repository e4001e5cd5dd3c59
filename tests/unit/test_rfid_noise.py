"""A hundred thousand reads with noise name the right cow, or none.

The noise is what serial readers do to a line: a character lost or doubled, the frame cut off at any place at its front
or end, sent again, glued to its repetition, glued to another cow's, and two readers writing into one line at once. One
line has one fault; there is no check digit that could tell two faults that undo each other.

Readable is a read that still holds a whole frame of the cow. Of those at least 99.9 % are to be read; and of all reads,
readable or not, none may name another cow. Bits flipped or torn between two cows make a code that is as good as any:
only the other reads of the same milking tell, and they are tried apart.
"""

import random
from collections import Counter

import pytest

from smart_dairy_farm.tools.rfid import COUNTRIES, RfidError, normalize
from smart_dairy_farm.tools.rfid_reads import frames, may_be_of, tags_in, vote

READS = 100_000
COWS = 500
NOISY = 0.3
# As herds are: the country's own numbers in long runs, and bought cows with those of manufacturers.
ISSUERS = [(528, 418_230_000), (276, 954_310_000), (840, 3_123_450_000), (982, 1_088_400), (964, 123_400), (56, 71_800)]

FORMS = {
    "line": lambda country, number: f"LA {country:03d} {number:012d}",
    "line with counter": lambda country, number: f"LA 00000 0 {country:03d} {number:012d}",
    "line of a tag issued again": lambda country, number: f"LA 10000 0 {country:03d} {number:012d}",
    "compact line": lambda country, number: f"A0000000{country:03d}{number:012d}",
    "line with A and counter": lambda country, number: f"A 00000 0 {country:03d} {number:012d}",
    "short line": lambda country, number: f"A{country:03d}{number:012d}",
    "number with blank": lambda country, number: f"{country:03d} {number:012d}",
    "number": lambda country, number: f"{country:03d}{number:012d}",
    "dotted": lambda country, number: f"{country:03X}.{number:010X}",
    "code": lambda country, number: f"{code_of(country, number):016X}",
    "code, lowest bit first": lambda country, number: f"{reverse(code_of(country, number)):016X}",
}


def code_of(country, number):
    return 1 << 63 | country << 38 | number


def reverse(code):
    return int(f"{code:064b}"[::-1], 2)


def herd(random):
    cows = []
    for number in range(COWS):
        country, base = ISSUERS[min(number % 12, len(ISSUERS) - 1) if number % 12 < len(ISSUERS) else 0]
        cows.append((country, base + random.randrange(3000)))
    return sorted(set(cows))


# Each fault: (a frame of the cow, another of hers, one of the cow beside her, random) -> (text, still readable).


def lost_character(frame, _again, _other, random):
    at = random.randrange(len(frame))
    # Where it was a blank or a letter of the prefix the number is whole, but the form decides whether it is read.
    return frame[:at] + frame[at + 1 :], False


def doubled_character(frame, _again, _other, random):
    at = random.randrange(len(frame))
    return frame[: at + 1] + frame[at:], False


def cut_at_the_end(frame, _again, _other, random):
    return frame[: random.randrange(len(frame))], False


def cut_at_the_front(frame, _again, _other, random):
    return frame[random.randrange(1, len(frame)) :], False


def doubled_frame(frame, again, _other, random):
    return f"\x02{frame}\x03\r\n\x02{again}\x03\r\n", True


def glued_repetition(frame, _again, _other, random):
    return frame + frame, True


def cut_then_whole(frame, again, _other, random):
    return frame[: random.randrange(len(frame))] + "\r\n" + again, True


def whole_then_cut(frame, again, _other, random):
    return f"{frame}\r\n{again[: random.randrange(len(again))]}", True


def two_readers_in_turn(frame, _again, other, random):
    return f"{frame}\r\n{other}\r\n", True


def two_readers_at_once(frame, _again, other, random):
    at = random.randrange(1, len(frame))
    return f"{frame[:at]}{other}\r\n{frame[at:]}\r\n", False


FAULTS = [
    lost_character,
    doubled_character,
    cut_at_the_end,
    cut_at_the_front,
    doubled_frame,
    glued_repetition,
    cut_then_whole,
    whole_then_cut,
    two_readers_in_turn,
    two_readers_at_once,
]
HAS_TWO_COWS = {two_readers_in_turn, two_readers_at_once}


def test_of_a_hundred_thousand_noisy_reads_none_names_another_cow_and_what_is_readable_is_read():
    numbers = random.Random(11784)
    cows = herd(numbers)
    wearers = {f"{code_of(*cow):016X}": cow for cow in cows}
    forms = list(FORMS.values())
    results, wrong = Counter(), []
    for _read in range(READS):
        cow, beside = numbers.sample(cows, 2)
        frame, again = numbers.choice(forms)(*cow), numbers.choice(forms)(*cow)
        fault, text, readable = None, f"\x02{frame}\r\n", True
        if numbers.random() < NOISY:
            fault = numbers.choice(FAULTS)
            text, readable = fault(frame, again, numbers.choice(forms)(*beside), numbers)
        there = {cow, beside} if fault in HAS_TWO_COWS else {cow}
        tags, _partial = tags_in(text)
        named = {wearers[tag] for tag in tags if tag in wearers}
        if named - there:
            wrong.append((fault.__name__, text))
        elif any(tag not in wearers for tag in tags):
            results["a tag that nobody wears"] += 1
        else:
            right = cow in named
            results["readable" if readable else "unreadable", "right" if right else "nothing"] += 1
    read = results["readable", "right"] / (results["readable", "right"] + results["readable", "nothing"])
    print(f"\n{READS} reads: {read:.4%} of the readable ones read; {dict(results)}; wrong: {len(wrong)}")
    assert not wrong, wrong[:5]
    assert read >= 0.999
    assert results["a tag that nobody wears"] <= READS / 10_000


def test_of_ten_thousand_milkings_of_ten_noisy_reads_each_names_the_right_cow_or_none():
    """The hundred thousand reads again, as milkings are told by them: what one read lost, its nine neighbours have."""
    numbers = random.Random(11786)
    cows = herd(numbers)
    forms = list(FORMS.values())
    results = Counter()
    for _milking in range(READS // 10):
        cow, beside = numbers.sample(cows, 2)
        reads, fragments = Counter(), []
        for _read in range(10):
            frame, again = numbers.choice(forms)(*cow), numbers.choice(forms)(*cow)
            text = f"\x02{frame}\r\n"
            if numbers.random() < NOISY:
                text, _readable = numbers.choice(FAULTS)(frame, again, numbers.choice(forms)(*beside), numbers)
            tags, partial = tags_in(text)
            reads.update(tags)
            fragments += partial
        named = vote(reads, fragments).tag
        results["right" if named == f"{code_of(*cow):016X}" else "wrong" if named else "none"] += 1
    print(f"\n{READS // 10} milkings: {dict(results)}")
    assert not results["wrong"]
    assert results["right"] >= 0.999 * READS / 10


@pytest.mark.parametrize("form", FORMS)
def test_a_frame_cut_at_any_place_is_the_same_tag_or_none(form):
    for country, number in [(528, 418_230_017), (982, 1_088_420), (999, 123_456_789_012), (100, 98_200_000_000)]:
        frame = FORMS[form](country, number)
        whole = f"{code_of(country, number):016X}"
        for at in range(len(frame)):
            for part in (frame[:at], frame[at + 1 :]):
                assert tags_in(part)[0] in ((), (whole,)), part


@pytest.mark.parametrize("form", FORMS)
def test_a_line_that_lost_or_doubled_a_digit_is_not_another_tag(form):
    for country, number in [(528, 418_230_017), (982, 1_088_420), (964, 123_456), (250, 110_022_003_300)]:
        frame = FORMS[form](country, number)
        whole = f"{code_of(country, number):016X}"
        for at in range(len(frame)):
            for noisy in (frame[:at] + frame[at + 1 :], frame[: at + 1] + frame[at:]):
                assert tags_in(noisy)[0] in ((), (whole,)), noisy


def test_the_digit_that_a_compact_line_lost_does_not_make_the_next_one_its_country():
    # 096 is Brunei's.
    with pytest.raises(RfidError, match="is not an RFID tag"):
        normalize("A000000096400000012345")
    # Five digits, a blank, one digit: cut off, they would be country 100 with a number that begins with zeros.
    with pytest.raises(RfidError, match="is not an RFID tag"):
        normalize("10000 0 982 000000")


def test_a_country_is_one_of_iso_3166_or_a_manufacturer():
    assert len(COUNTRIES) == 249
    for code in ("528", "900", "999"):
        assert normalize(f"{code}000000000017")
    for code in ("000", "001", "527", "899"):
        with pytest.raises(RfidError, match="country"):
            normalize(f"{code}000000000017")


def test_a_number_with_a_digit_too_many_is_no_hexadecimal_code():
    with pytest.raises(RfidError, match="too many"):
        normalize("9820000010884200")
    # Nor is it one in a register, or what was read there would be no tag, or another, once it is written down.
    for code in (0x0102030405060708, 0xA123456789012345):
        with pytest.raises(RfidError, match="too many"):
            normalize(code)
    # Codes of which no digit is a letter, in either order of their bits.
    assert normalize("8000840012345678") == "8000840012345678"
    assert normalize(f"{reverse(0x8000840012345678):016X}") == "8000840012345678"


def test_printed_groups_of_digits_are_a_number():
    for form in ("982 0000 0108 8420", "982-000001-088420", "982 000 001 088 420", "982  000001088420"):
        assert normalize(form) == "8000F58000109BA4"
    with pytest.raises(RfidError, match="is not an RFID tag"):
        normalize("98 2000 0010 8842 0")


def test_one_read_is_taken_apart_into_its_frames():
    line = "LA 982 000001088420"
    assert frames(f"\x02{line}\x03\r\n\x02{line}\x03\r\n") == [line]
    assert frames(line + line) == [line]
    assert frames("982000001088420982000001088420") == ["982000001088420"]
    assert frames("LA 982 000001088420LA 964 000000123456") == [line, "LA 964 000000123456"]
    assert frames("LA 982 0000LA 982 000001088420") == ["LA 982 0000", line]
    assert frames("\x02\r\n\x00") == []


def test_two_tags_in_one_read_are_both_reported_and_the_rest_is_kept():
    tags, partial = tags_in("\x02LA 982 000001088420\r\n\x02LA 964 000000123456\r\n\x02LA 982 00")
    assert tags == ("8000F58000109BA4", "8000F1000001E240")
    assert partial == ("LA 982 00",)


def test_different_numbers_glued_together_are_not_cut_by_guess():
    assert tags_in("982000001088420964000000123456")[0] == ()


A, B, C = "8000F58000109BA4", "8000F1000001E240", "8000F9DCBE991A14"


@pytest.mark.parametrize(
    ("reads", "partial", "tag"),
    [
        ({}, (), ""),
        ({A: 1}, (), A),
        ({A: 2}, (), A),
        ({A: 2, B: 1}, (), A),
        ({A: 1, B: 1}, (), ""),
        ({A: 2, B: 2}, (), ""),
        ({A: 3, B: 2}, (), ""),
        ({A: 4, B: 2}, (), A),
        ({A: 4, B: 1, C: 1}, (), A),
        ({A: 3, B: 1, C: 1}, (), ""),
        # A fragment of the same tag, of another one, and what is no fragment, beside a single read.
        ({A: 1}, ("LA 982 00000108842",), A),
        ({A: 1}, ("LA 964 00000012",), ""),
        ({A: 1}, ("NO READ", "0000000"), A),
        ({A: 2}, ("LA 964 00000012",), A),
    ],
)
def test_a_tag_is_certain_by_two_reads_and_two_thirds_or_as_the_only_evidence(reads, partial, tag):
    assert vote(reads, partial).tag == tag


def test_a_vote_tells_what_else_was_read():
    result = vote({A: 4, B: 1, C: 1})
    assert (result.share, result.reads, result.others) == (pytest.approx(2 / 3), 4, (B, C))
    assert vote({A: 2, B: 2}).others == (B, A)


def test_a_fragment_may_be_of_a_tag_where_characters_are_only_missing_or_doubled():
    for fragment in ("982 00000108842", "2 000001088420", "9820000011088420", "3D6.000109BA4", "109BA4"):
        assert may_be_of(fragment, A), fragment
    for fragment in ("LA 964 000000123456 7", "982 000009", "3E7.1CBE99"):
        assert not may_be_of(fragment, A), fragment


def test_flipped_bits_and_torn_registers_name_no_wrong_cow_in_ten_thousand_milkings():
    """A meter's 64-bit register is read in four words: torn, it has words of the cow before and of this one."""
    numbers = random.Random(11785)
    cows = herd(numbers)
    codes = [code_of(*cow) for cow in cows]
    results = Counter()
    for _milking in range(10_000):
        before, cow = numbers.sample(codes, 2)
        reads = Counter()
        for number in range(numbers.randint(3, 12)):
            code = cow
            chance = numbers.random()
            if number == 0 and chance < 0.2:
                code = before
            elif chance < 0.05:
                shift = 16 * numbers.randint(1, 3)
                code = before >> shift << shift | cow & ((1 << shift) - 1)
            elif chance < 0.1:
                code = cow ^ 1 << numbers.randrange(64)
            try:
                reads[normalize(code)] += 1
            except RfidError:
                continue
        named = vote(reads).tag
        results["right" if named == f"{cow:016X}" else "none" if not named else "wrong"] += 1
    print(f"\n10000 milkings: {dict(results)}")
    assert not results["wrong"]
    assert results["right"] >= 9_500
