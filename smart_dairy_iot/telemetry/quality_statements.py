"""The statements by which the data of an hour are assessed; what their figures mean is told in `quality`.

What stands in braces, `quality` puts in: the table of readings, its hourly rollup, the values of one row of that, and
the expression below.
"""

#: Columns of a row beside the device and the hour.
COLUMNS = (
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
    "outdated",
)

# Every configuration that the device had in the hour. What happened before its first one, say readings that it had
# taken before it was registered, goes by that.
CONFIGURATIONS = """ARRAY(
    SELECT version.config_json FROM iot_device_config_version version
     WHERE version.iot_device_id = device.id
       AND (version.create_date < {hour} + interval '1 hour' OR version.version = 1)
       AND NOT EXISTS (SELECT FROM iot_device_config_version later
                        WHERE later.iot_device_id = device.id AND later.version = version.version + 1
                          AND later.create_date <= {hour}))"""

DUE = """
    SELECT device.id, {configurations}, device.active AND device.state = 'active'
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

# What is known now is compared with what was known when the hour was assessed. How long the silence was that ends in a
# later hour, and since when a value stands still, may have changed with it.
CHANGED = """
      WITH changed AS (
    SELECT now.hour, now.iot_device_id
      FROM (SELECT iot_device_id, bucket AS hour, readings, NULL::bigint AS refused FROM {rollup} rollup
             WHERE bucket >= %(begin)s AND bucket < %(end)s
             UNION ALL
            SELECT iot_device_id, hour, NULL, sum(received) FROM iot_dead_letter_count
             WHERE hour >= %(begin)s AND hour < %(end)s AND reason = ANY(%(refusals)s) GROUP BY 1, 2) AS now
      JOIN iot_device device ON device.id = now.iot_device_id AND device.device_type = ANY(%(device_types)s)
 LEFT JOIN iot_data_quality quality ON quality.iot_device_id = now.iot_device_id AND quality.hour = now.hour
       AND quality.hour >= %(begin)s AND quality.hour < %(end)s
     WHERE quality.id IS NULL OR quality.readings <> now.readings OR quality.out_of_range <> now.refused
     GROUP BY 1, 2 ORDER BY 1, 2 LIMIT %(most)s),
           following AS (
    UPDATE iot_data_quality AS quality SET outdated = true
      FROM changed CROSS JOIN LATERAL (
           SELECT min(hour) AS hour FROM iot_data_quality heard
            WHERE heard.iot_device_id = changed.iot_device_id AND heard.hour > changed.hour AND heard.readings > 0
           ) AS heard
     WHERE quality.iot_device_id = changed.iot_device_id AND quality.hour > changed.hour
       AND (quality.hour <= coalesce(heard.hour, 'infinity')
            OR quality.hour < changed.hour + interval '1 day' AND quality.stuck_hours > 0)
       AND quality.outdated IS NULL)
    SELECT changed.hour, device.id, {configurations}, device.active AND device.state = 'active'
      FROM changed JOIN iot_device device ON device.id = changed.iot_device_id
     ORDER BY 1, 2
"""

OUTDATED = """
    SELECT quality.hour, device.id, {configurations}, device.active AND device.state = 'active'
      FROM iot_data_quality quality JOIN iot_device device ON device.id = quality.iot_device_id
     WHERE quality.outdated IS NOT NULL AND device.device_type = ANY(%(device_types)s)
     ORDER BY 1, 2 LIMIT %(most)s
"""

ASSESS = """
      WITH target AS (
    SELECT given.*, device.device_type, device.farm_id, known.interval_seconds AS known_interval,
           known.interval_source AS known_source,
           -- Who came back into service later than this had been in service before, or else nothing is expected.
           CASE WHEN device.in_service_since < %(end)s THEN device.in_service_since END AS in_service_since,
           given.watched AND coalesce(device.in_service_since < %(end)s, true) AS is_expected
      FROM unnest(%(devices)s::integer[], %(intervals)s::double precision[], %(watched)s::boolean[])
           AS given (iot_device_id, configured, watched)
      JOIN iot_device device ON device.id = given.iot_device_id
           -- What was expected of an hour is not changed by what was changed since.
 LEFT JOIN iot_data_quality known ON known.iot_device_id = given.iot_device_id AND known.hour = %(hour)s
       AND known.interval_source <> 'unknown'),
           before AS (
    SELECT target.iot_device_id, last.timestamp AS last, date_part('epoch', received_at - last.timestamp) AS delay
      FROM target CROSS JOIN LATERAL (
           SELECT timestamp, received_at FROM {table} earlier
            WHERE earlier.iot_device_id = target.iot_device_id
              AND timestamp >= %(hour)s - %(forgotten)s AND timestamp < %(hour)s
            ORDER BY timestamp DESC LIMIT 1) AS last),
           usual AS (
    SELECT target.iot_device_id, past.*
      FROM target JOIN before USING (iot_device_id) CROSS JOIN LATERAL (
           SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY received) AS messages,
                  percentile_cont(0.25) WITHIN GROUP (ORDER BY received) AS least_messages,
                  percentile_cont(0.5) WITHIN GROUP (ORDER BY longest_gap_seconds) AS gap
             FROM iot_data_quality quality
            WHERE quality.iot_device_id = target.iot_device_id AND quality.hour < %(hour)s
              AND quality.hour <= before.last AND quality.hour > before.last - %(learned_from)s
              -- Silence that was an outage is nothing to learn from.
              AND NOT (received = 0 AND coalesce(expected, 0) > 0)
           HAVING count(*) >= %(least_hours)s) AS past
     WHERE known_source = 'learned' OR (known_source IS NULL AND configured IS NULL AND is_expected)),
           promise AS (
    SELECT target.iot_device_id, promised.interval, promised.source,
           greatest(2 * promised.interval, CASE WHEN promised.source = 'learned' THEN 1.5 * usual.gap END) AS gap
      FROM target LEFT JOIN usual USING (iot_device_id) CROSS JOIN LATERAL (
           SELECT known_interval, known_source WHERE known_source IS NOT NULL
            UNION ALL
           SELECT configured, 'configured' WHERE known_source IS NULL AND is_expected AND configured IS NOT NULL
            UNION ALL
           SELECT 3600 / messages, 'learned' WHERE known_source IS NULL AND is_expected AND configured IS NULL
              AND messages >= 1 AND least_messages >= %(steady)s * messages) AS promised (interval, source)),
           heard AS (
    SELECT target.iot_device_id, messages.*
      FROM target LEFT JOIN before USING (iot_device_id) LEFT JOIN promise USING (iot_device_id)
     CROSS JOIN LATERAL (
           SELECT count(*) FILTER (WHERE earlier IS DISTINCT FROM timestamp) AS received,
                  min(timestamp) AS first, max(timestamp) AS last, max(silence) AS longest,
                  count(*) FILTER (WHERE silence > promise.gap) AS gaps,
                  percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY delay) AS delays
             FROM (SELECT timestamp, earlier, delay,
                          date_part('epoch', timestamp - CASE WHEN coalesce(earlier, before.last) IS NOT NULL THEN
                              greatest(coalesce(earlier, before.last), target.in_service_since) END) AS silence
                     FROM (SELECT timestamp, date_part('epoch', received_at - timestamp) AS delay,
                                  lag(timestamp) OVER (ORDER BY timestamp) AS earlier
                             FROM {table} reading WHERE reading.iot_device_id = target.iot_device_id
                              AND timestamp >= %(hour)s AND timestamp < %(end)s) AS reading) AS message
           HAVING count(*) > 0) AS messages),
           still AS MATERIALIZED (
    SELECT target.iot_device_id, value.name, value.least
      FROM target JOIN {rollup} rollup USING (iot_device_id) CROSS JOIN LATERAL {values}
     WHERE rollup.bucket = %(hour)s AND value.count > 0 AND value.least = value.most),
           run AS (
    SELECT still.iot_device_id, still.name, value.count,
           bool_or(value.least <> still.least OR value.most <> still.least)
               OVER (PARTITION BY still.iot_device_id, still.name ORDER BY rollup.bucket DESC) AS broken
      FROM still JOIN {rollup} rollup USING (iot_device_id) CROSS JOIN LATERAL {values}
     WHERE rollup.bucket > %(end)s - interval '1 day' AND rollup.bucket < %(end)s
       AND value.name = still.name AND value.count > 0),
           stuck AS (
    SELECT iot_device_id, max(hours) AS hours, string_agg(name, ', ' ORDER BY name) AS names
      FROM (SELECT iot_device_id, name, count(*) AS hours FROM run WHERE NOT broken
             GROUP BY 1, 2 HAVING count(*) >= %(stuck_hours)s AND sum(count) >= %(stuck_readings)s) AS long
     GROUP BY 1),
           refused AS (
    SELECT iot_device_id, sum(received) AS messages FROM iot_dead_letter_count
     WHERE hour = %(hour)s AND reason = ANY(%(refusals)s) GROUP BY 1),
           found AS (
    SELECT target.iot_device_id, target.device_type,
           CASE WHEN rollup.iot_device_id IS NULL THEN target.farm_id ELSE rollup.farm_id END AS farm_id,
           coalesce(rollup.readings, 0) AS readings, coalesce(heard.received, 0) AS received,
           heard.longest, coalesce(heard.gaps, 0) AS gaps, heard.delays[2] AS delay, promise.gap,
           coalesce(heard.delays[3] - heard.delays[1] > %(steady_delay)s, false)
               -- Of a few messages in a row the one before them tells: a clock is as wrong as it was then.
               OR coalesce(heard.delays[2] > %(skew)s AND heard.last - heard.first <= %(few)s, false)
               AND coalesce(abs(heard.delays[2] - before.delay) > %(steady_delay)s, true) AS is_late,
           promise.interval, promise.source,
           -- The silence that goes on at the hour's end.
           CASE WHEN coalesce(heard.last, before.last) IS NOT NULL THEN date_part(
               'epoch', %(end)s - greatest(coalesce(heard.last, before.last), target.in_service_since)) END AS tail,
           -- To a tenth: what is left of a millisecond at the hour's end is no message missing.
           round((date_part('epoch', %(end)s - CASE WHEN before.last IS NULL THEN heard.first
               ELSE greatest(%(hour)s, target.in_service_since) END) / promise.interval)::numeric, 1) AS expected
      FROM target
 LEFT JOIN {rollup} rollup ON rollup.iot_device_id = target.iot_device_id AND rollup.bucket = %(hour)s
 LEFT JOIN before ON before.iot_device_id = target.iot_device_id
 LEFT JOIN heard ON heard.iot_device_id = target.iot_device_id
 LEFT JOIN promise ON promise.iot_device_id = target.iot_device_id)
    INSERT INTO iot_data_quality AS quality (iot_device_id, hour, {columns})
    SELECT found.iot_device_id, %(hour)s, device_type, farm_id, readings, received,
           CASE WHEN expected IS NULL THEN 'unknown' ELSE source END, CASE WHEN expected IS NOT NULL THEN interval END,
           -- Where nothing is expected these are NULL, by the other operand: least alone passes over it.
           expected, expected - least(received, expected), 100 * least(received, expected) / nullif(expected, 0),
           gaps + coalesce(tail > gap, false)::integer, least(greatest(longest, tail), 2147483647)::integer,
           coalesce(stuck.hours, 0), stuck.names, coalesce(refused.messages, 0),
           CASE WHEN NOT is_late THEN delay END, is_late, NULL::boolean
      FROM found LEFT JOIN stuck USING (iot_device_id) LEFT JOIN refused USING (iot_device_id)
     ORDER BY 1
        ON CONFLICT (iot_device_id, hour) DO UPDATE SET {updates}
"""

SUMMARY = """
    SELECT extract(epoch FROM max(hour))::double precision, coalesce(sum(expected), 0)::double precision,
           coalesce(sum(missing), 0)::double precision, coalesce(sum(out_of_range), 0)::double precision,
           count(*) FILTER (WHERE gaps > 0), count(*) FILTER (WHERE stuck_hours > 0),
           count(*) FILTER (WHERE out_of_range > 0), count(*) FILTER (WHERE abs(clock_skew_seconds) > %(skew)s),
           count(*) FILTER (WHERE delivered_late)
      FROM iot_data_quality WHERE hour = (SELECT max(hour) FROM iot_data_quality)
"""
