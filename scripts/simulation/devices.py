"""A device's connection: TLS, the credentials it was issued, QoS 1 with resending, a retained status.

It publishes what the farm gives it, answers its commands, installs firmware, and works by the configuration that it
is sent.
"""

import json
import threading
from dataclasses import dataclass

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from .commands import UPDATE_FIRMWARE, CommandMemory
from .firmware import DownloadError, download
from .layout import TOPIC_SEGMENTS
from .messages import Message
from .sensors import FIRMWARE, status_message

KEEPALIVE_SECONDS = 60
# So many messages may wait for the broker's word while there is a connection: then the device waits too ...
WINDOW = 200
# ... and so many are kept while there is none. What comes then is lost, as in a device whose memory is full.
MEMORY = 5000


class Refused(Exception):
    """The broker does not accept the device's credentials. The message is for the user."""


@dataclass(frozen=True)
class Credentials:
    """What provisioning issued to one device."""

    username: str
    client_id: str
    password: str


@dataclass(frozen=True)
class Broker:
    """Where devices connect: host, TLS port and the file of the authority that signed the broker's certificate."""

    host: str
    port: int
    ca_file: str


class MqttDevice:
    """One device's connection to the broker; it reconnects by itself and sends again what was not acknowledged.

    :param device: a `layout.Device`
    :param farm_code: the first level of its topics after `dairy`
    :param now: callable giving simulated time, for its status messages
    """

    def __init__(self, device, farm_code, credentials, broker, now):
        self._device = device
        self._topics = f"dairy/{farm_code}/{TOPIC_SEGMENTS[device.device_type]}/{device.device_id}"
        self._now = now
        self._broker = broker
        self._change = threading.Condition()
        self._credentials = credentials
        self._memory = CommandMemory()
        self._firmware = FIRMWARE
        self._answer = None
        self._connected = False
        self._waiting = 0
        self.published = 0
        self.acknowledged = 0
        self.denied = 0
        self.dropped = 0
        self._client = self._make_client(credentials)

    def connect(self, patience=15.0):
        """Connect, and keep the connection from now on.

        :param patience: seconds to wait for the broker's first answer
        :raise Refused: the broker rejects the credentials, or does not answer
        """
        self._client.connect_async(self._broker.host, self._broker.port, KEEPALIVE_SECONDS)
        self._client.loop_start()
        with self._change:
            self._change.wait_for(lambda: self._answer is not None, patience)
            answer = self._answer
        if answer is None or answer.is_failure:
            self._client.loop_stop()
            reason = "no answer" if answer is None else answer
            raise Refused(f"{self._device.device_id}: the broker at {self._broker.host}:{self._broker.port}: {reason}")

    def publish(self, message, stop):
        """Hand over a `Message`; blocks while too much is unacknowledged, until `stop` (an Event) is set."""
        with self._change:
            while self._connected and self._waiting >= WINDOW and not stop.is_set():
                self._change.wait(1.0)
            if self._waiting >= MEMORY:
                self.dropped += 1
                return
            self._waiting += 1
            self.published += 1
        self._send(message)

    def close(self, patience=5.0):
        """Say goodbye: the retained status becomes `offline`, and what is on its way is waited for."""
        if self._connected:
            with self._change:
                self._waiting += 1
            self._send(status_message(self._device.device_id, self._now(), "offline"))
            with self._change:
                self._change.wait_for(lambda: not self._waiting or not self._connected, patience)
        self._client.disconnect()
        self._client.loop_stop()

    def _make_client(self, credentials):
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=credentials.client_id, protocol=mqtt.MQTTv5)
        client.username_pw_set(credentials.username, credentials.password)
        client.tls_set(ca_certs=self._broker.ca_file)
        client.reconnect_delay_set(min_delay=1, max_delay=30)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        # The will speaks for a device that has lost its connection: its time is when it connected.
        will = status_message(self._device.device_id, self._now(), "offline")
        client.will_set(f"{self._topics}/status", will.body, qos=1, retain=True)
        return client

    def _send(self, message):
        topic = f"{self._topics}/{message.message_type}"
        self._client.publish(topic, message.body, qos=1, retain=message.message_type == "status")

    def _on_connect(self, _client, _userdata, _flags, reason, _properties):
        with self._change:
            self._answer = reason
            self._connected = not reason.is_failure
            self._change.notify_all()
            if reason.is_failure:
                return
        self._client.subscribe([(f"{self._topics}/commands", 2), (f"{self._topics}/config", 2)])
        # The broker may have published the will meanwhile.
        self._say("status", status="online", firmware_version=self._firmware)

    def _on_message(self, _client, _userdata, message):
        told = json.loads(message.payload) if message.payload else {}
        if message.topic.endswith("/commands"):
            self._obey(told)
        elif "config_version" in told:
            self._say("status", status="online", config_version=told["config_version"])

    def _obey(self, command):
        begins = command not in self._memory
        for answer in self._memory.answers(command):
            self._say("acks", **answer)
        if begins and command["command"] == UPDATE_FIRMWARE and answer["status"] == "accepted":
            # Not here: while a callback runs, the connection is not served.
            threading.Thread(target=self._install, args=(command,), name="firmware", daemon=True).start()

    def _install(self, command):
        def report(percent):
            self._say("acks", **self._memory.say(command, "progress", progress=percent))

        try:
            download(command["parameters"], self._credentials, report)
        except DownloadError as error:
            self._say("acks", **self._memory.say(command, "failed", message=str(error)))
        else:
            self._firmware = command["parameters"]["version"]
            self._say("status", status="online", firmware_version=self._firmware)
            self._say("acks", **self._memory.say(command, "done", message=f"runs version {self._firmware}"))

    def _say(self, message_type, **fields):
        """Publish something of its own accord; unlike the farm's messages it waits for nothing."""
        with self._change:
            self._waiting += 1
        self._send(Message.build(self._now(), self._device.device_id, message_type, **fields))

    def _on_disconnect(self, _client, _userdata, _flags, _reason, _properties):
        with self._change:
            self._connected = False
            self._change.notify_all()

    def _on_publish(self, _client, _userdata, _mid, reason, _properties):
        with self._change:
            self._waiting -= 1
            self.acknowledged += 1
            if reason.is_failure:
                self.denied += 1
            self._change.notify_all()
