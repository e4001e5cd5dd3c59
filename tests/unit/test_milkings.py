"""Which milking a message belongs to: the table of `reactors/milkings.py`, line by line, and in any order."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smart_dairy_iot_milk.reactors.milkings import Milking, assign, keys_for

START = datetime(2026, 3, 1, 4, 30)


@dataclass(frozen=True)
class Message:
    """What `milkings` looks at in a message; `seconds` after START, `clock` seconds into the milking."""

    seconds: float
    yield_liters: float = 5.0
    clock: int = 0
    session_id: str = "s1"
    tag: str = ""
    milking: bool = True
    of: int = 0

    @property
    def timestamp(self):
        return START + timedelta(seconds=self.seconds)

    @property
    def has_clock(self):
        return self.clock > 0

    @property
    def started_at(self):
        return (self.timestamp - timedelta(seconds=self.clock)).replace(microsecond=0)


def milking(first=0, last=300, liters=5.0, wire_id="s1", tag="", ended=False, factor=1.0):
    """A milking known from START + `first` to START + `last` seconds."""
    begin, end = (START + timedelta(seconds=seconds) for seconds in (first, last))
    return Milking(wire_id or "key", wire_id, begin, end, liters, tag, ended, factor)


MINUTE, HOUR = 60, 3600

SAME_NAME = [
    ("same beginning, in the milking", milking(), Message(200, 3.0, clock=200), True),
    ("same beginning, before the only message", milking(0, 300), Message(10, 0.2, clock=10), True),
    ("same beginning, a clock that wanders", milking(), Message(310, 6.0, clock=305), True),
    ("same beginning, long after the last message", milking(), Message(2 * HOUR, 6.0, clock=2 * HOUR), True),
    ("same beginning, after a display that was cleared", milking(), Message(301, 0.0, clock=301, milking=False), True),
    ("the end told again", milking(ended=True), Message(400, 5.0, clock=400, milking=False), True),
    ("began after the last message", milking(), Message(400, 6.0, clock=60), False),
    ("began as this one ended", milking(ended=True), Message(320, 0.3, clock=20), False),
    ("began as this one's last message came", milking(), Message(320, 0.3, clock=20), False),
    ("ended before this one began", milking(600, 900), Message(500, 9.0, clock=300), False),
    ("ended as this one began", milking(300, 600), Message(300, 9.0, clock=300, milking=False), False),
    ("a clock that stood still for a while", milking(0, 300), Message(320, 5.5, clock=100), True),
    ("a second after the end, at once anew", milking(0, 4, ended=True), Message(6, 0.0, clock=1), False),
    ("an hour and more later", milking(), Message(HOUR + 301, 6.0), False),
    ("an hour later", milking(), Message(HOUR + 300, 6.0), True),
    ("an hour and more before", milking(HOUR + 1, HOUR + 60), Message(0, 1.0), False),
    ("no clock, running after the end", milking(ended=True), Message(330, 5.5), False),
    ("no clock, told again after the end", milking(ended=True), Message(330, 5.0, milking=False), True),
    ("no clock, yield ran back", milking(), Message(330, 0.5), False),
    ("no clock, still filling", milking(), Message(330, 5.5), True),
    ("no clock, still filling by its factor", milking(liters=5.0, factor=1.02), Message(330, 4.91), True),
    ("no clock, yield ran back by its factor", milking(liters=5.0, factor=0.98), Message(330, 5.05), False),
    ("no clock, before, with less by its factor", milking(100, 300, factor=0.98), Message(50, 5.1), True),
    ("no clock, before, with more by its factor", milking(100, 300, factor=1.02), Message(50, 4.95), False),
    ("no clock, a display that was cleared at the end", milking(), Message(330, 0.0, milking=False), True),
    ("no clock, before, with less", milking(100, 300), Message(50, 1.0), True),
    ("no clock, before, with more", milking(100, 300), Message(50, 9.0), False),
    ("no clock, the end of one before", milking(100, 300), Message(50, 1.0, milking=False), False),
    ("no clock, within", milking(ended=True), Message(200, 1.0), True),
    (
        "another tag is the same milking's: who it is, is decided elsewhere",
        milking(tag="A"),
        Message(200, 3.0, clock=200, tag="B"),
        True,
    ),
]

OTHER_NAME = [
    ("same beginning", milking(wire_id="s0"), Message(310, 5.5, clock=310), True),
    ("same beginning, after this one's end", milking(wire_id="s0", ended=True), Message(310, 5.5, clock=310), True),
    (
        "three seconds after a milking of a second",
        milking(0, 1, wire_id="s0", ended=True),
        Message(3, 0.0, clock=1),
        False,
    ),
    ("same beginning, another cow", milking(wire_id="s0", tag="A"), Message(310, 5.5, clock=310, tag="B"), False),
    ("within", milking(wire_id="s0"), Message(200, 1.0), True),
    ("within, another cow", milking(wire_id="s0", tag="A"), Message(200, 1.0, tag="B"), False),
    ("within, the cow not read", milking(wire_id="s0", tag="A"), Message(200, 1.0), True),
    ("next cow without a gap", milking(wire_id="s0"), Message(302, 0.1, clock=2), False),
    ("next cow without a gap, no clock", milking(wire_id="s0"), Message(301, 0.1), False),
    ("next cow, a quick one", milking(0, 8, wire_id="s0"), Message(10, 0.2, clock=1), False),
    ("a second reader of the same register", milking(wire_id="s0"), Message(300.4, 5.0), True),
    ("just after the end", milking(wire_id="s0", ended=True), Message(301, 5.5), False),
    ("goes on after a pause, same cow", milking(wire_id="s0", tag="A"), Message(300 + 19 * MINUTE, 6.0, tag="A"), True),
    ("goes on after too long a pause", milking(wire_id="s0", tag="A"), Message(300 + 21 * MINUTE, 6.0, tag="A"), False),
    ("same cow from nothing", milking(wire_id="s0", tag="A"), Message(400, 0.5, tag="A"), False),
    ("same cow, ended by the meter", milking(wire_id="s0", tag="A", ended=True), Message(400, 6.0, tag="A"), False),
    ("some cow after a pause", milking(wire_id="s0"), Message(400, 6.0), False),
    ("of one that the meter does not name", milking(wire_id=""), Message(200, 1.0), True),
]

NO_NAME = [
    ("still filling", milking(wire_id=""), Message(330, 6.0, session_id=""), True),
    ("yield ran back", milking(wire_id=""), Message(330, 1.0, session_id=""), False),
    ("after the end", milking(wire_id="", ended=True), Message(330, 6.0, session_id=""), False),
    ("within an ended one", milking(wire_id="", ended=True), Message(200, 1.0, session_id=""), True),
    ("five minutes later", milking(wire_id=""), Message(600, 6.0, session_id=""), True),
    ("more than five minutes later", milking(wire_id=""), Message(601, 6.0, session_id=""), False),
    ("another cow", milking(wire_id="", tag="A"), Message(310, 6.0, session_id="", tag="B"), False),
    ("rounded when it was stored", milking(wire_id="", liters=4.124), Message(310, 4.1236, session_id=""), True),
]


@pytest.mark.parametrize(
    ("known", "message", "takes"),
    [
        pytest.param(*case, id=f"{kind}: {name}")
        for kind, cases in (("same name", SAME_NAME), ("other name", OTHER_NAME), ("no name", NO_NAME))
        for name, *case in cases
    ],
)
def test_the_truth_table(known, message, takes):
    assert known.takes(message) is takes


def test_of_two_uses_of_a_name_the_nearer_is_asked_first():
    morning, noon = milking(0, 300), milking(50 * MINUTE, 50 * MINUTE + 300)
    assert list(assign([Message(55 * MINUTE + 30, 5.5)], [morning, noon])) == [noon]


def test_the_milking_of_that_name_is_asked_before_one_that_is_nearer():
    named, near = milking(0, 300, tag="A"), milking(310, 320, wire_id="s0", tag="A")
    assert list(assign([Message(315, 6.0, tag="A")], [near, named])) == [named]


def test_messages_of_one_batch_open_as_many_milkings_as_there_were():
    batch = [
        Message(seconds, seconds % 300 / 30, clock=seconds % 300, of=seconds // 300) for seconds in range(5, 900, 10)
    ]
    groups = assign(reversed(batch), [])
    assert [{message.of for message in messages} for messages in groups.values()] == [{0}, {1}, {2}]


def test_a_yield_that_is_added_to_a_milking_is_corrected_by_its_factor():
    known = milking(liters=5.0, factor=0.5)
    assign([Message(310, 12.0)], [known])
    assert known.yield_liters == 6.0


def test_a_key_is_the_meters_name_and_only_if_that_is_taken_more():
    used_again = milking(0, 300)
    assert keys_for(used_again, "M-0", 3)[:3] == ["s1", "s1~20260301T043000", "s1~20260301T043000~3"]


def test_a_milking_without_a_name_is_called_by_its_beginning():
    assert keys_for(milking(wire_id=""), "M-0", 0)[0] == "M-0-20260301T043000000Z"


def test_no_key_is_longer_than_a_session_id_may_be():
    assert {len(key) for key in keys_for(milking(wire_id="x" * 64), "M-0", 3)} == {64}


# ---------------------------------------------------------------- in any order


@st.composite
def three_milkings(draw):
    """The messages of three milkings at one point, by a clock and a yield that rise, in any order and repeated."""
    names = draw(st.sampled_from([("a", "b", "c"), ("1", "1", "1"), ("1", "2", "1")]))
    tags = draw(st.sampled_from([("", "", ""), ("A", "B", "C"), ("A", "", "A")]))
    messages, begin = [], 0
    for number in range(3):
        length = draw(st.integers(60, 600))
        moments = draw(st.lists(st.integers(1, length - 1), min_size=1, max_size=6, unique=True))
        rate = draw(st.floats(0.01, 0.1))
        messages += [
            Message(
                begin + moment, moment * rate, moment, names[number], tags[number], milking=moment < length, of=number
            )
            for moment in [*moments, length]
        ]
        begin += length + draw(st.integers(0, 1200))
    again = draw(st.lists(st.sampled_from(messages), max_size=6))
    return draw(st.permutations(messages + again))


@settings(max_examples=300, deadline=None)
@given(messages=three_milkings(), data=st.data())
def test_any_order_and_repetition_makes_the_same_three_milkings(messages, data):
    known, owners = [], {}
    while messages:
        size = data.draw(st.integers(1, len(messages)))
        batch, messages = messages[:size], messages[size:]
        for of, readings in assign(batch, known).items():
            owners.setdefault(id(of), set()).update(reading.of for reading in readings)
    assert sorted(map(sorted, owners.values())) == [[0], [1], [2]]
