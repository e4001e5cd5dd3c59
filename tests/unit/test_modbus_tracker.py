"""A milking begins and ends where the meter's registers say so, also where nobody looked at the right moment."""

from dataclasses import replace
from datetime import timedelta

import pytest

from modbus_testing import NOW
from smart_dairy_iot_milk.modbus.tracker import Past, Reading, SessionTracker

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
TAG, OTHER, THIRD = "8000F9DCBE991A14", "8000F9DCBE991A15", "8000F9DCBE991A16"
SESSION = "MM-1-3-20260301T042830000Z"


def registers(milking=True, yield_liters=5.0, seconds=100, tag=TAG, **others):
    values = {"milking": milking, "yield_liters": yield_liters, "duration_seconds": seconds, "rfid_tag": tag, **others}
    return {name: value for name, value in values.items() if value is not None}


def tracker(last=None, ended=None, **options):
    return SessionTracker("MM-1", 3, Past(last, ended), **options)


def reading(yield_liters, seconds, tag=TAG, milking=True, at=NOW, session_id=SESSION):
    values = registers(yield_liters=yield_liters, seconds=seconds, tag=tag)
    del values["milking"]
    return Reading(session_id, at, milking, values)


def watch(meter, *looks):
    """Show the tracker registers, one look after the other: (seconds after NOW, registers); returns all reports."""
    return [report for after, shown in looks for report in meter.observe(shown, NOW + after * SECOND)]


def milkings(reports):
    """The reports of each session, in the order of their beginning."""
    sessions = {}
    for report in reports:
        sessions.setdefault(report.session_id, []).append(report)
    return list(sessions.values())


def tags(reports):
    return [report.values.get("rfid_tag") for report in reports]


# -- the bit -----------------------------------------------------------------------------------------------


def test_an_idle_meter_reports_nothing():
    assert tracker().observe(registers(milking=False), NOW) == []


def test_the_bit_opens_a_session_named_after_meter_point_and_start():
    (begin,) = tracker().observe(registers(), NOW)
    assert begin.milking and begin.first
    assert begin.session_id == "MM-1-3-20260301T043000000Z"
    assert begin.timestamp == NOW


def test_readings_of_one_milking_share_its_session_and_one_of_them_is_the_first():
    reports = watch(tracker(), *((i, registers(seconds=100 + i)) for i in range(5)))
    assert len(milkings(reports)) == 1
    assert [report.first for report in reports] == [True] + [False] * 4


def test_the_bit_closes_the_session_with_the_final_yield():
    meter = tracker()
    _begin, end = watch(
        meter, (0, registers(yield_liters=11.8)), (1, registers(milking=False, yield_liters=12.1, seconds=101))
    )
    assert not end.milking
    assert end.values["yield_liters"] == 12.1
    assert not meter.is_milking


def test_registers_that_keep_their_values_after_the_end_open_no_other_session():
    meter = tracker()
    watch(meter, (0, registers()), (1, registers(milking=False)))
    assert watch(meter, *((i, registers(milking=False)) for i in range(2, 60))) == []


def test_the_next_cow_has_a_session_of_her_own():
    reports = watch(
        tracker(),
        (0, registers()),
        (1, registers(milking=False)),
        (9, registers(yield_liters=0, seconds=0, tag=OTHER)),
    )
    assert [len(reports) for reports in milkings(reports)] == [2, 1]


def test_registers_cleared_at_the_end_do_not_take_the_yield_with_them():
    reports = watch(
        tracker(),
        (0, registers(yield_liters=12.1)),
        (1, registers(milking=False, yield_liters=0.0, seconds=0, tag=None)),
        (2, registers(yield_liters=0.0, seconds=0, tag=None)),
    )
    first, second = milkings(reports)
    assert (first[-1].milking, first[-1].values["yield_liters"], len(second)) == (False, 12.1, 1)


def test_a_session_id_is_short_enough_however_long_the_device_id():
    (begin,) = SessionTracker("M" * 64, 32767).observe(registers(), NOW)
    assert len(begin.session_id) <= 64


# -- the next cow, whose beginning nobody saw --------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "elapsed"),
    [
        pytest.param(registers(seconds=300), registers(seconds=4, tag=None), 20, id="the clock runs back"),
        pytest.param(registers(yield_liters=9.0), registers(yield_liters=0.2, seconds=120), 20, id="the yield does"),
        pytest.param(
            registers(yield_liters=9.0), registers(yield_liters=7.0, seconds=120, tag=OTHER), 20, id="and another tag"
        ),
        pytest.param(registers(seconds=None, yield_liters=9.0), registers(seconds=None), 1, id="no clock, less milk"),
        pytest.param(
            registers(seconds=3, yield_liters=0.1),
            registers(seconds=20, yield_liters=1.5, tag=OTHER),
            60,
            id="another tag, and a clock younger than the last reading",
        ),
        pytest.param(
            registers(seconds=3, yield_liters=0.1), registers(seconds=20, yield_liters=1.5, tag=None), 600, id="a pause"
        ),
        pytest.param(
            registers(session_number=7), registers(session_number=8, seconds=101), 1, id="the meter counts milkings"
        ),
    ],
)
def test_another_milking_ends_the_one_whose_end_nobody_saw(before, after, elapsed):
    (first,), (end, begin) = (watch(meter, look) for meter in [tracker()] for look in [(0, before), (elapsed, after)])
    assert (end.session_id, end.milking) == (first.session_id, False)
    assert end.values["yield_liters"] == before["yield_liters"]
    assert NOW < end.timestamp < NOW + SECOND, "at its last reading"
    assert begin.milking and begin.first
    assert begin.session_id != first.session_id


@pytest.mark.parametrize(
    ("before", "after", "elapsed"),
    [
        pytest.param(registers(), registers(seconds=101, tag=OTHER), 1, id="another tag"),
        pytest.param(registers(), registers(seconds=128, tag=OTHER), 20, id="another tag, the clock about right"),
        pytest.param(registers(), registers(seconds=99), 1, id="a clock of whole seconds"),
        pytest.param(registers(), registers(seconds=101, yield_liters=4.95), 1, id="a pulse less"),
        pytest.param(registers(yield_liters=9.0), registers(yield_liters=8.5, seconds=101), 1, id="a new calibration"),
        pytest.param(registers(seconds=None), registers(seconds=None, tag=OTHER), 1, id="another tag, no clock"),
        pytest.param(registers(), registers(seconds=None), 1, id="a clock that is lost"),
        pytest.param(registers(), registers(seconds=100, yield_liters=6), 600, id="a clock that stands still"),
    ],
)
def test_the_same_milking_goes_on(before, after, elapsed):
    assert len(milkings(watch(tracker(), (0, before), (elapsed, after)))) == 1


def test_without_a_clock_another_tag_twice_running_with_less_milk_is_another_cow():
    def shown(liters, tag):
        return registers(seconds=None, yield_liters=liters, tag=tag)

    meter = tracker()
    reports = watch(meter, (0, shown(0.07, TAG)), (1, shown(0.0, OTHER)), (2, shown(0.0, OTHER)))
    assert len(milkings(reports)) == 2
    reports = watch(tracker(), (0, shown(0.07, TAG)), (1, shown(0.0, OTHER)), (2, shown(0.0, TAG)))
    assert len(milkings(reports)) == 1, "once is a misread"


def test_a_reading_that_fails_in_between_decides_nothing():
    reports = watch(tracker(), (0, registers()), (25, registers(seconds=125, yield_liters=5.8)))
    assert len(milkings(reports)) == 1


# -- tags --------------------------------------------------------------------------------------------------


def test_a_tag_is_reported_once_it_was_read_twice_running():
    reports = watch(tracker(), *((i, registers(seconds=100 + i)) for i in range(3)))
    assert tags(reports) == [None, TAG, TAG]


def test_a_tag_read_late_belongs_to_the_running_session():
    looks = [(i, registers(seconds=100 + i, tag=tag)) for i, tag in enumerate([None, None, TAG, TAG])]
    reports = watch(tracker(), *looks)
    assert len(milkings(reports)) == 1
    assert tags(reports) == [None, None, None, TAG]


def test_a_tag_is_reported_as_often_as_it_is_read():
    read = [TAG, TAG, None, TAG]
    looks = [(i, registers(seconds=100 + i, tag=tag)) for i, tag in enumerate(read)]
    reports = watch(tracker(), *looks, (4, registers(milking=False, seconds=104, tag=None)))
    assert tags(reports) == [None, TAG, None, TAG, None]


def test_an_end_that_nobody_saw_is_no_further_reading_of_the_tag():
    looks = [(i, registers(seconds=100 + i)) for i in range(2)]
    reports = watch(tracker(), *looks, (30, registers(seconds=2, yield_liters=0, tag=OTHER)))
    assert tags(milkings(reports)[0]) == [None, TAG, None]


def test_a_code_that_was_torn_while_it_changed_is_nobodys_tag():
    looks = [(i, registers(seconds=100 + i, tag=tag)) for i, tag in enumerate([OTHER, TAG, TAG, THIRD, TAG])]
    reports = watch(tracker(), *looks, (5, registers(milking=False, seconds=105, tag=OTHER)))
    assert tags(reports) == [None, None, TAG, None, TAG, None]


def test_of_two_tags_that_were_read_well_both_are_reported():
    looks = [(i, registers(seconds=100 + i, tag=tag)) for i, tag in enumerate([OTHER, OTHER, TAG, TAG])]
    reports = watch(tracker(), *looks, (4, registers(milking=False, seconds=104, tag=None)))
    assert len(milkings(reports)) == 1
    assert tags(reports) == [None, OTHER, None, TAG, None]


def test_a_milking_of_a_single_reading_reports_the_tag_it_has():
    reports = watch(tracker(), (0, registers(seconds=300)), (20, registers(seconds=2, yield_liters=0, tag=OTHER)))
    assert tags(milkings(reports)[0]) == [None, TAG]


def test_a_long_milking_does_not_report_a_tag_that_was_read_once():
    looks = [(i, registers(seconds=100 + i, tag=OTHER if i == 3 else None)) for i in range(9)]
    reports = watch(tracker(), *looks, (9, registers(milking=False, seconds=109, tag=None)))
    assert set(tags(reports)) == {None}


# -- stale registers ---------------------------------------------------------------------------------------

ENDED = reading(12.1, 300, milking=False, at=NOW - 60 * MINUTE)


def test_a_meter_that_shows_its_last_milking_again_with_the_bit_set_opens_nothing():
    meter = tracker(ended=ENDED)
    looks = [(i, registers(yield_liters=12.1, seconds=300)) for i in range(60)]
    assert watch(meter, *looks) == []
    assert len(watch(meter, (60, registers(yield_liters=0.0, seconds=1, tag=OTHER)))) == 1


def test_nor_where_the_next_cow_s_tag_is_there_before_the_meter_is_cleared():
    meter = tracker()
    looks = [(0, registers(yield_liters=12.1)), (1, registers(milking=False, yield_liters=12.1))]
    watch(meter, *looks)
    assert watch(meter, (2, registers(yield_liters=12.1, tag=OTHER))) == []
    (begin,) = watch(meter, (3, registers(yield_liters=0.0, seconds=1, tag=OTHER)))
    assert begin.first


def test_a_milking_that_goes_on_growing_after_its_end_is_reopened():
    meter = tracker()
    first = watch(meter, (0, registers()), (1, registers(milking=False, seconds=101)))
    again = watch(
        meter,
        (9, registers(milking=False, seconds=101)),
        (10, registers(seconds=101)),
        (11, registers(seconds=102, yield_liters=5.2)),
        (12, registers(milking=False, seconds=103, yield_liters=5.4)),
    )
    assert {report.session_id for report in again} == {first[0].session_id}
    assert [report.values["yield_liters"] for report in again] == [5.2, 5.4]
    assert watch(meter, (13, registers(seconds=103, yield_liters=5.4))) == []


def test_a_meter_that_restarts_within_a_milking_and_shows_the_one_before_decides_nothing():
    meter = tracker(ended=ENDED)
    first = watch(meter, (0, registers(yield_liters=3.0, seconds=60, tag=OTHER)))
    assert watch(meter, (120, registers(yield_liters=12.1, seconds=300))) == []
    end, begin = watch(meter, (125, registers(yield_liters=0.0, seconds=0, tag=OTHER)))
    assert (end.session_id, end.values["yield_liters"]) == (first[0].session_id, 3.0)
    assert begin.first


def test_a_milking_of_no_milk_is_not_taken_for_the_next():
    meter = tracker()
    watch(meter, (0, registers(yield_liters=0, seconds=0)), (1, registers(milking=False, yield_liters=0, seconds=0)))
    assert len(watch(meter, (2, registers(yield_liters=0, seconds=0, tag=OTHER)))) == 1


# -- after a pause -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("minutes", [5, 20, 44])
def test_after_a_pause_the_milking_whose_clock_went_on_goes_on(minutes):
    meter = tracker(reading(4.0, 90))
    (report,) = watch(meter, (60 * minutes, registers(seconds=90 + 60 * minutes)))
    assert report.session_id == SESSION


@pytest.mark.parametrize("minutes", [5, 20, 44])
def test_after_a_pause_another_clock_is_another_milking_though_yield_and_tag_would_do(minutes):
    end, begin = watch(tracker(reading(4.0, 90)), (60 * minutes, registers(seconds=50 + 60 * minutes)))
    assert (end.session_id, end.milking, begin.first) == (SESSION, False, True)


def test_nothing_goes_on_for_46_minutes():
    end, begin = watch(tracker(reading(4.0, 90)), (60 * 46, registers(seconds=90 + 60 * 46)))
    assert (end.session_id, begin.first) == (SESSION, True)


@pytest.mark.parametrize(
    ("minutes", "tag", "sessions"),
    [(4, TAG, 1), (20, TAG, 1), (21, TAG, 2), (4, OTHER, 2), (4, None, 1), (6, None, 2)],
)
def test_without_a_clock_a_pause_is_as_long_as_the_tag_vouches_for(minutes, tag, sessions):
    meter = tracker(reading(4.0, None))
    reports = watch(meter, (60 * minutes, registers(seconds=None, tag=tag)))
    assert len(milkings(reports)) == sessions


@pytest.mark.parametrize("seconds", [95, 100, 300])
def test_an_end_during_a_pause_is_reported_with_the_final_yield(seconds):
    looks = (600, registers(milking=False, yield_liters=12.1, seconds=seconds))
    (end,) = watch(tracker(reading(4.0, 90)), looks)
    assert (end.session_id, end.milking, end.values["yield_liters"]) == (SESSION, False, 12.1)


@pytest.mark.parametrize(
    ("seconds", "ended_after"),
    [
        # Of a clock of whole seconds: it is over as it is read.
        (130, 30),
        (129, 30),
        (104, 4),
        # What is reported comes after what was reported before.
        (100, 0.001),
        # Of no clock nothing is known but that it is over.
        (None, 30),
    ],
)
def test_an_end_that_is_read_late_was_when_the_clock_stopped(seconds, ended_after):
    meter = tracker(reading(5.0, 100 if seconds else None))
    (end,) = watch(meter, (30, registers(False, 6.0, seconds)))
    assert not end.milking and end.values["yield_liters"] == 6.0
    assert end.timestamp == NOW + ended_after * SECOND


def test_a_clock_that_never_leaves_zero_says_no_end():
    meter = tracker(reading(5.0, 0))
    (end,) = watch(meter, (30, registers(False, 6.0, 0)))
    assert end.timestamp == NOW + 30 * SECOND


def test_a_young_milking_that_ended_while_nobody_looked_is_one_milking():
    """It had lasted for ten seconds when somebody looked last, and ended after five minutes."""
    first, *rest = [
        *watch(meter := tracker(), (0, registers(True, 0.1, 0)), (10, registers(True, 0.3, 10))),
        *watch(meter, (360, registers(False, 12.0, 300))),
    ]
    assert {report.session_id for report in rest} == {first.session_id}
    assert rest[-1].timestamp == NOW + 300 * SECOND


def test_an_end_is_not_reported_with_the_yield_of_a_cow_that_was_milked_since():
    look = (600, registers(milking=False, yield_liters=12.1, seconds=300, tag=OTHER))
    (end,) = watch(tracker(reading(4.0, 90)), look)
    assert (end.session_id, end.values["yield_liters"]) == (SESSION, 4.0)


def test_what_is_known_of_a_milking_before_a_restart_is_as_good_as_what_was_read():
    reports = watch(tracker(reading(4.0, 90)), (10, registers(seconds=100)), (11, registers(seconds=101, tag=None)))
    assert tags(reports) == [TAG, None]


def test_a_tracker_is_ahead_of_a_database_that_has_nothing_later():
    meter = tracker()
    assert not meter.is_ahead_of(Past())
    watch(meter, (0, registers()), (1, registers(milking=False, seconds=101)))
    assert meter.is_ahead_of(Past())
    assert meter.is_ahead_of(Past(reading(4.0, 90, at=NOW - SECOND)))
    assert not meter.is_ahead_of(Past(reading(6.0, 190, at=NOW + MINUTE)))


# -- meters that do not say when they milk -----------------------------------------------------------------


def flows(liters, flow, tag=TAG):
    return {"yield_liters": liters, "flow_rate": flow, "rfid_tag": tag}


def by_flow(last=None):
    return tracker(last, flow=(0.2, 20))


def test_flow_in_two_readings_running_begins_a_milking_and_twenty_seconds_without_end_it():
    meter = by_flow()
    looks = [(0, flows(0.0, 0.0)), (1, flows(0.0, 0.5)), (2, flows(0.0, 0.5)), (3, flows(0.1, 2.0))]
    reports = watch(meter, *looks, *((i, flows(0.3, 0.0)) for i in range(4, 40)))
    assert [(reports[0].timestamp - NOW) / SECOND, (reports[-1].timestamp - NOW) / SECOND] == [2, 24]
    assert len(milkings(reports)) == 1
    assert (reports[-1].milking, reports[-1].values["yield_liters"]) == (False, 0.3)


def test_one_reading_with_flow_is_no_milking_and_a_yield_that_rises_is():
    meter = by_flow()
    assert watch(meter, (0, flows(0.0, 0.0)), (1, flows(0.0, 0.5)), (2, flows(0.0, 0.0))) == []
    assert len(watch(meter, (3, flows(0.1, 0.0)))) == 1


def test_a_flow_register_that_keeps_its_value_does_not_hold_a_milking_open():
    meter = by_flow()
    looks = [(0, flows(0.0, 0.0)), (1, flows(0.1, 2.0)), *((i, flows(5.0, 2.0)) for i in range(2, 200))]
    reports = watch(meter, *looks)
    assert not reports[-1].milking
    assert len(milkings(reports)) == 1


def test_a_yield_cleared_for_the_next_cow_ends_the_milking_of_the_one_before_and_begins_none():
    meter = by_flow()
    watch(meter, (0, flows(0.0, 0.0)), (1, flows(0.1, 2.0)), (2, flows(9.0, 2.0)))
    (end,) = watch(meter, (3, flows(0.0, 0.0)), (4, flows(0.0, 0.0)))
    assert (end.milking, end.values["yield_liters"]) == (False, 9.0)


def test_a_milking_by_flow_that_was_running_is_not_ended_by_looking_again():
    (report,) = watch(by_flow(reading(4.0, None)), (1, flows(4.2, 2.0)))
    assert (report.session_id, report.milking) == (SESSION, True)


# -- the calibration factor --------------------------------------------------------------------------------


def litres(reports):
    return [report.calibrated["yield_liters"] for report in reports]


@pytest.mark.parametrize("factor", [0.98, 1.02])
@pytest.mark.parametrize("clock", [True, False])
def test_a_milking_keeps_the_factor_with_which_it_began(factor, clock):
    meter = tracker()
    looks = [(10.0, 1.0), (10.02, factor), (10.04, factor)]
    reports = [
        report
        for second, (shown, now_in_force) in enumerate(looks)
        for report in meter.observe(
            registers(yield_liters=shown, seconds=100 + second if clock else None, tag=None),
            NOW + second * SECOND,
            now_in_force,
        )
    ]
    assert len(milkings(reports)) == 1
    assert litres(reports) == [10.0, 10.02, 10.04]


def test_the_end_of_a_milking_has_its_factor_and_the_next_one_that_in_force():
    meter = tracker()
    meter.observe(registers(yield_liters=10.0, seconds=100), NOW, 1.1)
    (end,) = meter.observe(registers(milking=False, yield_liters=11.0, seconds=110), NOW + 10 * SECOND, 1.2)
    (begin,) = meter.observe(registers(yield_liters=1.0, seconds=5, tag=OTHER), NOW + MINUTE, 1.2)
    assert litres([end, begin]) == [12.1, 1.2]


def test_an_end_that_nobody_saw_has_the_factor_of_its_milking():
    meter = tracker()
    meter.observe(registers(yield_liters=10.0, seconds=100), NOW, 1.1)
    end, begin = meter.observe(registers(yield_liters=1.0, seconds=5, tag=OTHER), NOW + MINUTE, 1.2)
    assert (end.milking, begin.first) == (False, True)
    assert litres([end, begin]) == [11.0, 1.2]


@pytest.mark.parametrize("factor", [0.98, 1.02])
def test_registers_of_the_last_milking_are_known_again_after_a_calibration(factor):
    meter = tracker()
    meter.observe(registers(yield_liters=12.0, seconds=300), NOW)
    meter.observe(registers(milking=False, yield_liters=12.0, seconds=300), NOW + SECOND)
    shown_again = registers(yield_liters=12.0, seconds=300)
    assert meter.observe(shown_again, NOW + MINUTE, factor) == []
    assert meter.observe(shown_again, NOW + MINUTE + SECOND, factor) == []


@pytest.mark.parametrize("factor", [0.98, 1.02])
def test_a_calibration_begins_and_ends_no_milking_told_by_the_flow(factor):
    meter = tracker(flow=(0.2, 15))
    shown = {"yield_liters": 12.0, "flow_rate": 0.0}
    assert meter.observe(shown, NOW) == []
    assert meter.observe(shown, NOW + SECOND, factor) == []
    assert meter.observe(shown, NOW + 2 * SECOND, factor) == []
    assert not meter.is_milking


def test_a_cluster_that_is_attached_again_goes_on_with_the_factor_of_its_milking():
    meter = tracker()
    meter.observe(registers(yield_liters=5.0, seconds=100), NOW)
    meter.observe(registers(milking=False, yield_liters=5.0, seconds=100), NOW + SECOND)
    (report,) = meter.observe(registers(yield_liters=5.2, seconds=103), NOW + 4 * SECOND, 1.1)
    assert not report.first
    assert litres([report]) == [5.2]


def test_a_tracker_that_starts_during_a_milking_goes_on_with_its_factor():
    last = replace(reading(5.0, 100), factor=1.1)
    meter = tracker(last)
    reports = meter.observe(registers(yield_liters=5.1, seconds=101), NOW + SECOND, 0.9)
    assert [report.session_id for report in reports] == [SESSION]
    assert litres(reports) == [5.61]


def test_the_factor_corrects_yields_and_flow_and_nothing_else():
    shown = registers(yield_lf=2.0, flow_rate=3.0, conductivity=5.5, temperature_celsius=38.0)
    (report,) = tracker().observe(shown, NOW, 1.1)
    assert report.calibrated == {
        **report.values,
        "yield_liters": 5.5,
        "yield_lf": 2.2,
        "flow_rate": 3.3,
    }
