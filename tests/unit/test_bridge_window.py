"""What waits for its acknowledgement: nothing is given up, nothing waits twice, no packet id stands for another."""

from datetime import datetime

import pytest

from smart_dairy_iot.bridge.messages import Message
from smart_dairy_iot.bridge.window import Window

NOW = datetime(2026, 1, 1)


@pytest.fixture
def window():
    window = Window()
    window.turn_over()
    return window


def message(mid, payload=b"{}", topic="t"):
    return Message(topic, payload, NOW, mid=mid, qos=1)


def settled(window, *messages):
    """The packet ids that are acknowledged for these."""
    packet_ids = []
    window.settle(messages, packet_ids.extend)
    return packet_ids


def reconnect(window):
    window.turn_over()
    window.turn_over()


def test_what_is_settled_waits_no_more(window):
    first, second = message(1, b"1"), message(2, b"2")
    assert window.admit(first)
    assert window.admit(second)
    assert settled(window, first) == [1]
    assert len(window) == 1


def test_reconnections_during_an_outage_do_not_add_up(window):
    waiting = [message(number, b"%d" % number) for number in range(1, 1001)]
    assert all(map(window.admit, waiting))
    for _time in range(10):
        reconnect(window)
        assert not any(window.admit(message(number, b"%d" % number)) for number in range(1, 1001))
    assert len(window) == 1000
    assert settled(window, *waiting) == list(range(1, 1001))
    assert len(window) == 0


def test_identical_messages_do_not_add_up_either(window):
    waiting = [message(number) for number in (1, 2, 3)]
    assert all(map(window.admit, waiting))
    reconnect(window)
    assert [window.admit(message(number)) for number in (4, 5, 6)] == [False] * 3
    assert settled(window, *waiting) == [4, 5, 6]


def test_what_the_broker_has_forgotten_waits_on(window):
    kept, forgotten = message(1, b"kept"), message(2, b"forgotten")
    window.admit(kept)
    window.admit(forgotten)
    reconnect(window)
    assert not window.admit(message(1, b"kept"))
    assert settled(window, kept, forgotten) == [1]
    assert len(window) == 0


def test_a_packet_id_that_was_given_out_again_is_not_acknowledged_for_what_had_it_before(window):
    earlier, later = message(1, b"earlier"), message(1, b"later")
    window.admit(earlier)
    reconnect(window)
    assert window.admit(later)
    assert settled(window, earlier) == []
    assert settled(window, later) == [1]


def test_what_was_settled_while_there_was_no_connection_is_delivered_again_and_new(window):
    before, again = message(1), message(1)
    window.admit(before)
    reconnect(window)
    assert settled(window, before) == []
    assert window.admit(again)
    assert settled(window, again) == [1]


def test_what_a_broker_repeats_over_the_same_connection_waits_once(window):
    first = message(1)
    assert window.admit(first)
    assert not window.admit(message(1))
    assert settled(window, first) == [1]


def test_the_same_payload_on_another_topic_is_another_message(window):
    window.admit(message(1, topic="a"))
    reconnect(window)
    assert window.admit(message(1, topic="b"))
