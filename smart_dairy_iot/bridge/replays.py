"""Sends dead letters that a user released through the pipeline once more."""

from concurrent.futures import Future

from .messages import Message
from .timestamps import utc_now

# What a person corrected is sent instead of what the device said, on the device's own topic all the same.
_SELECT = """
    SELECT id, topic, coalesce(convert_to(corrected_payload, 'UTF8'), payload)
      FROM iot_dead_letter WHERE state = 'replaying' ORDER BY id LIMIT 500
"""


class Replays:
    """:param put: callable that takes a `Message`, such as `Pipeline.put`"""

    def __init__(self, put):
        self._put = put
        self._under_way = set()

    def submit(self, connection):
        """Put what is released and not under way, up to 500 at a time."""
        # As it is before the table is read: what the writer settles meanwhile is read as still to be replayed.
        under_way = set(self._under_way)
        with connection.cursor() as cursor:
            cursor.execute(_SELECT)
            rows = [row for row in cursor.fetchall() if row[0] not in under_way]
        for letter_id, topic, payload in rows:
            self._under_way.add(letter_id)
            message = Message(topic, bytes(payload), utc_now(), future=Future(), dead_letter_id=letter_id)
            message.future.add_done_callback(lambda _future, letter_id=letter_id: self._under_way.discard(letter_id))
            self._put(message)
