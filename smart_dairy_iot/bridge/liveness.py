"""Notices devices that have gone silent and those that are back, and tells the reactors of each change once."""

from datetime import timedelta

from .topics import DEVICE_TYPE_PATHS

_CHANGES = """
    WITH due AS (
        SELECT state.iot_device_id
          FROM iot_device_state state
          JOIN iot_device device ON device.id = state.iot_device_id
          JOIN unnest(%(device_types)s, %(limits)s) AS threshold (device_type, last_heard)
            ON threshold.device_type = device.device_type
         WHERE state.silent IS DISTINCT FROM %(silent)s
           AND device.active AND device.state = 'active'
           AND (state.last_seen < threshold.last_heard) = %(silent)s
           -- The writer updates the same rows: one that it has just now is for the next time, not to be waited for.
           FOR UPDATE OF state SKIP LOCKED),
         change AS (
        UPDATE iot_device_state state SET silent = %(silent)s FROM due
         WHERE state.iot_device_id = due.iot_device_id
     RETURNING state.iot_device_id, state.last_seen)
    INSERT INTO iot_inbox (kind, iot_device_id, timestamp, channel, digest, payload, received_at, state, attempts,
                           next_try_at)
    SELECT %(kind)s, iot_device_id, last_seen, 0, '', '{}'::jsonb, %(now)s, 'new', 0, %(now)s FROM change
        ON CONFLICT (kind, iot_device_id, timestamp, channel, digest) DO NOTHING
 RETURNING 1
"""


class Liveness:
    """:param config: its `offline_minutes_of` tells for each type how long a device may say nothing"""

    def __init__(self, config):
        self._thresholds = {
            device_type: timedelta(minutes=config.offline_minutes_of(device_type)) for device_type in DEVICE_TYPE_PATHS
        }

    def check(self, connection, now, listening_since):
        """Record the changes up to `now`; all times are naive UTC.

        :param listening_since: since when we hear everything without a break
        """
        # After a start or an outage of the broker every device looks silent: it is ourselves who were not listening.
        listening = now - listening_since
        limits = {name: now - threshold for name, threshold in self._thresholds.items() if threshold <= listening}
        if not limits:
            return
        thresholds = {"device_types": list(limits), "limits": list(limits.values()), "now": now}
        with connection.cursor() as cursor:
            changed = False
            for silent, kind in ((True, "device_silent"), (False, "device_back")):
                cursor.execute(_CHANGES, {**thresholds, "silent": silent, "kind": kind})
                changed = cursor.rowcount > 0 or changed
            if changed:
                cursor.execute("NOTIFY iot_inbox")
