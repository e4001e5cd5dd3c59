"""The product from outside: as its user over JSON-RPC, as a device over MQTT, and its database to look into."""

import json
import threading
import time
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from decimal import Decimal
from uuid import uuid4

import paho.mqtt.client as mqtt
import psycopg2
import psycopg2.extras
from paho.mqtt.enums import CallbackAPIVersion

from simulation.devices import Credentials
from simulation.layout import TOPIC_SEGMENTS
from simulation.messages import timestamp
from simulation.rpc import OdooClient
from smart_dairy_iot.bridge.config import load_config
from smart_dairy_iot.provisioning import BrokerUser, Change, broker_for
from stack.service import Service

PATIENCE_SECONDS = 60
"""So long an event is waited for that is sure to come soon, unless something is broken or the machine is very busy."""


def utc_now():
    """The wall clock, aware."""
    return datetime.now(timezone.utc)


def eventually(probe, what, seconds=PATIENCE_SECONDS, every=0.1):
    """What `probe()` returns as soon as that is true; fails the test when it is not within `seconds`.

    :param what: a text, or a callable that gives one, for the failure
    """
    end = time.monotonic() + seconds
    while not (found := probe()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}; last seen: {found!r}")
        time.sleep(every)
    return found


def takes_less_than(seconds, act, before):
    """Whether `act()` is done in less than `seconds`, in one of three attempts at most, each after a `before()`.

    For what is promised in seconds: a busy machine may stand still for so long once, what is broken does so each time.
    """

    def attempt():
        before()
        began = time.monotonic()
        act()
        return time.monotonic() - began < seconds

    return any(attempt() for _attempt in range(3))


class Database:
    """Reads the product's database."""

    def __init__(self, dsn):
        self._dsn = dsn

    def rows(self, statement, *parameters):
        """The rows of a query as dicts."""
        with closing(psycopg2.connect(**self._dsn)) as connection:
            with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
                cursor.execute(statement, parameters)
                return [{name: _plain(value) for name, value in row.items()} for row in cursor.fetchall()]

    def value(self, statement, *parameters):
        """The only value of a query's only row."""
        ((value,),) = (row.values() for row in self.rows(statement, *parameters))
        return value


def _plain(value):
    return float(value) if isinstance(value, Decimal) else value


class Farm:
    """A farm registered through the product, and what is registered on it.

    :param odoo: an `OdooClient` with the rights of an administrator
    """

    def __init__(self, odoo, code):
        self.odoo = odoo
        self.code = code
        (self.id,) = odoo.call("farm.location", "create", [{"name": f"Farm {code}", "code": code, "tz": "UTC"}])

    def register(self, device_id, device_type="temperature"):
        """Register a device; returns its database id."""
        values = {"name": device_id, "device_id": device_id, "device_type": device_type, "farm_id": self.id}
        (record_id,) = self.odoo.call("iot.device", "create", [values])
        return record_id

    def provision(self, device_id, device_type="temperature"):
        """Register a device and press the button that provisions it; returns a `Device`."""
        record_id = self.register(device_id, device_type)
        context = self.odoo.call("iot.device", "action_provision", [record_id])["context"]
        credentials = Credentials(
            context["default_mqtt_username"], context["default_mqtt_client_id"], context["default_mqtt_password"]
        )
        return Device(self, record_id, device_id, device_type, credentials)

    def topic(self, device_type, device_id, message_type="data"):
        """The topic of a device on this farm."""
        return f"dairy/{self.code}/{TOPIC_SEGMENTS[device_type]}/{device_id}/{message_type}"


class Device:
    """A provisioned device as its maker would have it: identity, credentials, topics."""

    def __init__(self, farm, record_id, device_id, device_type, credentials):
        self._farm = farm
        self.record_id = record_id
        self.device_id = device_id
        self.device_type = device_type
        self.credentials = credentials

    def topic(self, message_type="data"):
        """One of its own topics."""
        return self._farm.topic(self.device_type, self.device_id, message_type)

    def payload(self, at=None, **fields):
        """A valid payload of its type but for what `fields` leaves out: device id, timestamp and `fields`."""
        return {"device_id": self.device_id, "timestamp": timestamp(at or utc_now()), **fields}

    def read(self, *fields):
        """Fields of its record in the register."""
        return self._farm.odoo.call("iot.device", "read", [self.record_id], list(fields))[0]


def credentials_for(broker, access):
    """Make a user at a broker with rights of its own, such as no device has; returns its `Credentials`.

    :param access: a `DeviceAccess`
    """
    password = uuid4().hex
    with broker_for(load_config(broker.settings(), {}, environ={})) as administration:
        change = Change(access.username, access.client_id, BrokerUser(access, enabled=True), password=password)
        assert list(administration.apply([change])) == [change]
    return Credentials(access.username, access.client_id, password)


class Connection:
    """One MQTT client over TLS. Speaks MQTT 5, so that the broker says why it refuses."""

    def __init__(self, broker, username, client_id, password):
        self._broker = broker
        self._changed = threading.Condition()
        self.answer = None
        self.connected = False
        self.received = []
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5)
        self._client.username_pw_set(username, password)
        self._client.tls_set(ca_certs=str(broker.ca_file))
        # A refused client is not to knock again while the test looks on.
        self._client.reconnect_delay_set(60, 60)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_subscribe = self._on_subscribe
        self.granted = {}

    def open(self):
        """Connect; returns whether the broker accepted."""
        self._client.connect(self._broker.host, self._broker.port)
        self._client.loop_start()
        return self._wait(lambda: self.answer is not None, "an answer to CONNECT") and not self.answer.is_failure

    def publish(self, topic, payload, qos=1, retain=False):
        """Publish a payload (dict, or bytes as they are) and wait for the broker's acknowledgement."""
        info = self.send(topic, payload, qos, retain)
        info.wait_for_publish(PATIENCE_SECONDS)
        assert info.is_published(), f"the broker did not acknowledge a message to {topic}"

    def send(self, topic, payload, qos=1, retain=False):
        """Publish without waiting; returns paho's MQTTMessageInfo."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return self._client.publish(topic, body, qos=qos, retain=retain)

    def subscribe(self, topic):
        """Subscribe; returns whether the broker granted it."""
        _result, mid = self._client.subscribe(topic, qos=1)
        self._wait(lambda: mid in self.granted, "an answer to SUBSCRIBE")
        return self.granted[mid]

    def wait_disconnected(self, seconds=PATIENCE_SECONDS):
        """Wait until the broker has ended the connection."""
        self._wait(lambda: not self.connected, "the end of the connection", seconds)

    def close(self):
        """End the connection from our side."""
        self._client.disconnect()
        self._client.loop_stop()

    def _wait(self, condition, what, seconds=PATIENCE_SECONDS):
        with self._changed:
            assert self._changed.wait_for(condition, seconds), f"no {what} within {seconds} s"
        return True

    def _note(self, **changes):
        with self._changed:
            vars(self).update(changes)
            self._changed.notify_all()

    def _on_connect(self, _client, _userdata, _flags, reason, _properties):
        self._note(answer=reason, connected=not reason.is_failure)

    def _on_disconnect(self, _client, _userdata, _flags, _reason, _properties):
        self._note(connected=False)

    def _on_subscribe(self, _client, _userdata, mid, reasons, _properties):
        with self._changed:
            self.granted[mid] = not reasons[0].is_failure
            self._changed.notify_all()

    def _on_message(self, _client, _userdata, message):
        self.received.append((message.topic, message.payload))


class BridgeProcess(Service):
    """`odoo-bin iot_bridge`, as in production."""

    name = "iot_bridge"

    def __init__(self, instance):
        super().__init__(instance.directory / "bridge")
        self._instance = instance

    def start(self):
        """Start it; whether it works is seen in the database."""
        command = self._instance.command("iot_bridge", "-d", self._instance.database)
        self.spawn(command, env=self._instance.environ(), cwd=self.directory)
        return self


@contextmanager
def running_product(bed, template, name):
    """A running threaded Odoo with the bridge in its process, on a database and a `broker` of its own."""
    bed.copy_database(template, name)
    with bed.broker(f"{name}_broker") as broker:
        instance = bed.instance(name, broker)
        instance.broker = broker
        with instance:
            yield instance
    bed.drop_database(name)


@contextmanager
def connected(broker, credentials, **changes):
    """A `Connection` with a device's credentials, or with some of them changed; open if the broker accepts."""
    connection = Connection(broker, **{**vars(credentials), **changes})
    connection.open()
    try:
        yield connection
    finally:
        connection.close()


def log_in(instance, login="admin", password="admin"):
    """A user's session with a running Odoo."""
    return OdooClient(instance.url, instance.database, login, password)


def new_code(prefix="F"):
    """A farm code or device id that no other test has."""
    return f"{prefix}{uuid4().hex[:8].upper()}"
