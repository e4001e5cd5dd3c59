"""Readings as a line: as many points as asked for, true to the extremes, broken where nothing was heard."""

from datetime import datetime, timedelta

from smart_dairy_iot.telemetry.curve import curve

T = datetime(2026, 3, 1)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def raw(minutes, value):
    return (T + minutes * MINUTE, 1, value, value, value)


def line(readings, points=300, until=T + DAY):
    return curve(readings, T, until, points)


def test_few_readings_are_all_there_at_their_own_times():
    readings = [raw(minute, 4.0 + minute / 100) for minute in (0, 60, 120)]
    assert line(readings) == [(time, mean, least, most) for time, _count, mean, least, most in readings]


def test_many_readings_become_no_more_points_than_asked_for():
    points = line([raw(minute, minute % 7) for minute in range(1440)], points=100)
    assert 95 <= len(points) <= 101


def test_a_point_has_the_mean_and_the_extremes_of_its_readings():
    (point,) = line([raw(0, 4.0), raw(1, 5.0), raw(2, 9.0)], points=1)
    assert point == (T + MINUTE, 6.0, 4.0, 9.0)


def test_an_hour_counts_by_its_readings():
    hours = [(T, 1, 10.0, 10.0, 10.0), (T + timedelta(hours=1), 3, 2.0, 1.0, 4.0)]
    (point,) = line(hours, points=1)
    assert point[1:] == (4.0, 1.0, 10.0)


def test_a_peak_of_one_reading_is_not_lost():
    readings = [raw(minute, 20.0 if minute == 700 else 4.0) for minute in range(1440)]
    assert max(most for _time, _mean, _least, most in line(readings, points=50)) == 20.0


def test_silence_breaks_the_line():
    readings = [raw(minute, 4.0) for minute in range(0, 1440, 10) if not 300 < minute < 600]
    gaps = [time for time, mean, _least, _most in line(readings) if mean is None]
    assert gaps == [T + 450 * MINUTE]


def test_readings_at_their_usual_distance_are_one_line_however_wide_it_is():
    readings = [raw(minute, 4.0) for minute in range(0, 1440, 60)]
    assert all(mean is not None for _time, mean, _least, _most in line(readings, points=1000))


def test_what_was_not_measured_is_left_out():
    assert line([raw(0, None), (T, 0, None, None, None), raw(5, 4.0)]) == [(T + 5 * MINUTE, 4.0, 4.0, 4.0)]


def test_nothing_is_no_line():
    assert line([]) == []
