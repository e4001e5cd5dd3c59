"""A device's own MQTT client: it speaks MQTT 5, so that the broker says what it refuses."""

import contextlib
import queue
import ssl
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PATIENCE_SECONDS = 60
OFF_SECONDS = 5
"""Whoever loses his rights is off the broker within so long."""
SESSION_SECONDS = 3600


class MqttClient:
    """One connection over TLS, opened at once and never again by itself.

    :param config: the `Config` that leads to the broker
    :param port: another port of it
    :param certificate: path of a PEM file with the device's certificate and key
    :param keep_session: go on with the client id's session, and leave it behind
    :param websocket: whether that port is one for WebSocket
    """

    def __init__(
        self,
        config,
        client_id,
        username=None,
        password=None,
        port=None,
        certificate=None,
        keep_session=False,
        websocket=False,
    ):
        self.disconnected = threading.Event()
        self.answer = None
        """The reason code of the broker's CONNACK; None when it ended the connection without one."""
        self.told = None
        """The properties of the broker's CONNACK."""
        self._lock = threading.Condition()
        self._answers = {}
        self._messages = queue.Queue()
        self._client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=mqtt.MQTTv5,
            transport="websockets" if websocket else "tcp",
            reconnect_on_failure=False,
        )
        if username is not None:
            self._client.username_pw_set(username, password)
        context = ssl.create_default_context(cafile=config.mqtt_ca_file)
        if certificate:
            context.load_cert_chain(certificate)
        self._client.tls_set_context(context)
        self._client.on_connect = self._on_connect
        self._client.on_publish = lambda _c, _d, mid, reason, _p: self._note(mid, reason)
        self._client.on_subscribe = lambda _c, _d, mid, reasons, _p: self._note(mid, reasons[0])
        self._client.on_message = lambda _c, _d, message: self._messages.put(message)
        self._client.on_disconnect = self._on_disconnect
        # A server that refuses a certificate says so during the handshake or, with TLS 1.3, right after it.
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            self._client.connect(
                config.mqtt_broker_host,
                port or config.mqtt_broker_port,
                clean_start=not keep_session,
                properties=_session_expiry(SESSION_SECONDS if keep_session else 0),
            )
            self._client.loop_start()
            self.answer = self._answer_to("connect")

    @property
    def refused(self):
        """Whether the broker did not let it in."""
        return self.answer is None or self.answer.is_failure

    @property
    def tls_version(self):
        """The protocol that was negotiated, such as TLSv1.3."""
        return self._client.socket().version()

    def publish(self, topic, payload=b"{}", **options):
        """Whether the broker took it."""
        return self.granted(self.send(topic, payload, **options))

    def subscribe(self, topic):
        """Whether the broker granted it."""
        return self.granted(self.ask(topic))

    def send(self, topic, payload, qos=1, retain=False):
        """Publish without waiting; returns what `granted` wants."""
        return self._client.publish(topic, payload, qos=qos, retain=retain).mid

    def ask(self, topic):
        """Subscribe without waiting; returns what `granted` wants."""
        return self._client.subscribe(topic, qos=1)[1]

    def granted(self, request):
        """The broker's answer to `send` or `ask`."""
        return not self._answer_to(request).is_failure

    def message(self):
        """The next message that comes in."""
        return self._messages.get(timeout=PATIENCE_SECONDS)

    def received(self):
        """What has come in and was not asked for yet: [(topic, payload)]."""
        messages = []
        with contextlib.suppress(queue.Empty):
            while True:
                message = self._messages.get_nowait()
                messages.append((message.topic, message.payload))
        return messages

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, _client, _userdata, _flags, reason, properties):
        self.told = properties
        self._note("connect", reason)

    def _on_disconnect(self, *_arguments):
        self.disconnected.set()
        self._note("connect", None)

    def _note(self, key, answer):
        with self._lock:
            self._answers.setdefault(key, []).append(answer)
            self._lock.notify_all()

    def _answer_to(self, key):
        with self._lock:
            assert self._lock.wait_for(lambda: self._answers.get(key), PATIENCE_SECONDS), f"no answer: {key}"
            return self._answers[key].pop(0)


def _session_expiry(seconds):
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = seconds
    return properties
