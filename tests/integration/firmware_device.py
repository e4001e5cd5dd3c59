"""Light devices that install firmware, in a process of their own, which can be killed as their power is cut.

    python firmware_device.py DIRECTORY

works by the `devices.json` of the directory (see `FirmwareDevices.write_plan` in the test). A device takes the command,
downloads the file in two parts, and reports the version that it then runs. What it keeps without power it keeps in
files of that directory: started again, it goes on with what it was doing, from the part that it has.

The test tells them by files, too: a device fails while there is one named after it with `.broken`; one that
`stops_halfway` waits with the first half until there is one named `go-on`.
"""

import base64
import hashlib
import json
import os
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PLAN = "devices.json"
GO_ON = "go-on"
BROKEN = ".broken"
FIRST_VERSION = "1.0"

OUTAGE_SECONDS = 240
"""So long a device tries to go on with a download, as while the server is started again."""


class Flash:
    """What a device keeps without power: `version`; `commands`, the ids that it was sent, repetitions included; `job`,
    the command that it is at; `halfway`, whether it has the first half; `installed`, [command id, SHA-256] of each
    installation. Written as a whole or not at all."""

    def __init__(self, directory, device_id):
        self._file = directory / f"{device_id}.json"
        self._lock = threading.Lock()
        self._kept = {"version": FIRST_VERSION, "commands": [], "job": None, "halfway": False, "installed": []}
        self.half = directory / f"{device_id}.half"
        if self._file.exists():
            self._kept = json.loads(self._file.read_text())

    def __getitem__(self, name):
        return self._kept[name]

    def keep(self, **changes):
        """Change what is kept."""
        with self._lock:
            self._kept = {**self._kept, **changes}
            replace(self._file, json.dumps(self._kept).encode())


def replace(path, content):
    """Write a file as a whole or not at all."""
    fresh = path.with_name(path.name + ".fresh")
    fresh.write_bytes(content)
    os.replace(fresh, path)


class FirmwareDevice:
    """Keeps its session with the broker and comes back by itself, as devices do.

    :param plan: `broker` (host, port, ca_file) of all
    :param device: its part of the plan: device_id, topics (without the message type), username, client_id, password,
        stops_halfway
    :param pool: an executor that does the downloads
    """

    def __init__(self, directory, plan, device, pool):
        self._directory, self._device, self._pool = directory, device, pool
        self._flash = Flash(directory, device["device_id"])
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=device["client_id"], protocol=mqtt.MQTTv5)
        self._client.username_pw_set(device["username"], device["password"])
        self._client.tls_set(ca_certs=plan["broker"]["ca_file"])
        self._client.reconnect_delay_set(1, 2)
        self._client.on_connect = lambda client, *_arguments: client.subscribe(f"{device['topics']}/commands", qos=2)
        self._client.on_subscribe = lambda *_arguments: self._report()
        self._client.on_message = self._on_message
        session = Properties(PacketTypes.CONNECT)
        session.SessionExpiryInterval = 3600
        self._client.connect(plan["broker"]["host"], plan["broker"]["port"], clean_start=False, properties=session)
        self._client.loop_start()
        if self._flash["job"]:
            self._pool.submit(self._install)

    def _report(self):
        """Publish its status, with the version that it runs."""
        self._say("status", status="online", firmware_version=self._flash["version"])

    def _on_message(self, _client, _userdata, message):
        command = json.loads(message.payload)
        known = command["command_id"] in self._flash["commands"]
        self._flash.keep(commands=[*self._flash["commands"], command["command_id"]])
        if known:
            return
        if (self._directory / f"{self._device['device_id']}{BROKEN}").exists():
            self._acknowledge(command, "failed", message="the new image does not start")
        else:
            self._flash.keep(job=command, halfway=False)
            self._pool.submit(self._install)

    def _install(self):
        """Do what it was told; anew or from the first half on."""
        command = self._flash["job"]
        asked = command["parameters"]
        half = asked["size"] // 2
        if not self._flash["halfway"]:
            self._acknowledge(command, "accepted")
            replace(self._flash.half, self._download(asked["url"], f"bytes=0-{half - 1}"))
            self._acknowledge(command, "progress", progress=50)
            self._flash.keep(halfway=True)
        if self._device["stops_halfway"]:
            self._wait_to_go_on()
        content = self._flash.half.read_bytes() + self._download(asked["url"], f"bytes={half}-")
        digest = hashlib.sha256(content).hexdigest()
        if digest != asked["sha256"]:
            self._flash.keep(job=None)
            self._acknowledge(command, "failed", message="the checksum is wrong")
            return
        installed = [*self._flash["installed"], [command["command_id"], digest]]
        self._flash.keep(job=None, installed=installed, version=asked["version"])
        self._acknowledge(command, "done")
        self._report()

    def _wait_to_go_on(self):
        end = time.monotonic() + OUTAGE_SECONDS
        while not (self._directory / GO_ON).exists():
            if time.monotonic() > end:
                raise TimeoutError("nobody let the download go on")
            time.sleep(0.2)

    def _download(self, url, part):
        """Part of the file, as soon as the server gives it."""
        credentials = f"{self._device['username']}:{self._device['password']}".encode()
        headers = {"Authorization": f"Basic {base64.b64encode(credentials).decode()}", "Range": part}
        end = time.monotonic() + OUTAGE_SECONDS
        while True:
            try:
                with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as response:
                    if response.status != 206:
                        raise RuntimeError(f"{url} answered {response.status} to {part}")
                    return response.read()
            except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
                if time.monotonic() > end or getattr(error, "code", 503) < 500:
                    raise
                time.sleep(0.5)  # the server is away; there is no event to wait for

    def _acknowledge(self, command, status, **said):
        self._say("acks", command_id=command["command_id"], status=status, **said)

    def _say(self, message_type, **said):
        now = datetime.now(timezone.utc).isoformat()
        payload = {"device_id": self._device["device_id"], "timestamp": now, **said}
        self._client.publish(f"{self._device['topics']}/{message_type}", json.dumps(payload), qos=1)


def main(directory):
    """Be the devices until killed."""
    plan = json.loads((directory / PLAN).read_text())
    with ThreadPoolExecutor(max_workers=len(plan["devices"])) as pool:
        devices = [FirmwareDevice(directory, plan, device, pool) for device in plan["devices"]]
        print(f"{len(devices)} devices", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
