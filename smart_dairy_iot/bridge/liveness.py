"""Notices devices that have gone silent and those that are back, and tells the reactors of each change once."""

import time
from datetime import timedelta

from .topics import DEVICE_TYPE_PATHS

# A clock that differs by more than that from one look to the next was set.
_CLOCK_WAS_SET = timedelta(seconds=5)

_SET_BACK = """
    WITH ahead AS (
        SELECT iot_device_id FROM iot_device_state WHERE last_seen > %(now)s + %(tolerance)s
           FOR UPDATE SKIP LOCKED)
    UPDATE iot_device_state state SET last_seen = %(latest)s FROM ahead
     WHERE state.iot_device_id = ahead.iot_device_id
"""
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


class Listening:
    """Since when all that devices say is heard, and stored, without a break.

    That begins anew where the clock is set: when a device was last heard is then told by another clock.

    :param clock: callable that gives seconds, whatever is done to the time of day
    """

    def __init__(self, clock=time.monotonic):
        self._clock = clock
        self._since = None
        self._clock_began = None

    def since(self, listens, now):
        """To be asked every now and then.

        :param listens: whether what devices say is heard and stored at present
        :param now: naive UTC
        :return: naive UTC, None where it is not
        """
        clock_began = now - timedelta(seconds=self._clock())
        if not listens:
            self._since = None
        elif self._since is None or abs(clock_began - self._clock_began) > _CLOCK_WAS_SET:
            self._since = now
        self._clock_began = clock_began
        return self._since


class Liveness:
    """:param config: its `offline_minutes_of` tells for each type how long a device may say nothing"""

    def __init__(self, config):
        self._thresholds = {
            device_type: timedelta(minutes=config.offline_minutes_of(device_type)) for device_type in DEVICE_TYPE_PATHS
        }

    def check(self, connection, now, listening_since):
        """Record the changes up to `now`, and set back what was last seen later than that; all times are naive UTC.

        :param listening_since: since when we hear everything without a break
        """
        # After a start, or an outage of broker or database, every device looks silent: it is ourselves who were deaf.
        listening = now - listening_since
        limits = {name: now - threshold for name, threshold in self._thresholds.items() if threshold <= listening}
        # After a clock that was ahead, this host's or another one's, a device would be heard of in times to come. When
        # we have only just begun to listen, perhaps for that very reason, it need not have been heard since.
        ahead = {"now": now, "tolerance": _CLOCK_WAS_SET, "latest": now if limits else listening_since}
        thresholds = {"device_types": list(limits), "limits": list(limits.values()), "now": now}
        with connection.cursor() as cursor:
            cursor.execute(_SET_BACK, ahead)
            if not limits:
                return
            changed = False
            for silent, kind in ((True, "device_silent"), (False, "device_back")):
                cursor.execute(_CHANGES, {**thresholds, "silent": silent, "kind": kind})
                changed = cursor.rowcount > 0 or changed
            if changed:
                cursor.execute("NOTIFY iot_inbox")
