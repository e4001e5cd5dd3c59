"""How well each device reported in each hour: what was expected and came, gaps, values that stand still, and its clock.

One statement assesses many devices of one kind in one hour, from their readings, rollups and counts of dead letters,
and writes `iot_data_quality`, one row for each device and hour; done again, it writes the same row. Of which devices,
and when, `models/iot_data_quality.py` decides; here is what the figures mean.

- **received**: messages with readings of that hour, by the device's own clock. Readings of one instant, of several
  channels, are one message.
- **expected**: by the `interval_seconds` of the device's configuration. Of a device without one, what is usual: the
  median of the messages in its hours of the week before it was last heard, if it reports steadily, that is, if three
  quarters of at least a day's hours reach `STEADY` of the median; an outage does not count among them. Of others, a
  gate or a meter that reports as the cows come, nothing is expected. An hour in which a device is first heard counts
  from its first message on, and one in which it came back into service from then on. What was once expected of an hour
  stays so, whatever of the device is changed later.
- **gap**: more than two intervals between two messages; of a usual rate, also half as long again as is usual. One that
  goes beyond the hour is one of each hour that it touches, and so long in each as it has lasted by the hour's end.
- **stuck**: a value that the model says is never the same for hours, and that was, in `STUCK_HOURS` hours with readings
  or more, the last of them this one. Counted up to a day.
- **out of range**: messages that the schema or the clock's limits refused, by the hour in which they came.
- **clock skew**: the median of the time from the device's time stamp to the message's arrival. Where these differ (by
  more than `STEADY_DELAY` between their quartiles) the messages were delivered late, which tells nothing of a clock; so
  were a few messages in a row that took long, unless the one before them took as long.
"""

from datetime import timedelta

from psycopg2 import sql

from .quality_statements import ASSESS, CHANGED, COLUMNS, CONFIGURATIONS, DUE, OUTDATED, SUMMARY

#: A device that was not heard for so long is not waited for any more.
FORGOTTEN = timedelta(days=30)
#: Share of the median that the hours of a steady device reach.
STEADY = 0.8
LEARNED_FROM = timedelta(days=7)
LEAST_HOURS = 24
STUCK_HOURS = 6
# A device that reports once an hour shows the same value in six readings by chance.
STUCK_READINGS = 10
STEADY_DELAY = timedelta(seconds=60)
#: A clock that goes wrong by more is shown as such.
CLOCK_SKEW = timedelta(seconds=60)

#: Dead letters that say that the values are out of range.
REFUSALS = ("schema", "clock")

_HOUR = timedelta(hours=1)


def due(cr, spec, hour):
    """The devices of a kind that are to be assessed for an hour.

    :param hour: its beginning, naive UTC
    :return: [(id, its configurations in that hour as texts or None, whether it is in service)]
    """
    statement = _with_rollup(DUE, spec, sql.Placeholder("hour"))
    cr.execute(statement, {**_parameters(spec), "hour": hour, "forgotten": FORGOTTEN})
    return cr.fetchall()


def changed(cr, spec, begin, end, most):
    """The devices and hours of a span of which more is known than when they were assessed, the earliest first.

    The later hours in which a silence ended that was not one, or in which a value was stuck, are marked as `outdated`;
    so the caller assesses what is in the answer in the same transaction.

    :param most: how many hours of devices are in the answer at most
    :return: {hour: devices as `due` gives them}
    """
    statement = _with_rollup(CHANGED, spec, sql.Identifier("changed", "hour"))
    cr.execute(statement, {**_parameters(spec), "begin": begin, "end": end, "most": most})
    return _by_hour(cr.fetchall())


def outdated(cr, spec, most):
    """The devices and hours that `changed` has marked and that were not assessed since, the earliest first.

    :return: as that of `changed`
    """
    statement = sql.SQL(OUTDATED).format(
        configurations=sql.SQL(CONFIGURATIONS).format(hour=sql.Identifier("quality", "hour"))
    )
    cr.execute(statement, {**_parameters(spec), "most": most})
    return _by_hour(cr.fetchall())


def _by_hour(rows):
    found = {}
    for hour, *device in rows:
        found.setdefault(hour, []).append(tuple(device))
    return found


def assess(cr, spec, hour, devices):
    """Write the rows of some devices for an hour.

    :param hour: its beginning, naive UTC
    :param devices: [(id, configured interval in seconds or None, whether it is in service)]
    """
    if not devices:
        return
    ids, intervals, watched = zip(*devices, strict=True)
    parameters = {
        **_parameters(spec),
        "devices": list(ids),
        "intervals": list(intervals),
        "watched": list(watched),
        "hour": hour,
        "end": hour + _HOUR,
        "forgotten": FORGOTTEN,
        "learned_from": LEARNED_FROM,
        "least_hours": LEAST_HOURS,
        "steady": STEADY,
        "stuck_hours": STUCK_HOURS,
        "stuck_readings": STUCK_READINGS,
        "steady_delay": STEADY_DELAY.total_seconds(),
        "skew": CLOCK_SKEW.total_seconds(),
        # As long as it takes for delivery at once to differ from a wrong clock by `steady_delay` between quartiles.
        "few": 2 * STEADY_DELAY,
    }
    cr.execute(_assess_statement(spec), parameters)


def read_quality(cursor):
    """Figures of the last hour that was assessed, all devices together, for the bridge's metrics.

    :return: {"hour": beginning in seconds since 1970, or None, "messages": {kind: number}, "devices": {what is wrong:
        number}}
    """
    cursor.execute(SUMMARY, {"skew": CLOCK_SKEW.total_seconds()})
    hour, expected, missing, out_of_range, *devices = cursor.fetchone()
    problems = ("gaps", "stuck", "out_of_range", "clock_skew", "delivered_late")
    return {
        "hour": hour,
        "messages": {"expected": expected, "missing": missing, "out_of_range": out_of_range},
        "devices": dict(zip(problems, devices, strict=True)),
    }


def _parameters(spec):
    return {"device_types": list(spec.device_types), "refusals": list(REFUSALS)}


def _with_rollup(statement, spec, hour):
    return sql.SQL(statement).format(
        rollup=sql.Identifier(spec.rollup_table("hourly")), configurations=sql.SQL(CONFIGURATIONS).format(hour=hour)
    )


def _assess_statement(spec):
    return sql.SQL(ASSESS).format(
        table=sql.Identifier(spec.table),
        rollup=sql.Identifier(spec.rollup_table("hourly")),
        values=_values(spec),
        columns=sql.SQL(", ").join(map(sql.Identifier, COLUMNS)),
        updates=sql.SQL(", ").join(
            sql.SQL("{name} = excluded.{name}").format(name=sql.Identifier(name)) for name in COLUMNS
        ),
    )


def _values(spec):
    """The values of a rollup's row that can be stuck, one below the other."""
    rows = [
        sql.SQL("({}, {}, {}, {})").format(
            sql.Literal(name), *(sql.Identifier("rollup", f"{name}_{part}") for part in ("count", "min", "max"))
        )
        for name in spec.varying_columns
    ]
    # Of a model that names none there is one that was never measured.
    rows = rows or [sql.SQL("('', 0::bigint, NULL::double precision, NULL::double precision)")]
    return sql.SQL("(VALUES {}) AS value (name, count, least, most)").format(sql.SQL(", ").join(rows))
