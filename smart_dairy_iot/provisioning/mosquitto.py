"""Mosquitto's dynamic security plugin, commanded over MQTT.

A command is a JSON document published to `$CONTROL/dynamic-security/v1`; the plugin answers on `…/response`. What the
commands say is in `dynamic_security`; here they are carried to the broker.

Size: every change rewrites the broker's whole file, most changes do so twice, one that makes a user anew four times,
and meanwhile the broker does nothing else. With n devices of five topics one rewrite takes about n × 0.02 ms. Changes
therefore go in messages of about 50 ms, each confirmed, and after each the broker is left alone for as long as it took.
Measured on two cores with 2.0.21 (2.0.11 is the same), from publication to reception by another client meanwhile:

    300 devices made             3.7 s    median 0.3 ms    99 % 55 ms    longest 73 ms    (idle: 6 ms)
    200 of 500 made anew          18 s    median 1.5 ms    99 % 72 ms    longest 96 ms
    200 of 500 disabled          7.5 s    median 0.6 ms    99 % 51 ms    longest 83 ms
    500 users listed            0.03 s                                   longest 29 ms
    200 of 500 disabled, without the pauses:
                                 2.9 s    median  25 ms    99 % 196 ms   longest 223 ms

One action of 500 devices (`MOST_CHANGES`) thus takes some 10 to 45 s, which is what a request may last; with 1,000
devices a single change holds the broker up for 30 to 80 ms. It is meant for up to 500; more belong on EMQX.
"""

import json
import queue
import secrets
import ssl
import time
from dataclasses import replace

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from .base import Broker, BrokerError, BrokerUnreachable
from .dynamic_security import LISTS, UNKNOWN, commands_for, found_users, takes_away

CONTROL_TOPIC = "$CONTROL/dynamic-security/v1"
RESPONSE_TOPIC = f"{CONTROL_TOPIC}/response"
TIMEOUT_S = 10
"""Seconds for connecting, and for the answer to one message. A user waits for it in the web client."""

MUST_BE_DENIED = ("publishClientSend", "publishClientReceive", "subscribe")
"""The plugin's defaults without which a device could use topics that are not its own.

Receiving is among them: a subscription outlives the right to it, and where the listener does not bind the client ids of
certificates, one device can take over the session of another with all its subscriptions.
"""

MOST_CHANGES = 500
MOST_IN_ONE_MESSAGE = 50
MESSAGE_S = 0.05
"""Seconds that a message with several changes should take: for so long the broker does nothing else."""


class Pace:
    """How many changes go into the next message, and how long the broker is left alone before it."""

    def __init__(self):
        self.changes = 1
        self.pause = 0.0

    def took(self, seconds):
        """The last message took so long. The broker gets as much time for everybody else."""
        fitting = int(self.changes * MESSAGE_S / max(seconds, 1e-6))
        self.changes = min(max(fitting, 1), MOST_IN_ONE_MESSAGE)
        self.pause = seconds


class MosquittoBroker(Broker):
    """One short connection of the administrator to the broker of `config` (see `bridge.config.Config`)."""

    takes_hashes = False
    most_changes = MOST_CHANGES

    def __init__(self, config):
        self._config = config
        self._client = None
        self._answers = queue.Queue()

    # ------------------------------------------------------------------ connection

    def __enter__(self):
        config = self._config
        # A random client id: two administrators at work at the same time must not throw each other out.
        client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=f"{config.mqtt_admin_username}_{secrets.token_hex(8)}",
            protocol=mqtt.MQTTv5,
        )
        client.username_pw_set(config.mqtt_admin_username, config.mqtt_admin_password)
        client.connect_timeout = TIMEOUT_S
        client.on_connect = self._on_connect
        client.on_subscribe = lambda _client, _data, _mid, reason_codes, _props: self._answers.put(reason_codes[0])
        client.on_message = lambda _client, _data, message: self._answers.put(message.payload)
        client.on_disconnect = self._on_disconnect
        try:
            if config.mqtt_use_tls:
                client.tls_set(ca_certs=config.mqtt_ca_file or None)
            client.connect(
                config.mqtt_broker_host, config.mqtt_broker_port, clean_start=True, properties=_expire_at_once()
            )
        except TimeoutError as error:
            raise BrokerUnreachable(f"The broker at {self._address()} does not answer: try again later.") from error
        except (OSError, ValueError, ssl.SSLError) as error:
            raise BrokerUnreachable(f"The broker at {self._address()} cannot be reached: {error}.") from error
        self._answers = queue.Queue()
        self._client = client
        client.loop_start()
        try:
            self._expect_success("refused the administrator")
            client.subscribe(RESPONSE_TOPIC, qos=1)
            self._expect_success("does not let the administrator read the answers of its dynamic security plugin")
        except BrokerError:
            self._close()
            raise
        return self

    def __exit__(self, *exc_info):
        self._close()

    def _close(self):
        client, self._client = self._client, None
        client.on_disconnect = None
        client.disconnect()
        client.loop_stop()

    def _on_connect(self, _client, _data, _flags, reason_code, _properties):
        self._answers.put(reason_code)

    def _on_disconnect(self, client, _data, _flags, reason_code, _properties):
        # paho would connect again by itself; a command that was under way is better reported than repeated unseen.
        self._answers.put(ConnectionError(str(reason_code)))
        client.disconnect()

    def _expect_success(self, otherwise):
        reason_code = self._answer(time.monotonic() + TIMEOUT_S)
        if getattr(reason_code, "is_failure", True):
            raise BrokerUnreachable(f"The broker at {self._address()} {otherwise}: {reason_code}.")

    def _address(self):
        return f"{self._config.mqtt_broker_host}:{self._config.mqtt_broker_port}"

    # ------------------------------------------------------------------ users

    def apply(self, changes):
        revocations = [change for change in changes if takes_away(change)]
        others = [change for change in changes if not takes_away(change)]
        yield from self._in_chunks(revocations)
        if others:
            self._check_defaults()
            # Rights that are narrowed do not wait for passwords that are issued.
            yield from self._in_chunks(sorted(others, key=lambda change: change.password is not None))

    def users(self):
        # Both lists in one message: nothing can change between them.
        clients, roles = self._send(LISTS)
        return found_users(clients["data"], roles["data"])

    def _in_chunks(self, changes):
        pace = Pace()
        while changes:
            chunk, changes = changes[: pace.changes], changes[pace.changes :]
            started = time.monotonic()
            refusals = self._carry_out(chunk)
            pace.took(time.monotonic() - started)
            yield from (change for change in chunk if change.username not in refusals)
            if refusals:
                raise next(iter(refusals.values()))
            if changes:
                time.sleep(pace.pause)

    def _carry_out(self, chunk):
        """Tell the broker of the changes in one message; returns what it refused, {username: BrokerError}."""
        commands = [(change, *command) for change in chunk for command in commands_for(change)]
        if not commands:
            return {}
        responses = self._send([command for _change, command, _tolerated in commands])
        refused = {}
        for (change, command, tolerated), response in zip(commands, responses, strict=True):
            error = response.get("error")
            if error and error not in tolerated:
                refused.setdefault(change.username, (change, command, error))
        # Without a password there is nothing that only the device knows: a user that the broker has lost is made again.
        lost = [replace(change, before=None) for change, _command, error in refused.values() if _is_lost(change, error)]
        refusals = {
            username: BrokerError(self._refusal(*refusal))
            for username, refusal in refused.items()
            if username not in {change.username for change in lost}
        }
        return refusals | (self._carry_out(lost) if lost else {})

    def _check_defaults(self):
        (response,) = self._send([{"command": "getDefaultACLAccess"}])
        allowed = [acl["acltype"] for acl in response["data"]["acls"] if acl["allow"]]
        wrong = [acl_type for acl_type in MUST_BE_DENIED if acl_type in allowed]
        if wrong:
            raise BrokerError(
                f"The broker at {self._address()} allows by default what it has to deny ({', '.join(wrong)}): "
                "any device could use the topics of any other. Set the defaults of its dynamic security plugin to deny."
            )

    # ------------------------------------------------------------------ messages

    def _send(self, commands):
        """Send the commands in one message, wait for its answers and return them, refusals among them.

        :raises BrokerError: when no answer comes in time
        """
        token = secrets.token_hex(8)
        message = {"commands": [{**command, "correlationData": token} for command in commands]}
        self._client.publish(CONTROL_TOPIC, json.dumps(message), qos=1)
        return self._responses(token)

    def _refusal(self, change, command, error):
        if error in UNKNOWN:
            return (
                f"The broker at {self._address()} does not know the user {change.username} any more: "
                "give the device a new password, and it is made again."
            )
        # Only the command's name and the plugin's words: the command itself may hold a password.
        return f"The broker at {self._address()} refused {command['command']}: {error}."

    def _responses(self, token):
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            answer = self._answer(deadline)
            # Also an acknowledgement's reason code or another administrator's answer may come by.
            if isinstance(answer, bytes):
                responses = json.loads(answer).get("responses", [])
                if responses and responses[0].get("correlationData") == token:
                    return responses

    def _answer(self, deadline):
        try:
            answer = self._answers.get(timeout=max(0, deadline - time.monotonic()))
        except queue.Empty:
            raise BrokerUnreachable(
                f"The broker at {self._address()} did not answer within {TIMEOUT_S} seconds."
            ) from None
        if isinstance(answer, ConnectionError):
            raise BrokerUnreachable(f"The broker at {self._address()} closed the connection: {answer}.")
        return answer


def _is_lost(change, error):
    return error in UNKNOWN and change.before is not None and change.after.password is None


def _expire_at_once():
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = 0
    return properties
