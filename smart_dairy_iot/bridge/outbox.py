"""Publishes what Odoo's transactions left in the outbox, in order, and marks it sent once the broker has it.

At least once: after a crash between the two an entry goes out again, which its id lets a receiver ignore.
"""

_QUEUED = (
    "SELECT id, topic, payload, qos, retain, iot_device_id FROM iot_outbox WHERE state = 'queued' ORDER BY id LIMIT 500"
)
_SENT = "UPDATE iot_outbox SET state = 'sent', sent_at = now() AT TIME ZONE 'UTC' WHERE id = ANY(%s)"
_COUNT = """
    INSERT INTO iot_device_state AS state (iot_device_id, messages_received, messages_sent, error_count, silent)
    SELECT iot_device_id, 0, count(*), 0, false FROM iot_outbox
     WHERE id = ANY(%s) AND iot_device_id IS NOT NULL GROUP BY iot_device_id ORDER BY iot_device_id
        ON CONFLICT (iot_device_id) DO UPDATE SET messages_sent = state.messages_sent + excluded.messages_sent
"""
_BROKER_TIMEOUT = 10


class Outbox:
    """:param client: `BrokerClient`"""

    def __init__(self, client):
        self._client = client

    def publish(self, connection):
        """Publish what is queued, 500 at a time, as long as the broker takes it."""
        while self._client.connected.is_set():
            with connection.cursor() as cursor:
                cursor.execute(_QUEUED)
                entries = cursor.fetchall()
            sent = self._send(entries)
            if not sent:
                return
            with connection.cursor() as cursor:
                cursor.execute(_SENT, [sent])
                cursor.execute(_COUNT, [sent])

    def _send(self, entries):
        """:return: ids of the entries that the broker has acknowledged"""
        publications = [
            (entry_id, self._client.publish(topic, payload.encode(), qos, retain))
            for entry_id, topic, payload, qos, retain, _device in entries
        ]
        sent = []
        for entry_id, publication in publications:
            try:
                publication.wait_for_publish(timeout=_BROKER_TIMEOUT)
            except (RuntimeError, ValueError):
                # Not connected, or paho's own queue is full: the entry stays queued.
                break
            if not publication.is_published():
                break
            sent.append(entry_id)
        return sent
