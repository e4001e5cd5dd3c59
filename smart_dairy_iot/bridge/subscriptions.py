"""What a bridge's session at the broker may be subscribed to, remembered in the database.

The broker keeps the session, and all that was ever subscribed to in it. A topic that is taken away while the bridge or
the broker is away would go on being delivered, only to become dead letters; so would everything a second time, where
the bridge becomes one of a group. So what is about to be subscribed to is written down before that, and what is there
and no longer wanted is unsubscribed from over each new connection. A bridge that ends in between finds more here than
in its session: to unsubscribe from what is not there does no harm.
"""

from collections.abc import Sequence
from typing import NamedTuple

# The leader of a client id alone writes what is under it. Nothing keeps a filter from being there twice, and a unique
# index would not take the longest ones.
_REMEMBER = """
    INSERT INTO iot_bridge_subscription (client_id, topic_filter)
    SELECT %(client_id)s, wanted FROM unnest(%(wanted)s::text[]) AS wanted
    EXCEPT SELECT client_id, topic_filter FROM iot_bridge_subscription
"""
_STALE = """
    SELECT DISTINCT topic_filter FROM iot_bridge_subscription
     WHERE client_id = %(client_id)s AND topic_filter <> ALL(%(wanted)s::text[]) ORDER BY topic_filter
"""
_FORGET = "DELETE FROM iot_bridge_subscription WHERE client_id = %s AND topic_filter = ANY(%s)"


class SessionFilters(NamedTuple):
    """Topic filters, as the broker is told them."""

    wanted: Sequence[str]
    #: What the session may have from before, and is not to have.
    stale: Sequence[str] = ()


class Subscriptions:
    """:param config: its client id has the session; bridges of its group share what comes, device by device"""

    def __init__(self, config):
        self._client_id = config.mqtt_bridge_client_id
        self._prefix = f"$share/{config.bridge_share_group}/" if config.bridge_share_group else ""

    def remember(self, cursor, topic_filters):
        """Write down what is to be subscribed to, outside of a transaction: it has to be there if this process ends.

        :return: the `SessionFilters` to be subscribed to and unsubscribed from
        """
        wanted = [f"{self._prefix}{topic_filter}" for topic_filter in topic_filters]
        parameters = {"client_id": self._client_id, "wanted": wanted}
        cursor.execute(_REMEMBER, parameters)
        cursor.execute(_STALE, parameters)
        return SessionFilters(wanted, [topic_filter for (topic_filter,) in cursor.fetchall()])

    def forget(self, cursor, stale):
        """Strike out what the session no longer has."""
        cursor.execute(_FORGET, [self._client_id, stale])
