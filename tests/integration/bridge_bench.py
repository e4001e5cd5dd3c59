"""A bridge in the test's own process, on a real database and broker, and devices to talk to it."""

import contextlib
import json
import ssl
import threading
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import paho.mqtt.client as mqtt
import psycopg2

from smart_dairy_iot.bridge.config import load_config
from smart_dairy_iot.bridge.runner import Bridge
from smart_dairy_iot.provisioning import DeviceAccess
from smart_dairy_iot.telemetry.spec import Column, TelemetrySpec
from support import credentials_for

SPECS = (
    TelemetrySpec(
        "iot.temperature.reading",
        "iot_temperature_reading",
        ("temperature",),
        (Column("temperature", "real", "temperature"),),
        ("temperature", "humidity"),
    ),
    TelemetrySpec(
        "iot.activity.reading",
        "iot_activity_reading",
        ("collar",),
        (Column("steps", "integer", "steps"), Column("animal_ref", "text", "animal_id")),
    ),
)
PATHS = {"temperature": "temperature", "collar": "collars"}
PATIENCE = 60


class Bench:
    """One database, one broker, one farm.

    :param dsn: dict of connection parameters of the database
    :param broker: a running `stack.mosquitto.Mosquitto`
    """

    def __init__(self, dsn, broker):
        self.dsn = dsn
        self._broker = broker
        self.config = load_config(broker.settings(), {}, environ={})
        self.farm_id, self.farm_code = self.query("SELECT id, code FROM farm_location ORDER BY id LIMIT 1")[0]

    def query(self, statement, *parameters):
        with contextlib.closing(psycopg2.connect(**self.dsn)) as connection, connection, connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else None

    def make_bridge(self, *workers, **settings):
        """:param workers: what runs beside it
        :param settings: what is to differ from the bench's `Config`
        """
        config = replace(self.config, **settings)
        return Bridge(self.dsn, self.dsn["dbname"], config, SPECS, lambda _context: list(workers))

    @contextlib.contextmanager
    def running(self, bridge, stand_by=False):
        """Run the bridge in a thread, receiving unless it stands by; gives the event that stops it."""
        stop = threading.Event()
        thread = threading.Thread(target=bridge.run, args=(stop,), daemon=True)
        thread.start()
        try:
            if not stand_by:
                self.wait_for(lambda: bridge.receiving, "the bridge is subscribed")
            yield stop
        finally:
            stop.set()
            thread.join(timeout=PATIENCE)
            assert not thread.is_alive(), "the bridge did not stop"

    def device(self, device_id, device_type, state="active"):
        """Register and provision a device; a connected `Publisher` speaks for it."""
        topic = f"dairy/{self.farm_code}/{PATHS[device_type]}/{device_id}"
        username, client_id = f"{device_type[:2].upper()}_{device_id}", f"sd_{device_id}"
        self.query(
            "INSERT INTO iot_device"
            " (name, device_id, device_type, state, farm_id, mqtt_username, mqtt_client_id, auth_method, active)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, 'password', true)",
            *(device_id, device_id, device_type, state, self.farm_id, username, client_id),
        )
        access = DeviceAccess(username, client_id, (f"{topic}/data", f"{topic}/status"), (f"{topic}/config",))
        return self.publisher(access, device_id, topic)

    def publisher(self, access, device_id, topic):
        """A connected `Publisher` with rights of its own, which speaks for a device on some topic."""
        return Publisher(self.config, credentials_for(self._broker, access), device_id, topic)

    def wait_for(self, condition, what):
        """Wait until the condition is true, for at most a minute."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"{what}: not within {PATIENCE} s"
            time.sleep(0.05)

    def wait_for_count(self, table, count):
        """Wait until a table has that many rows, and see that it stays at it."""
        self.wait_for(lambda: self.count(table) >= count, f"{count} rows in {table} ({self.count(table)} now)")
        assert self.count(table) == count

    def count(self, table):
        try:
            return self.query(f"SELECT count(*) FROM {table}")[0][0]
        except psycopg2.OperationalError:
            return -1


class Publisher:
    """A device's own connection: MQTT over TLS, QoS 1, resending what the broker did not acknowledge."""

    def __init__(self, config, credentials, device_id, topic):
        self.device_id, self.topic = device_id, topic
        self.received = []
        self._start = datetime.now(timezone.utc) - timedelta(hours=1)
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, credentials.client_id, clean_session=False)
        self._client.username_pw_set(credentials.username, credentials.password)
        self._client.tls_set_context(ssl.create_default_context(cafile=config.mqtt_ca_file))
        self._client.on_message = lambda _client, _data, message: self.received.append(json.loads(message.payload))
        self._client.on_connect = lambda client, *_rest: client.subscribe(f"{self.topic}/config", qos=1)
        self._client.connect(config.mqtt_broker_host, config.mqtt_broker_port)
        self._client.loop_start()

    def publish(self, number, **payload):
        """Publish reading `number`, one second after the one before."""
        instant = self._start + timedelta(seconds=number)
        payload = {"device_id": self.device_id, "timestamp": instant.isoformat(timespec="seconds")} | payload
        return self.publish_raw(json.dumps(payload))

    def publish_status(self, number, **payload):
        """Publish a status, which the broker retains, and wait until it has it."""
        instant = self._start + timedelta(seconds=number)
        payload = {"device_id": self.device_id, "timestamp": instant.isoformat(timespec="seconds")} | payload
        publication = self._client.publish(f"{self.topic}/status", json.dumps(payload), qos=1, retain=True)
        publication.wait_for_publish(PATIENCE)

    def publish_raw(self, payload):
        return self._client.publish(f"{self.topic}/data", payload, qos=1)

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()
