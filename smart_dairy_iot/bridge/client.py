"""The bridge's MQTT 5 connection: a session that persists, QoS 1, acknowledgement by hand.

What is delivered and not yet acknowledged is in the `Window`, which knows over which connection
it may be acknowledged.
"""

import contextlib
import logging
import threading
import time

import orjson
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from .bulk_client import BulkClient
from .messages import MQTT, Message
from .timestamps import utc_now
from .topics import HEALTH_TOPIC, check_publishable
from .window import Window

_logger = logging.getLogger(__name__)

_NEVER_EXPIRES = 0xFFFFFFFF
# A connection that swallows everything is found out within twice that, so that another bridge can take over within ten
# seconds.
_KEEPALIVE = 3
_SILENT = "Keep alive timeout"
# Of an MQTT 5 PUBLISH, beside topic and payload, at most: its header, the topic's length, packet id and no properties.
_PACKET_OVERHEAD = 10
_SHORTEST_RECONNECT, _LONGEST_RECONNECT = 1, 30


class BrokerClient:
    """Receives into `deliver` and publishes.

    :param config: `Config`
    :param filters: `SessionFilters`
    :param deliver: callable(`Message`), called in paho's thread; it must not block
    :param may_speak: callable; whether this process may connect and publish, being the one that leads
    """

    def __init__(self, config, filters, deliver, may_speak):
        self._config = config
        self._filters = filters
        self._deliver = deliver
        self.may_speak = may_speak
        self._window = Window()
        self._outage_reported = False
        self.connected = threading.Event()
        #: The broker has taken the subscriptions: from here on nothing that is published is missed.
        self.receiving = threading.Event()
        #: Whether the broker has ever let this client in.
        self.ever_connected = False
        self._without_broker_since = time.monotonic()
        self._largest_packet = None
        self._subscribing_lock = threading.RLock()
        # Packet ids of what was asked for last.
        self._subscribing = self._unsubscribing = None
        self._unsubscribed_at = None
        self._refused_subscriptions = []
        self._refusals = {}
        self._client = self._make_client()

    def start(self):
        """Connect in the background, and again whenever the connection is lost."""
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = _NEVER_EXPIRES
        properties.ReceiveMaximum = self._config.bridge_receive_maximum
        self._client.connect_async(
            self._config.mqtt_broker_host,
            self._config.mqtt_broker_port,
            keepalive=_KEEPALIVE,
            clean_start=False,
            properties=properties,
        )
        self._client.loop_start()

    def stop(self, farewell):
        """Say goodbye on the health topic and disconnect; the session stays with the broker.

        :param farewell: dict, or None to go without a word
        """
        if farewell and self.connected.is_set():
            # RuntimeError: the connection was lost this moment, and the broker says so in our place.
            with contextlib.suppress(RuntimeError):
                self.publish(HEALTH_TOPIC, orjson.dumps(farewell), qos=1, retain=True).wait_for_publish(timeout=2)
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def alive(self):
        """Whether paho's thread runs; an error in it ends it without a word, and nothing is received any more."""
        return self._client.alive

    @property
    def seconds_without_broker(self):
        """For how long there has been no connection, 0 where there is one."""
        return 0.0 if self.connected.is_set() else time.monotonic() - self._without_broker_since

    def publish(self, topic, payload, qos, retain):
        """:return: paho's `MQTTMessageInfo`

        :raises ValueError: where the broker takes no such message; it would close the connection over it, every time
        """
        check_publishable(topic)
        largest = self._largest_packet
        if largest and len(topic.encode()) + len(payload) + _PACKET_OVERHEAD > largest:
            raise ValueError(f"the broker takes no message of more than {largest} bytes")
        return self._client.publish(topic, payload, qos=qos, retain=retain)

    def refusal_of(self, publication):
        """Why the broker refuses a message that it has confirmed.

        :param publication: what `publish` gave, confirmed; asked once
        :return: paho's `ReasonCode`, None where the broker has taken it
        """
        return self._refusals.pop(publication.mid, None)

    def subscribe(self, filters):
        """Make these the subscriptions, at once where connected.

        :param filters: `SessionFilters`
        """
        with self._subscribing_lock:
            self._filters, self._refused_subscriptions = filters, []
            self._subscribing = self._unsubscribing = self._unsubscribed_at = None
            if self.connected.is_set():
                self._send_subscriptions()

    def subscribe_again(self):
        """Ask once more for subscriptions that the broker has refused: it may have been in trouble itself."""
        if self._refused_subscriptions and self.connected.is_set():
            self._send_subscriptions()

    def rid_of(self, seconds):
        """The stale filters, once the broker has had none of them for so long, without a break of the connection."""
        with self._subscribing_lock:
            since = self._unsubscribed_at
            return list(self._filters.stale) if since is not None and time.monotonic() - since >= seconds else []

    def forget(self, stale):
        """Unsubscribe from these no more."""
        with self._subscribing_lock:
            kept = [topic_filter for topic_filter in self._filters.stale if topic_filter not in stale]
            self._filters = self._filters._replace(stale=kept)

    def acknowledge(self, messages):
        """Acknowledge what is committed, as far as the connection that delivered it still stands."""
        self._window.settle(messages, self._client.acknowledge)

    def _make_client(self):
        client = BulkClient(self._config.mqtt_bridge_client_id, self._on_message)
        client.username_pw_set(self._config.mqtt_bridge_username, self._config.mqtt_bridge_password)
        if self._config.mqtt_use_tls:
            client.use_tls(self._config.mqtt_ca_file or None)
        if not self._config.bridge_share_group:
            # In a group others go on, and one of them says so.
            client.will_set(HEALTH_TOPIC, orjson.dumps({"status": "lost"}), qos=1, retain=True)
        client.reconnect_delay_set(_SHORTEST_RECONNECT, _LONGEST_RECONNECT)
        client.on_pre_connect = self._on_pre_connect
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_unsubscribe = self._on_unsubscribe
        return client

    def _send_subscriptions(self):
        # Retained statuses come once, with a new subscription, not again at every reconnection. (With a shared one they
        # do not come at all.)
        options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
        # The answer may be here before the packet id is.
        with self._subscribing_lock:
            self.receiving.clear()
            self._subscribing = self._unsubscribing = self._unsubscribed_at = None
            if self._filters.wanted:
                asked = [(topic_filter, options) for topic_filter in self._filters.wanted]
                _code, self._subscribing = self._client.subscribe(asked)
            else:
                self._unsubscribe()

    def _unsubscribe(self):
        if self._filters.stale:
            _code, self._unsubscribing = self._client.unsubscribe(list(self._filters.stale))

    # -- paho's thread -------------------------------------------------------------------------------------

    def _on_pre_connect(self, _client, _userdata):
        if not self.may_speak():
            # It would put the one that leads by now off the broker. paho takes this for a failure, and tries again.
            raise ConnectionAbortedError("this process may no longer lead")

    def _on_connect(self, _client, _userdata, flags, reason_code, properties):
        if reason_code.is_failure:
            self._report_outage(f"the broker refuses the bridge: {reason_code}")
            return
        if not self.may_speak():
            # The lead was lost while the broker answered.
            self._client.disconnect()
            return
        self._window.turn_over()
        self._largest_packet = getattr(properties, "MaximumPacketSize", None)
        self._outage_reported = False
        self.ever_connected = True
        self.connected.set()
        session = "kept its session" if flags.session_present else "has a new session"
        _logger.info("The bridge is connected to the broker and %s", session)
        self._send_subscriptions()

    def _on_subscribe(self, _client, _userdata, packet_id, reason_codes, _properties):
        with self._subscribing_lock:
            if packet_id != self._subscribing:
                return
            answers = zip(self._filters.wanted, reason_codes, strict=True)
            refused = [topic_filter for topic_filter, code in answers if code.is_failure]
            if refused and refused != self._refused_subscriptions:
                _logger.error("The broker refuses the bridge these subscriptions: %s", ", ".join(refused))
            self._refused_subscriptions = refused
            if not refused:
                self.receiving.set()
                # Not before: what the new ones and the old ones both match must not fall between them.
                self._unsubscribe()

    def _on_unsubscribe(self, _client, _userdata, packet_id, reason_codes, _properties):
        with self._subscribing_lock:
            if packet_id != self._unsubscribing:
                return
            if any(code.is_failure for code in reason_codes):
                _logger.error("The broker does not end all of these subscriptions: %s", ", ".join(self._filters.stale))
            else:
                self._unsubscribed_at = time.monotonic()

    def _on_publish(self, _client, _userdata, packet_id, reason_code, _properties):
        # Before paho tells that it is published. The packet id may have been another's, whom nobody asked about.
        if reason_code.is_failure:
            self._refusals[packet_id] = reason_code
        else:
            self._refusals.pop(packet_id, None)

    def _on_connect_fail(self, _client, _userdata):
        if self.may_speak():
            self._report_outage("the broker cannot be reached")

    def _on_disconnect(self, _client, _userdata, _flags, reason_code, _properties):
        # From here on nothing may be acknowledged: the next connection can begin before it is reported.
        self._window.turn_over()
        # A broker that ends now may come back as it was before.
        self._unsubscribed_at = None
        if self.connected.is_set():
            # One that swallowed everything had been lost for as long as it took to find out.
            lost_for = 2 * _KEEPALIVE if reason_code == _SILENT else 0
            self._without_broker_since = time.monotonic() - lost_for
        self.connected.clear()
        self.receiving.clear()
        if reason_code.is_failure:
            self._report_outage(f"the connection to the broker was lost: {reason_code}")

    def _report_outage(self, sentence):
        if not self._outage_reported:
            self._outage_reported = True
            _logger.warning("%s; the bridge keeps trying", sentence)

    def _on_message(self, topic, payload, packet_id, qos, retained):
        message = Message(topic, payload, utc_now(), mid=packet_id, qos=qos, retained=retained, transport=MQTT)
        if not qos or self._window.admit(message):
            self._deliver(message)
