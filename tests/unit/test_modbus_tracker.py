"""A milking begins and ends where the meter's registers say so, also where nobody looked at the right moment."""

from datetime import timedelta

from modbus_testing import NOW
from smart_dairy_iot_milk.modbus.tracker import Reading, SessionTracker

SECOND = timedelta(seconds=1)


def registers(milking=True, yield_liters=5.0, seconds=100, tag="8000F9DCBE991A14"):
    values = {"milking": milking, "yield_liters": yield_liters, "duration_seconds": seconds, "rfid_tag": tag}
    return {name: value for name, value in values.items() if value is not None}


def tracker(last=None):
    return SessionTracker("MM-1", 3, last)


def test_an_idle_meter_reports_nothing():
    assert tracker().observe(registers(milking=False), NOW) == []


def test_the_bit_opens_a_session_named_after_meter_point_and_start():
    (reading,) = tracker().observe(registers(), NOW)
    assert reading.milking
    assert reading.session_id == "MM-1-3-20260301T043000000Z"
    assert reading.timestamp == NOW


def test_readings_of_one_milking_share_its_session():
    meter = tracker()
    ids = {meter.observe(registers(seconds=i), NOW + i * SECOND)[0].session_id for i in range(5)}
    assert len(ids) == 1


def test_the_bit_closes_the_session_with_the_final_yield():
    meter = tracker()
    meter.observe(registers(yield_liters=11.8), NOW)
    (reading,) = meter.observe(registers(milking=False, yield_liters=12.1, seconds=101), NOW + SECOND)
    assert not reading.milking
    assert reading.values["yield_liters"] == 12.1
    assert not meter.is_milking


def test_registers_that_keep_their_values_after_the_end_open_no_other_session():
    meter = tracker()
    meter.observe(registers(), NOW)
    meter.observe(registers(milking=False), NOW + SECOND)
    assert [meter.observe(registers(milking=False), NOW + i * SECOND) for i in range(2, 60)] == [[]] * 58


def test_the_next_cow_has_a_session_of_her_own():
    meter = tracker()
    (first,) = meter.observe(registers(), NOW)
    meter.observe(registers(milking=False), NOW + SECOND)
    (second,) = meter.observe(registers(yield_liters=0, seconds=0, tag="8000F9DCBE991A15"), NOW + 9 * SECOND)
    assert second.session_id != first.session_id


def test_another_tag_ends_a_milking_whose_end_nobody_saw():
    meter = tracker()
    (first,) = meter.observe(registers(yield_liters=9.0), NOW)
    end, begin = meter.observe(registers(seconds=120, tag="8000F9DCBE991A15"), NOW + 20 * SECOND)
    assert (end.session_id, end.milking, end.values) == (first.session_id, False, first.values)
    assert NOW < end.timestamp < NOW + SECOND
    assert begin.milking
    assert begin.session_id != first.session_id


def test_a_clock_that_runs_backwards_ends_a_milking_whose_end_nobody_saw():
    meter = tracker()
    meter.observe(registers(seconds=300, tag=None), NOW)
    end, begin = meter.observe(registers(seconds=4, tag=None), NOW + 20 * SECOND)
    assert (end.milking, begin.milking) == (False, True)


def test_without_a_clock_a_yield_that_falls_ends_the_milking():
    meter = tracker()
    meter.observe(registers(seconds=None, yield_liters=9.0), NOW)
    assert len(meter.observe(registers(seconds=None, yield_liters=0.1), NOW + SECOND)) == 2


def test_registers_cleared_at_the_end_do_not_take_the_yield_with_them():
    meter = tracker()
    meter.observe(registers(yield_liters=12.1), NOW)
    (end,) = meter.observe(registers(milking=False, yield_liters=0.0, seconds=0, tag=None), NOW + SECOND)
    assert not end.milking
    assert end.values["yield_liters"] == 12.1


def test_a_tag_read_late_belongs_to_the_running_session():
    meter = tracker()
    (first,) = meter.observe(registers(tag=None), NOW)
    (second,) = meter.observe(registers(seconds=101), NOW + SECOND)
    assert second.session_id == first.session_id
    assert second.values["rfid_tag"] == "8000F9DCBE991A14"


def test_a_tag_that_is_lost_during_the_milking_stays_that_of_the_session():
    meter = tracker()
    meter.observe(registers(), NOW)
    (reading,) = meter.observe(registers(seconds=101, tag=None), NOW + SECOND)
    assert reading.values["rfid_tag"] == "8000F9DCBE991A14"


def running():
    values = {"yield_liters": 4.0, "duration_seconds": 90, "rfid_tag": "8000F9DCBE991A14"}
    return Reading("MM-1-3-20260301T042830000Z", NOW - 10 * SECOND, True, values)


def test_after_a_restart_the_running_session_goes_on():
    (reading,) = tracker(running()).observe(registers(seconds=100), NOW)
    assert reading.session_id == running().session_id


def test_an_end_during_a_restart_is_still_reported_with_the_final_yield():
    (reading,) = tracker(running()).observe(registers(milking=False, yield_liters=12.1, seconds=100), NOW)
    assert (reading.session_id, reading.milking) == (running().session_id, False)
    assert reading.values["yield_liters"] == 12.1


def test_another_cow_after_a_restart_is_another_session():
    end, begin = tracker(running()).observe(registers(tag="8000F9DCBE991A15"), NOW)
    assert (end.session_id, end.milking, end.values["yield_liters"]) == (running().session_id, False, 4.0)
    assert begin.session_id != running().session_id


def test_a_session_id_is_short_enough_however_long_the_device_id():
    (reading,) = SessionTracker("M" * 64, 32767).observe(registers(), NOW)
    assert len(reading.session_id) <= 64
