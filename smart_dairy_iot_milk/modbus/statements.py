"""The poller's statements: what is to be polled, what is known of a milking point, and how its meters are."""

from .profile import LINE_COLUMNS

# A poller asks for something every second. One that does not is stopped, or cut off, and its session would stay. Only
# who leads, or knows of nobody who does, comes to ask for the lock.
END_SILENT_POLLER = """
    SELECT pg_terminate_backend(activity.pid)
      FROM pg_locks AS held JOIN pg_stat_activity AS activity USING (pid)
     WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1
       AND held.classid = 0 AND held.objid = %(lock)s::bigint::oid
       AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND activity.wait_event_type = 'Client'
       AND activity.state_change < clock_timestamp() - %(seconds)s * interval '1 second'
"""

METERS = """
    SELECT meter.id, device.id, device.device_id, device.farm_id, device.data_topic, device.status_topic,
           meter.communication_type, meter.modbus_port, meter.modbus_baudrate, meter.modbus_parity,
           coalesce(meter.modbus_address, 0), meter.modbus_profile_id,
           coalesce(nullif(meter.flow_calibration_factor, 0), 1), meter.poll_interval, meter.idle_interval,
           meter.has_rfid_reader, meter.has_conductivity, meter.has_temperature, meter.has_flow_sensor,
           meter.has_milk_quality
      FROM iot_milk_meter meter
      JOIN iot_device device ON device.id = meter.iot_device_id
     WHERE meter.polling_enabled AND meter.communication_type IN ('modbus_tcp', 'modbus_rtu')
       AND device.active AND device.state IN ('active', 'maintenance')
     ORDER BY meter.id
"""
POINTS = """
    SELECT meter_id, point_number, coalesce(address_offset, 0), coalesce(rfid_reader_id, '')
      FROM iot_milk_meter_point WHERE is_active AND meter_id = ANY(%s) ORDER BY point_number
"""
PROFILES = """
    SELECT id, name, milking_from, flow_from, idle_seconds, point_stride, largest_gap
      FROM iot_modbus_profile WHERE id = ANY(%s)
"""
LINES = """
    SELECT profile_id, {columns} FROM iot_modbus_profile_line WHERE profile_id = ANY(%s)
""".replace("{columns}", ", ".join(LINE_COLUMNS))

# The last reading at a milking point that names a milking; its tag is the last one that was read in that milking, and
# its factor the one that the poller read it with, or that its session keeps: whichever is known, since the reading may
# not have been reacted to yet, or its message be deleted already. (The session's as JSON: a database whose addons are
# to be updated yet may be without it, and cows are milked meanwhile.)
_LAST = """
    SELECT last.session_id, last.timestamp, last.milking, last.yield_liters, last.duration_seconds,
           (SELECT rfid_tag FROM milk_production_realtime tagged
             WHERE tagged.iot_device_id = last.iot_device_id AND tagged.channel = last.channel
               AND tagged.timestamp > %(since)s AND tagged.session_id = last.session_id
               AND tagged.rfid_tag IS NOT NULL
             ORDER BY tagged.timestamp DESC LIMIT 1),
           coalesce(
               (SELECT (message.payload ->> 'flow_calibration_factor')::float FROM iot_inbox message
                 WHERE message.kind = 'milk_meter_data' AND message.iot_device_id = last.iot_device_id
                   AND message.timestamp = last.timestamp AND message.channel = last.channel AND message.digest = ''
                   AND message.transport = 'own'),
               (SELECT (to_jsonb(session) ->> 'flow_calibration_factor')::float FROM milk_session session
                 WHERE session.meter_id = %(meter)s AND session.channel = last.channel
                   AND session.wire_session_id = last.session_id
                 ORDER BY session.start_time DESC LIMIT 1)
           )
      FROM milk_production_realtime last
     WHERE last.iot_device_id = %(device)s AND last.channel = %(channel)s AND last.timestamp > %(since)s
       AND last.session_id IS NOT NULL AND last.yield_liters IS NOT NULL {condition}
     ORDER BY last.timestamp DESC LIMIT 1
"""
LAST_READING = _LAST.replace("{condition}", "")
LAST_END = _LAST.replace("{condition}", "AND NOT last.milking")

# Of a meter that is found as it was, what had been so before the poller was started has been so since then.
WRITE_STATES = """
    INSERT INTO iot_milk_meter_state AS known
           (meter_id, state, since, last_read_at, problem, failures, response_ms, interval_s, overruns, told_at)
    SELECT told.*, %(now)s FROM unnest(%(meter_id)s::integer[], %(state)s::text[], %(since)s::timestamp[],
                         %(last_read_at)s::timestamp[], %(problem)s::text[], %(failures)s::integer[],
                         %(response_ms)s::real[], %(interval)s::real[], %(overruns)s::bigint[]) AS told
        ON CONFLICT (meter_id) DO UPDATE
       SET state = excluded.state,
           since = CASE WHEN (known.state = ANY(%(readable)s)) = (excluded.state = ANY(%(readable)s))
                        THEN least(known.since, excluded.since) ELSE excluded.since END,
           last_read_at = greatest(known.last_read_at, excluded.last_read_at),
           problem = excluded.problem, failures = excluded.failures,
           response_ms = coalesce(excluded.response_ms, known.response_ms),
           interval_s = excluded.interval_s, overruns = excluded.overruns, told_at = excluded.told_at
"""
# Of one that has not answered since the poller was started, what was known before stands.
FORGET_STATES = "DELETE FROM iot_milk_meter_state WHERE meter_id <> ALL(%s)"

# Before the states are written: an outage that was reported has ended.
REPORT_BACK = """
    INSERT INTO iot_inbox (kind, iot_device_id, timestamp, channel, digest, payload, received_at, state, attempts,
                           next_try_at)
    SELECT 'device_back', meter.iot_device_id, %(now)s, 0, 'modbus', '{}'::jsonb, %(now)s, 'new', 0, %(now)s
      FROM iot_milk_meter_state known JOIN iot_milk_meter meter ON meter.id = known.meter_id
     WHERE known.meter_id = ANY(%(meters)s) AND known.state <> ALL(%(readable)s) AND known.since < %(before)s
        ON CONFLICT (kind, iot_device_id, timestamp, channel, digest) DO NOTHING
"""
# After that: an outage is told by its beginning, so that it is reported once, whatever is restarted meanwhile.
REPORT_UNREADABLE = """
    INSERT INTO iot_inbox (kind, iot_device_id, timestamp, channel, digest, payload, received_at, state, attempts,
                           next_try_at)
    SELECT 'milk_meter_unreadable', meter.iot_device_id, known.since, 0, '',
           jsonb_build_object('state', known.state, 'problem', known.problem), %(now)s, 'new', 0, %(now)s
      FROM iot_milk_meter_state known JOIN iot_milk_meter meter ON meter.id = known.meter_id
     WHERE known.meter_id = ANY(%(meters)s) AND known.state <> ALL(%(readable)s) AND known.since < %(before)s
       AND NOT EXISTS (SELECT 1 FROM iot_inbox
                        WHERE kind = 'milk_meter_unreadable' AND iot_device_id = meter.iot_device_id
                          AND timestamp = known.since AND channel = 0 AND digest = '')
        ON CONFLICT (kind, iot_device_id, timestamp, channel, digest) DO NOTHING
"""
