"""Notices devices that have gone silent and those that are back, and tells the reactors of each change once."""

from datetime import timedelta

_CHANGES = """
    WITH change AS (
        UPDATE iot_device_state state SET silent = %(silent)s
          FROM iot_device device
         WHERE device.id = state.iot_device_id
           AND state.silent IS DISTINCT FROM %(silent)s
           AND device.active AND device.state = 'active'
           AND (state.last_seen < %(limit)s) = %(silent)s
     RETURNING state.iot_device_id, state.last_seen)
    INSERT INTO iot_inbox (kind, iot_device_id, timestamp, channel, payload, received_at, state, attempts, next_try_at)
    SELECT %(kind)s, iot_device_id, last_seen, 0, '{}'::jsonb, %(now)s, 'new', 0, %(now)s FROM change
        ON CONFLICT (kind, iot_device_id, timestamp, channel) DO NOTHING
 RETURNING 1
"""


class Liveness:
    """:param offline_minutes: a device that said nothing for longer is silent"""

    def __init__(self, offline_minutes, started_at):
        self._threshold = timedelta(minutes=offline_minutes)
        self._started_at = started_at

    def check(self, connection, now):
        """Record the changes up to `now` (naive UTC)."""
        # Right after a start every device looks silent: it is ourselves who were not listening.
        if now - self._started_at < self._threshold:
            return
        with connection.cursor() as cursor:
            changed = False
            for silent, kind in ((True, "device_silent"), (False, "device_back")):
                cursor.execute(_CHANGES, {"silent": silent, "kind": kind, "limit": now - self._threshold, "now": now})
                changed = cursor.rowcount > 0 or changed
            if changed:
                cursor.execute("NOTIFY iot_inbox")
