"""How far inbox and outbox lag behind."""

# Those that are tried again later are told apart: one bad message is no lag.
_INBOX = """
    SELECT count(*) FILTER (WHERE state = 'new' AND attempts = 0),
           count(*) FILTER (WHERE state = 'new' AND attempts > 0),
           count(*) FILTER (WHERE state = 'failed'),
           extract(epoch FROM now() AT TIME ZONE 'UTC' - min(received_at)
                              FILTER (WHERE state = 'new' AND attempts = 0))
      FROM iot_inbox WHERE state IN ('new', 'failed')
"""
_OUTBOX = """
    SELECT count(*) FILTER (WHERE state = 'queued'),
           count(*) FILTER (WHERE state = 'failed'),
           extract(epoch FROM now() AT TIME ZONE 'UTC' - min(create_date) FILTER (WHERE state = 'queued'))
      FROM iot_outbox WHERE state IN ('queued', 'failed')
"""


def read_mailboxes(cursor):
    """How many messages and entries wait, by state, and for how many seconds the oldest has.

    :return: {"inbox": {"new", "retrying", "failed", "lag_seconds"}, "outbox": {"queued", "failed", "lag_seconds"}}
    """
    cursor.execute(_INBOX)
    new, retrying, failed_messages, inbox_lag = cursor.fetchone()
    cursor.execute(_OUTBOX)
    queued, failed_entries, outbox_lag = cursor.fetchone()
    return {
        "inbox": {"new": new, "retrying": retrying, "failed": failed_messages, "lag_seconds": _seconds(inbox_lag)},
        "outbox": {"queued": queued, "failed": failed_entries, "lag_seconds": _seconds(outbox_lag)},
    }


def _seconds(lag):
    # Of what was received on a machine whose clock is a little ahead the age would be negative.
    return max(0.0, round(float(lag or 0), 1))
