"""How much Mosquitto is asked to do at a time."""

from smart_dairy_iot.provisioning.mosquitto import MESSAGE_S, MOST_IN_ONE_MESSAGE, Pace


def test_the_first_message_has_one_change_since_nobody_knows_how_long_it_takes():
    assert Pace().changes == 1


def test_a_fast_broker_gets_more_at_a_time_up_to_a_limit():
    pace = Pace()
    pace.took(MESSAGE_S / 8)
    assert pace.changes == 8
    pace.took(0)
    assert pace.changes == MOST_IN_ONE_MESSAGE


def test_a_slow_broker_gets_less_but_never_nothing():
    pace = Pace()
    pace.took(MESSAGE_S / 10)
    pace.took(MESSAGE_S * 2)
    assert pace.changes == 5
    pace.took(MESSAGE_S * 100)
    assert pace.changes == 1


def test_the_broker_is_left_alone_for_as_long_as_it_was_busy():
    pace = Pace()
    pace.took(0.03)
    assert pace.pause == 0.03
