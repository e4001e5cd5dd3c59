"""Notices devices that have gone silent and those that are back, and tells the reactors of each change once."""

from datetime import timedelta

_CHANGES = """
    WITH due AS (
        SELECT state.iot_device_id
          FROM iot_device_state state JOIN iot_device device ON device.id = state.iot_device_id
         WHERE state.silent IS DISTINCT FROM %(silent)s
           AND device.active AND device.state = 'active'
           AND (state.last_seen < %(limit)s) = %(silent)s
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
    """:param offline_minutes: a device that said nothing for longer is silent"""

    def __init__(self, offline_minutes):
        self._threshold = timedelta(minutes=offline_minutes)

    def check(self, connection, now, listening_since):
        """Record the changes up to `now`; all times are naive UTC.

        :param listening_since: since when we hear everything without a break
        """
        # After a start or an outage of the broker every device looks silent: it is ourselves who were not listening.
        if now - listening_since < self._threshold:
            return
        with connection.cursor() as cursor:
            changed = False
            for silent, kind in ((True, "device_silent"), (False, "device_back")):
                cursor.execute(_CHANGES, {"silent": silent, "kind": kind, "limit": now - self._threshold, "now": now})
                changed = cursor.rowcount > 0 or changed
            if changed:
                cursor.execute("NOTIFY iot_inbox")
