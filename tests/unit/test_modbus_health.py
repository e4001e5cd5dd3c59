"""What is said of a meter: whether it can be read, since when, and why not."""

from datetime import timedelta
from types import SimpleNamespace

from modbus_testing import NOW, Clock
from smart_dairy_iot_milk.modbus.health import HealthBook


def book():
    return HealthBook(Clock(step=timedelta(seconds=10)))


METER, OTHER = SimpleNamespace(id=1), SimpleNamespace(id=2)


def test_of_a_meter_that_was_not_read_yet_nothing_is_said():
    health = book()
    health.of(METER)
    assert not health.changed
    assert health.states() == []


def test_an_outage_has_one_beginning_however_its_reason_changes():
    health = book()
    meter = health.of(METER)
    meter.answered()
    assert meter.failed("silent", "no answer"), "the first of an outage"
    began = meter.state().since
    assert not meter.failed("unreachable", "no connection")
    state = meter.state()
    assert (state.state, state.problem, state.since, state.failures) == ("unreachable", "no connection", began, 2)
    assert meter.answered(), "it has recovered"
    assert meter.state().since > began
    assert (meter.state().state, meter.state().problem, meter.state().failures) == ("polled", "", 0)


def test_a_slow_meter_can_be_read_all_the_same():
    meter = book().of(METER)
    meter.answered()
    since = meter.state().since
    meter.answered(is_slow=True)
    assert (meter.state().state, meter.state().since) == ("slow", since)
    assert "less often" in meter.state().problem


def test_what_is_to_be_mended_is_said_of_a_meter_that_is_polled():
    meter = book().of(METER)
    meter.answered(remark="no registers are known of point 2")
    assert (meter.state().state, meter.state().problem) == ("polled", "no registers are known of point 2")


def test_a_state_is_new_until_it_was_told():
    health = book()
    health.of(METER).answered()
    assert health.changed
    assert [state.meter_id for state in health.states()] == [1]
    health.of(METER).answered()
    assert not health.changed
    health.of(METER).cannot_be_polled("it has no Modbus profile with registers")
    assert health.changed
    assert health.states()[0].state == "misconfigured"


def test_the_time_of_answers_is_the_mean_of_the_last_ten():
    meter = book().of(METER)
    for seconds in [9.0] + [0.1] * 5 + [0.3] * 5:
        meter.time_answer(seconds)
    meter.answered()
    assert round(meter.state().response_ms) == 200


def test_a_meter_that_is_no_longer_polled_is_forgotten():
    health = book()
    health.of(METER).answered()
    health.of(OTHER).answered()
    health.forget_others({2})
    assert [state.meter_id for state in health.states()] == [2]
    assert health.states()[0].since > NOW
