"""A light device that installs firmware: it takes the command, downloads in two parts, and reports the new version."""

import base64
import hashlib
import json
import threading
import time
import urllib.error
import urllib.request

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from support import PATIENCE_SECONDS, utc_now

OUTAGE_SECONDS = 240
"""So long a device tries to go on with a download, as while the server is started again."""


class FirmwareDevice:
    """Keeps its session with the broker and comes back by itself, as devices do.

    :param device: `support.Device`
    :param pool: an executor that does the downloads
    :param fails: answer every command with `failed`
    :param halfway: an event that it waits for when it has the first half of the file
    """

    def __init__(self, broker, device, pool, version, fails=False, halfway=None):
        self.device, self.version = device, version
        self.commands = []
        """The command ids that it has been sent, repetitions included."""
        self.installed = []
        """(command id, SHA-256 of what it downloaded) of each installation."""
        self.is_halfway = threading.Event()
        self._pool, self._fails, self._halfway = pool, fails, halfway
        self._subscribed = threading.Event()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=device.credentials.client_id, protocol=mqtt.MQTTv5
        )
        self._client.username_pw_set(device.credentials.username, device.credentials.password)
        self._client.tls_set(ca_certs=str(broker.ca_file))
        self._client.reconnect_delay_set(1, 2)
        self._client.on_connect = lambda client, *_arguments: client.subscribe(device.topic("commands"), qos=2)
        self._client.on_subscribe = lambda *_arguments: self._subscribed.set()
        self._client.on_message = self._on_message
        session = Properties(PacketTypes.CONNECT)
        session.SessionExpiryInterval = 3600
        self._client.connect(broker.host, broker.port, clean_start=False, properties=session)
        self._client.loop_start()

    def wait_subscribed(self):
        assert self._subscribed.wait(PATIENCE_SECONDS), f"{self.device.device_id} has not subscribed"

    def report(self):
        """Publish its status, with the version that it runs."""
        payload = self.device.payload(status="online", firmware_version=self.version)
        self._client.publish(self.device.topic("status"), json.dumps(payload), qos=1)

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, _client, _userdata, message):
        command = json.loads(message.payload)
        known = command["command_id"] in self.commands
        self.commands.append(command["command_id"])
        if known:
            return
        if self._fails:
            self._acknowledge(command, "failed", message="the new image does not start")
        else:
            self._pool.submit(self._install, command)

    def _install(self, command):
        asked = command["parameters"]
        self._acknowledge(command, "accepted")
        half = asked["size"] // 2
        first = self._download(asked["url"], f"bytes=0-{half - 1}")
        self._acknowledge(command, "progress", progress=50)
        self.is_halfway.set()
        if self._halfway is not None:
            assert self._halfway.wait(OUTAGE_SECONDS), "nobody let the download go on"
        digest = hashlib.sha256(first + self._download(asked["url"], f"bytes={half}-")).hexdigest()
        if digest != asked["sha256"]:
            self._acknowledge(command, "failed", message="the checksum is wrong")
            return
        self.installed.append((command["command_id"], digest))
        self._acknowledge(command, "done")
        self.version = asked["version"]
        self.report()

    def _download(self, url, part):
        """Part of the file, as soon as the server gives it."""
        credentials = f"{self.device.credentials.username}:{self.device.credentials.password}".encode()
        headers = {"Authorization": f"Basic {base64.b64encode(credentials).decode()}", "Range": part}
        end = time.monotonic() + OUTAGE_SECONDS
        while True:
            try:
                with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as response:
                    assert response.status == 206, response.status
                    return response.read()
            except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
                if time.monotonic() > end or getattr(error, "code", 503) < 500:
                    raise
                time.sleep(0.5)  # the server is away; there is no event to wait for

    def _acknowledge(self, command, status, **said):
        payload = {
            "device_id": self.device.device_id,
            "timestamp": utc_now().isoformat(),
            "command_id": command["command_id"],
            "status": status,
            **said,
        }
        self._client.publish(self.device.topic("acks"), json.dumps(payload), qos=1)
