"""What screens show of a farm besides its readings: milkings up to now, how well each device reported, and its state.

Made by PostgreSQL itself, as `history` is, with what the platform would have made of the readings.
"""

from datetime import timedelta

from psycopg2 import sql

from stack.shell import say

from .farm import BenchFarm
from .history import SPAN, History
from .load import utc_now
from .traffic import TABLES

#: From one milking on a meter to the next, and how long one takes.
_BETWEEN_MILKINGS, _MILKING = timedelta(minutes=36), timedelta(minutes=6)
#: Of the hours that are assessed.
_ASSESSED = timedelta(days=7)

_MILKINGS = """
    INSERT INTO milk_session (name, session_key, source, meter_id, farm_id, company_id, channel, state,
                              start_time, end_time, last_message_at, last_received_at, ended_by_meter,
                              duration_seconds, current_yield, total_yield, current_flow_rate, peak_flow_rate,
                              avg_flow_rate, conductivity, fat_percentage, protein_percentage, quality_grade,
                              is_abnormal, create_date, write_date)
    SELECT 'BENCH/' || meter.id || '/' || number, 'B' || number, 'mqtt', meter.id, farm.id, farm.company_id, 0,
           CASE WHEN number = 0 THEN 'in_progress' ELSE 'completed' END,
           began, CASE WHEN number > 0 THEN ended END, ended, ended, number > 0,
           extract(epoch FROM %(milking)s), 12, CASE WHEN number > 0 THEN 12 ELSE 0 END, 2, 4, 2, 4.8, 3.9, 3.3, 'B',
           false, began, ended
      FROM iot_milk_meter meter
      JOIN iot_device device ON device.id = meter.iot_device_id
      JOIN farm_location farm ON farm.id = device.farm_id
     CROSS JOIN generate_series(0, %(milkings)s) number
     CROSS JOIN LATERAL (SELECT %(now)s - number * %(between)s - meter.id %% 60 * interval '1 second' AS ended) last
     CROSS JOIN LATERAL (SELECT ended - %(milking)s AS began) first
     ORDER BY ended
"""
# In one hour of fifty something was out of range. What the platform has assessed itself by now stays.
_QUALITY = """
    INSERT INTO iot_data_quality (iot_device_id, device_type, farm_id, hour, readings, received, interval_source,
                                  interval_seconds, expected, missing, completeness, gaps, longest_gap_seconds,
                                  stuck_hours, out_of_range, clock_skew_seconds, delivered_late)
    SELECT iot_device_id, %s, farm_id, bucket, readings, readings, 'learned', 3600.0 / readings, readings, 0, 100, 0,
           3600 / readings, 0, ((iot_device_id + extract(hour FROM bucket)::integer) %% 50 = 0)::integer, 0.1,
           false
      FROM {} WHERE bucket >= %s AND bucket < %s ORDER BY bucket, iot_device_id
        ON CONFLICT (iot_device_id, hour) DO NOTHING
"""
# Each was heard at another moment. What the bridge has heard itself by now stays.
_STATES = """
    INSERT INTO iot_device_state (iot_device_id, last_seen, last_message_timestamp, battery_level, signal_strength)
    SELECT id, %s - id * interval '7 milliseconds', %s - id * interval '8 milliseconds', 80 + id %% 20,
           -67 - id %% 20
      FROM iot_device
        ON CONFLICT (iot_device_id) DO NOTHING
"""


def fill_business(farm: BenchFarm, history: History) -> None:
    """Make the farm's milkings of the history's length, up to now; the quality of the history's last week; and a state
    of each device."""
    farm.rows(_STATES, history.end, history.end)
    for device_type, table in TABLES.items():
        statement = sql.SQL(_QUALITY).format(sql.Identifier(f"{table}_hourly"))
        farm.rows(statement, device_type, history.end - _ASSESSED, history.end)
    with farm.connect() as connection, connection.cursor() as cursor:
        values = {
            "now": utc_now(),
            "milking": _MILKING,
            "between": _BETWEEN_MILKINGS,
            "milkings": SPAN // _BETWEEN_MILKINGS,
        }
        cursor.execute(_MILKINGS, values)
        say(f"{cursor.rowcount:,} milkings")
    for table in ("iot_device_state", "iot_data_quality", "milk_session"):
        farm.rows(sql.SQL("VACUUM ANALYZE {}").format(sql.Identifier(table)))
