"""Publishes a trial's messages at a steady rate, as devices do that keep what the broker has not acknowledged."""

import bisect
import threading
import time
from collections import Counter

import paho.mqtt.client as mqtt

from .traffic import Traffic

_WINDOW = 2000  # unacknowledged messages under way
_RECONNECT_SECONDS = 0.2


class Load:
    """One connection that speaks for all devices, QoS 1. What a killed broker did not acknowledge is sent again.

    :param connection: of the broker: {"host", "port", "ca_file", "username", "password"}
    :param rate: messages a second
    """

    def __init__(self, traffic: Traffic, connection: dict, rate: float):
        self.traffic = traffic
        self._rate = rate
        self._packets: list[int] = []  # packet id by number
        self._moments: list[float] = []  # when, by number
        self._answers: list[int] = []  # packet ids, as acknowledged
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self._client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=f"load-{time.monotonic_ns()}", clean_session=False
        )
        self._client.username_pw_set(connection["username"], connection["password"])
        self._client.tls_set(connection["ca_file"])
        self._client.max_inflight_messages_set(_WINDOW)
        self._client.reconnect_delay_set(_RECONNECT_SECONDS, _RECONNECT_SECONDS)
        # Not matched here: paho calls this while it holds the lock that publish() takes.
        self._client.on_publish = lambda _client, _userdata, mid, *_rest: self._answers.append(mid)
        self._client.connect(connection["host"], connection["port"])

    def start(self) -> "Load":
        self._client.loop_start()
        self._thread.start()
        return self

    @property
    def published(self) -> int:
        """How many were handed to the client; they have the numbers below this one."""
        return len(self._packets)

    def number_since(self, moment: float) -> int:
        """The number of the first message that was, or will be, published after a moment of `time.monotonic`."""
        return bisect.bisect(self._moments, moment)

    def acknowledged(self) -> set[int]:
        """The numbers of those that the broker has acknowledged."""
        answers = Counter(self._answers)
        found = set()
        # Packet ids come round again: of several messages with one id, the first were acknowledged first.
        for number, mid in enumerate(self._packets):
            if answers[mid]:
                answers[mid] -= 1
                found.add(number)
        return found

    def stop(self) -> None:
        """Publish no more."""
        self._stopping.set()
        self._thread.join()

    def publish_one(self) -> int:
        """Publish the next message out of turn, once stopped; returns its number."""
        number = self.published
        self._publish(number)
        return number

    def all_acknowledged(self) -> bool:
        return len(self._answers) == len(self._packets)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _run(self) -> None:
        began = time.monotonic()
        while not self._stopping.wait(0.01):
            due = int((time.monotonic() - began) * self._rate)
            for number in range(self.published, due):
                self._publish(number)

    def _publish(self, number: int) -> None:
        topic, payload = self.traffic.message(number)
        self._moments.append(time.monotonic())
        self._packets.append(self._client.publish(topic, payload, qos=1).mid)
