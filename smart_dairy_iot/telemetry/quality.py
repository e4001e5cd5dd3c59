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
  from its first message on.
- **gap**: more than two intervals between two messages; of a usual rate, also half as long again as is usual. One that
  goes beyond the hour is one of each hour that it touches, and so long in each as it has lasted by the hour's end.
- **stuck**: a value that the model says is never the same for hours, and that was, in `STUCK_HOURS` hours with readings
  or more, the last of them this one. Counted up to a day.
- **out of range**: messages that the schema or the clock's limits refused, by the hour in which they came.
- **clock skew**: the median of the time from the device's time stamp to the message's arrival. Where these differ (by
  more than `STEADY_DELAY` between their quartiles) the messages were delivered late, which tells nothing of a clock.
"""

from datetime import timedelta

from psycopg2 import sql

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

#: Dead letters that say that the values are out of range.
REFUSALS = ("schema", "clock")

_HOUR = timedelta(hours=1)

_DUE = """
    SELECT device.id, device.config_json, device.active AND device.state = 'active'
      FROM iot_device device
     WHERE device.device_type = ANY(%(device_types)s)
       AND (EXISTS (SELECT FROM {rollup} rollup WHERE rollup.iot_device_id = device.id AND rollup.bucket = %(hour)s)
            OR EXISTS (SELECT FROM iot_dead_letter_count refused
                        WHERE refused.iot_device_id = device.id AND refused.hour = %(hour)s
                          AND refused.reason = ANY(%(refusals)s))
            OR (device.active AND device.state = 'active'
                AND EXISTS (SELECT FROM {rollup} rollup WHERE rollup.iot_device_id = device.id
                               AND rollup.bucket >= %(hour)s - %(forgotten)s AND rollup.bucket < %(hour)s)))
"""

# What is known now is compared with what was known when the hour was assessed.
_CHANGED = """
    SELECT now.hour, device.id, device.config_json, device.active AND device.state = 'active'
      FROM (SELECT iot_device_id, bucket AS hour, readings, NULL::bigint AS refused FROM {rollup}
             WHERE bucket >= %(begin)s AND bucket < %(end)s
             UNION ALL
            SELECT iot_device_id, hour, NULL, sum(received) FROM iot_dead_letter_count
             WHERE hour >= %(begin)s AND hour < %(end)s AND reason = ANY(%(refusals)s) GROUP BY 1, 2) AS now
      JOIN iot_device device ON device.id = now.iot_device_id AND device.device_type = ANY(%(device_types)s)
 LEFT JOIN iot_data_quality quality ON (quality.iot_device_id, quality.hour) = (now.iot_device_id, now.hour)
     WHERE quality.id IS NULL OR quality.readings <> now.readings OR quality.out_of_range <> now.refused
     ORDER BY 1, 2 LIMIT %(most)s
"""

_ASSESS = """
      WITH target AS (
    SELECT * FROM unnest(%(devices)s::integer[], %(intervals)s::double precision[], %(watched)s::boolean[])
                  AS target (iot_device_id, configured, watched)),
           reading AS (
    SELECT iot_device_id, timestamp, farm_id, extract(epoch FROM received_at - timestamp)::double precision AS delay
      FROM {table} JOIN target USING (iot_device_id)
     WHERE timestamp >= %(hour)s AND timestamp < %(end)s),
           heard AS (
    SELECT iot_device_id, count(DISTINCT timestamp) AS received, min(timestamp) AS first,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY delay) AS delay,
           percentile_cont(0.75) WITHIN GROUP (ORDER BY delay)
               - percentile_cont(0.25) WITHIN GROUP (ORDER BY delay) AS delay_spread
      FROM reading GROUP BY 1),
           before AS (
    SELECT target.iot_device_id, last.timestamp AS last
      FROM target CROSS JOIN LATERAL (
           SELECT timestamp FROM {table} earlier
            WHERE earlier.iot_device_id = target.iot_device_id
              AND timestamp >= %(hour)s - %(forgotten)s AND timestamp < %(hour)s
            ORDER BY timestamp DESC LIMIT 1) AS last),
           step AS (
    SELECT iot_device_id,
           extract(epoch FROM timestamp - lag(timestamp) OVER (PARTITION BY iot_device_id ORDER BY timestamp))
               AS seconds
      FROM (SELECT iot_device_id, timestamp FROM reading
             UNION ALL SELECT iot_device_id, last FROM before
             UNION ALL SELECT iot_device_id, %(end)s FROM target) AS instant),
           longest AS (
    SELECT iot_device_id, max(seconds) AS seconds FROM step GROUP BY 1),
           usual AS (
    SELECT target.iot_device_id, percentile_cont(0.5) WITHIN GROUP (ORDER BY past.received) AS messages,
           percentile_cont(0.25) WITHIN GROUP (ORDER BY past.received) AS least_messages,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY past.longest_gap_seconds) AS gap
      FROM target
      JOIN before USING (iot_device_id)
      JOIN iot_data_quality past ON past.iot_device_id = target.iot_device_id
       AND past.hour < %(hour)s AND past.hour <= before.last AND past.hour > before.last - %(learned_from)s
     WHERE target.configured IS NULL
           -- Silence that was an outage is nothing to learn from.
       AND NOT (past.received = 0 AND coalesce(past.expected, 0) > 0)
     GROUP BY 1 HAVING count(*) >= %(least_hours)s),
           promise AS (
    SELECT target.iot_device_id, configured AS interval, 2 * configured AS gap, 'configured' AS source
      FROM target WHERE watched AND configured IS NOT NULL
     UNION ALL
    SELECT iot_device_id, 3600 / messages, greatest(2 * 3600 / messages, 1.5 * usual.gap), 'learned'
      FROM usual JOIN target USING (iot_device_id)
     WHERE watched AND messages >= 1 AND least_messages >= %(steady)s * messages),
           missed AS (
    SELECT iot_device_id, count(*) AS gaps
      FROM step JOIN promise USING (iot_device_id) WHERE step.seconds > promise.gap GROUP BY 1),
           expectation AS (
    SELECT promise.iot_device_id, promise.interval, promise.source,
           -- To a tenth: what is left of a millisecond at the hour's end is no message missing.
           round((CASE WHEN before.last IS NOT NULL THEN 3600
                  ELSE extract(epoch FROM %(end)s - heard.first) END / promise.interval)::numeric, 1) AS expected
      FROM promise LEFT JOIN before USING (iot_device_id) LEFT JOIN heard USING (iot_device_id)
     WHERE before.last IS NOT NULL OR heard.first IS NOT NULL),
           value AS (
    SELECT rollup.iot_device_id, rollup.bucket, value.*
      FROM target JOIN {rollup} rollup USING (iot_device_id) CROSS JOIN LATERAL {values}
     WHERE rollup.bucket > %(end)s - interval '1 day' AND rollup.bucket < %(end)s AND value.count > 0),
           run AS (
    SELECT past.iot_device_id, past.name, past.count,
           bool_or(past.least <> still.least OR past.most <> still.least)
               OVER (PARTITION BY past.iot_device_id, past.name ORDER BY past.bucket DESC) AS broken
      FROM value past
      JOIN value still ON (still.iot_device_id, still.name) = (past.iot_device_id, past.name)
       AND still.bucket = %(hour)s AND still.least = still.most),
           stuck AS (
    SELECT iot_device_id, max(hours) AS hours, string_agg(name, ', ' ORDER BY name) AS names
      FROM (SELECT iot_device_id, name, count(*) AS hours FROM run WHERE NOT broken
             GROUP BY 1, 2 HAVING count(*) >= %(stuck_hours)s AND sum(count) >= %(stuck_readings)s) AS long
     GROUP BY 1),
           refused AS (
    SELECT iot_device_id, sum(received) AS messages FROM iot_dead_letter_count
     WHERE hour = %(hour)s AND reason = ANY(%(refusals)s) GROUP BY 1)
    INSERT INTO iot_data_quality AS quality (iot_device_id, hour, {columns})
    SELECT target.iot_device_id, %(hour)s, device.device_type,
           CASE WHEN rollup.iot_device_id IS NULL THEN device.farm_id ELSE rollup.farm_id END,
           coalesce(rollup.readings, 0), coalesce(heard.received, 0),
           coalesce(expectation.source, 'unknown'), expectation.interval, expectation.expected,
           -- Where nothing is expected both are NULL, by the other operand: least alone passes over it.
           expectation.expected - least(coalesce(heard.received, 0), expectation.expected),
           100 * least(coalesce(heard.received, 0), expectation.expected) / nullif(expectation.expected, 0),
           coalesce(missed.gaps, 0), least(longest.seconds, 2147483647)::integer,
           coalesce(stuck.hours, 0), stuck.names, coalesce(refused.messages, 0),
           CASE WHEN heard.delay_spread <= %(steady_delay)s THEN heard.delay END,
           coalesce(heard.delay_spread > %(steady_delay)s, false)
      FROM target
      JOIN iot_device device ON device.id = target.iot_device_id
 LEFT JOIN {rollup} rollup ON rollup.iot_device_id = target.iot_device_id AND rollup.bucket = %(hour)s
 LEFT JOIN heard ON heard.iot_device_id = target.iot_device_id
 LEFT JOIN expectation ON expectation.iot_device_id = target.iot_device_id
 LEFT JOIN missed ON missed.iot_device_id = target.iot_device_id
 LEFT JOIN longest ON longest.iot_device_id = target.iot_device_id
 LEFT JOIN stuck ON stuck.iot_device_id = target.iot_device_id
 LEFT JOIN refused ON refused.iot_device_id = target.iot_device_id
     ORDER BY 1
        ON CONFLICT (iot_device_id, hour) DO UPDATE SET {updates}
"""

_COLUMNS = (
    "device_type",
    "farm_id",
    "readings",
    "received",
    "interval_source",
    "interval_seconds",
    "expected",
    "missing",
    "completeness",
    "gaps",
    "longest_gap_seconds",
    "stuck_hours",
    "stuck_values",
    "out_of_range",
    "clock_skew_seconds",
    "delivered_late",
)

_SUMMARY = """
    SELECT extract(epoch FROM max(hour))::double precision, coalesce(sum(expected), 0)::double precision,
           coalesce(sum(missing), 0)::double precision, coalesce(sum(out_of_range), 0)::double precision,
           count(*) FILTER (WHERE gaps > 0), count(*) FILTER (WHERE stuck_hours > 0),
           count(*) FILTER (WHERE out_of_range > 0), count(*) FILTER (WHERE abs(clock_skew_seconds) > %(skew)s),
           count(*) FILTER (WHERE delivered_late)
      FROM iot_data_quality WHERE hour = (SELECT max(hour) FROM iot_data_quality)
"""
#: A clock that goes wrong by more is shown as such.
CLOCK_SKEW = timedelta(seconds=60)


def due(cr, spec, hour):
    """The devices of a kind that are to be assessed for an hour.

    :param hour: its beginning, naive UTC
    :return: [(id, configuration as text or None, whether it is in service)]
    """
    cr.execute(_with_rollup(_DUE, spec), {**_parameters(spec), "hour": hour, "forgotten": FORGOTTEN})
    return cr.fetchall()


def changed(cr, spec, begin, end, most):
    """The devices and hours of a span of which more is known than when they were assessed, the earliest first.

    :param most: how many there are at most in the answer
    :return: {hour: [(id, configuration as text or None, whether it is in service)]}
    """
    cr.execute(_with_rollup(_CHANGED, spec), {**_parameters(spec), "begin": begin, "end": end, "most": most})
    found = {}
    for hour, *device in cr.fetchall():
        found.setdefault(hour, {})[device[0]] = tuple(device)
    return {hour: list(devices.values()) for hour, devices in found.items()}


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
    }
    cr.execute(_assess_statement(spec), parameters)


def read_quality(cursor):
    """Figures of the last hour that was assessed, all devices together, for the bridge's metrics.

    :return: {"hour": beginning in seconds since 1970, or None, "messages": {kind: number}, "devices": {what is wrong:
        number}}
    """
    cursor.execute(_SUMMARY, {"skew": CLOCK_SKEW.total_seconds()})
    hour, expected, missing, out_of_range, *devices = cursor.fetchone()
    problems = ("gaps", "stuck", "out_of_range", "clock_skew", "delivered_late")
    return {
        "hour": hour,
        "messages": {"expected": expected, "missing": missing, "out_of_range": out_of_range},
        "devices": dict(zip(problems, devices, strict=True)),
    }


def _parameters(spec):
    return {"device_types": list(spec.device_types), "refusals": list(REFUSALS)}


def _with_rollup(statement, spec):
    return sql.SQL(statement).format(rollup=sql.Identifier(spec.rollup_table("hourly")))


def _assess_statement(spec):
    return sql.SQL(_ASSESS).format(
        table=sql.Identifier(spec.table),
        rollup=sql.Identifier(spec.rollup_table("hourly")),
        values=_values(spec),
        columns=sql.SQL(", ").join(map(sql.Identifier, _COLUMNS)),
        updates=sql.SQL(", ").join(
            sql.SQL("{name} = excluded.{name}").format(name=sql.Identifier(name)) for name in _COLUMNS
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
