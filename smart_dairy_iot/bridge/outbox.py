"""Publishes what Odoo's transactions left in the outbox, in order, and marks it sent once the broker has it.

At least once: after a crash between the two an entry goes out again. It never waits for the broker: the loop that calls
it has other duties. What the broker has not confirmed is under way, and not published a second time meanwhile. What the
broker refuses, such as a topic to which the bridge has no right, would be refused again: it is kept as failed, with the
broker's reason, for a person to see. Only a packet id that is in use says nothing of the entry: a bridge that was
killed had it, and EMQX waits for the rest of that message (QoS 2). Such an entry goes out again, by another packet id,
and so after some that it was ahead of.
"""

import logging

_logger = logging.getLogger(__name__)

_QUEUED = """
    SELECT id, topic, payload, qos, retain FROM iot_outbox
     WHERE state = 'queued' AND id <> ALL(%s) ORDER BY id LIMIT %s
"""
_SENT = "UPDATE iot_outbox SET state = 'sent', sent_at = now() AT TIME ZONE 'UTC' WHERE id = ANY(%s)"
_FAILED = "UPDATE iot_outbox SET state = 'failed', error = %s WHERE id = %s"
_COUNT = """
    INSERT INTO iot_device_state AS state (iot_device_id, messages_received, messages_sent, error_count, silent)
    SELECT iot_device_id, 0, count(*), 0, false FROM iot_outbox
     WHERE id = ANY(%s) AND iot_device_id IS NOT NULL GROUP BY iot_device_id ORDER BY iot_device_id
        ON CONFLICT (iot_device_id) DO UPDATE SET messages_sent = state.messages_sent + excluded.messages_sent
"""
_MOST_UNDER_WAY = 500
# Of PUBACK and PUBREC (MQTT 5, 2.4).
_PACKET_ID_IN_USE = 0x91


class Outbox:
    """:param client: `BrokerClient`"""

    def __init__(self, client):
        self._client = client
        self._under_way = {}

    @property
    def busy(self):
        """Whether the broker's confirmation is awaited."""
        return bool(self._under_way)

    def publish(self, connection):
        """Mark what the broker has confirmed and publish what is queued, up to 500 at a time."""
        self._settle(connection)
        room = _MOST_UNDER_WAY - len(self._under_way)
        if not room or not self._client.connected.is_set():
            return
        with connection.cursor() as cursor:
            cursor.execute(_QUEUED, [list(self._under_way), room])
            entries = cursor.fetchall()
        for entry in entries:
            if not self._client.may_speak():
                # It was stopped in the middle of this, and whoever leads by now publishes them.
                return
            self._publish(connection, *entry)

    def _publish(self, connection, entry_id, topic, payload, qos, retain):
        try:
            self._under_way[entry_id] = self._client.publish(topic, payload.encode(), qos, retain)
        except ValueError as error:
            _fail(connection, entry_id, str(error))

    def _settle(self, connection):
        sent = []
        for entry_id, publication in list(self._under_way.items()):
            try:
                confirmed = publication.is_published()
            except (RuntimeError, ValueError):
                # The connection was lost in that moment, or paho's own queue is full: it is published again.
                del self._under_way[entry_id]
                continue
            refusal = self._client.refusal_of(publication) if confirmed else None
            if refusal == _PACKET_ID_IN_USE:
                del self._under_way[entry_id]
            elif refusal:
                _fail(connection, entry_id, f"the broker refuses it: {refusal}")
                del self._under_way[entry_id]
            elif confirmed:
                sent.append(entry_id)
        if sent:
            with connection.cursor() as cursor:
                cursor.execute(_SENT, [sent])
                cursor.execute(_COUNT, [sent])
            for entry_id in sent:
                del self._under_way[entry_id]


def _fail(connection, entry_id, complaint):
    """Keep an entry for a person to see; it must not hold up the others."""
    with connection.cursor() as cursor:
        cursor.execute(_FAILED, [complaint, entry_id])
    _logger.error("Entry %s of the outbox cannot be published: %s", entry_id, complaint)
