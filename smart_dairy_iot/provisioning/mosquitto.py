"""Mosquitto's dynamic security plugin, commanded over MQTT.

A command is a JSON document published to `$CONTROL/dynamic-security/v1`; the plugin answers on `…/response`. Each
device has a user and a role of its own, both named as its user name. The role allows literal topics; everything else
falls under the plugin's defaults, which must deny (checked before a user is made).

Size: a password costs the broker about 20 ms, and every change rewrites its whole JSON file, while it does nothing
else. That is good for some hundreds of devices. Devices are therefore made one by one, each confirmed, and never many
in one message.
"""

import json
import queue
import secrets
import ssl
import time

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from .base import Broker, BrokerError

CONTROL_TOPIC = "$CONTROL/dynamic-security/v1"
RESPONSE_TOPIC = f"{CONTROL_TOPIC}/response"
TIMEOUT_S = 10
"""Seconds for connecting, and for the answer to one message. A user waits for it in the web client."""

MUST_BE_DENIED = ("publishClientSend", "subscribe")
"""The plugin's defaults without which a device could use topics that are not its own. Receiving may stay allowed:
nobody receives what he could not subscribe to."""


CLIENT_NOT_FOUND = "Client not found"
ROLE_NOT_FOUND = "Role not found"


class MosquittoBroker(Broker):
    """One short connection of the administrator to the broker of `config` (see `bridge.config.Config`)."""

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
        except (OSError, ValueError, ssl.SSLError) as error:
            raise BrokerError(f"The broker at {self._address()} cannot be reached: {error}.") from error
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
            raise BrokerError(f"The broker at {self._address()} {otherwise}: {reason_code}.")

    def _address(self):
        return f"{self._config.mqtt_broker_host}:{self._config.mqtt_broker_port}"

    # ------------------------------------------------------------------ commands

    def create(self, access, password):
        self._check_defaults()
        # The old user goes first, errors and all: if it stays in the way, createRole and createClient will say so.
        self._command(*_removal(access.username), ignore=("deleteClient", "deleteRole"))
        self._command(
            {"command": "createRole", "rolename": access.username, "acls": _acls(access)},
            {
                "command": "createClient",
                "username": access.username,
                "password": password,
                "clientid": access.client_id,
                "roles": [{"rolename": access.username}],
            },
        )

    def enable(self, username):
        self._command({"command": "enableClient", "username": username})

    def disable(self, username):
        # A user that the broker does not know is refused already.
        self._command({"command": "disableClient", "username": username}, ignore_errors=(CLIENT_NOT_FOUND,))

    def set_acl(self, access):
        # A subscription outlives the right to it (the plugin looks only when it is made). Disabling the user ends
        # its connection and with it the subscription; if it was disabled before, it has to stay so.
        was_disabled = self._is_disabled(access.username)
        commands = [
            {"command": "disableClient", "username": access.username},
            {"command": "modifyRole", "rolename": access.username, "acls": _acls(access)},
        ]
        if not was_disabled:
            commands.append({"command": "enableClient", "username": access.username})
        self._command(*commands)

    def delete(self, username):
        self._command(*_removal(username), ignore_errors=(CLIENT_NOT_FOUND, ROLE_NOT_FOUND))

    def _is_disabled(self, username):
        (response,) = self._command({"command": "getClient", "username": username})
        return response["data"]["client"].get("disabled", False)

    def _check_defaults(self):
        (response,) = self._command({"command": "getDefaultACLAccess"})
        allowed = [acl["acltype"] for acl in response["data"]["acls"] if acl["allow"]]
        wrong = [acl_type for acl_type in MUST_BE_DENIED if acl_type in allowed]
        if wrong:
            raise BrokerError(
                f"The broker at {self._address()} allows by default what it has to deny ({', '.join(wrong)}): "
                "any device could use the topics of any other. Set the defaults of its dynamic security plugin to deny."
            )

    def _command(self, *commands, ignore=(), ignore_errors=()):
        """Send the commands in one message, wait for its answers and return them.

        :param ignore: names of commands whose refusal does not matter
        :param ignore_errors: reasons of a refusal that do not matter
        :raises BrokerError: at the first refusal, or when no answer comes in time
        """
        token = secrets.token_hex(8)
        message = {"commands": [{**command, "correlationData": token} for command in commands]}
        self._client.publish(CONTROL_TOPIC, json.dumps(message), qos=1)
        responses = self._responses(token)
        for command, response in zip(commands, responses, strict=True):
            error = response.get("error")
            if error and command["command"] not in ignore and error not in ignore_errors:
                raise BrokerError(self._refusal(command, error))
        return responses

    def _refusal(self, command, error):
        if error == CLIENT_NOT_FOUND:
            return (
                f"The broker at {self._address()} does not know the user {command['username']} any more: "
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
            raise BrokerError(f"The broker at {self._address()} did not answer within {TIMEOUT_S} seconds.") from None
        if isinstance(answer, ConnectionError):
            raise BrokerError(f"The broker at {self._address()} closed the connection: {answer}.")
        return answer


def _acls(access):
    allowed = [("publishClientSend", topic) for topic in access.publish]
    for topic in access.subscribe:
        allowed += [("subscribeLiteral", topic), ("publishClientReceive", topic)]
    return [{"acltype": acl_type, "topic": topic, "priority": 0, "allow": True} for acl_type, topic in allowed]


def _removal(username):
    return (
        {"command": "deleteClient", "username": username},
        {"command": "deleteRole", "rolename": username},
    )


def _expire_at_once():
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = 0
    return properties
