"""What the tests of devices share: farms, users of each group, and a device's side of the real broker.

The settings in force lead to a running Mosquitto (see scripts/test.py). What a test's transaction did there is undone
by the product itself when the transaction is rolled back.
"""

import os
import threading
from contextlib import contextmanager
from unittest.mock import patch

import paho.mqtt.client as mqtt

from odoo import SUPERUSER_ID, api
from odoo.tests import TransactionCase, new_test_user

PATIENCE_SECONDS = 60


class IotCase(TransactionCase):
    """A hill farm that everybody sees, a valley farm that only the administrator sees."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.user = new_test_user(cls.env, "iot_user", "smart_dairy_farm.group_farm_user")
        cls.manager = new_test_user(cls.env, "iot_manager", "smart_dairy_farm.group_farm_manager")
        cls.admin = new_test_user(cls.env, "iot_admin", "smart_dairy_farm.group_farm_admin")
        cls.hill = cls.env["farm.location"].create({"name": "Hill Farm", "code": "HILL", "tz": "UTC"})
        cls.valley = cls.env["farm.location"].create(
            {"name": "Valley Farm", "code": "VALLEY", "tz": "UTC", "user_ids": [(6, 0, cls.admin.ids)]}
        )

    def new_device(self, device_id="T-1", device_type="temperature", farm=None, user=None, **values):
        """Register a device, as the manager unless told otherwise."""
        devices = self.env["iot.device"].with_user(user or self.manager)
        values = {"name": f"Device {device_id}", "device_id": device_id, "device_type": device_type, **values}
        return devices.create({**values, "farm_id": (farm or self.hill).id})

    def provision(self, device):
        """Press the button; returns the password that it shows."""
        return device.action_provision()["context"]["default_mqtt_password"]

    @contextmanager
    def connected(self, device, password, **other):
        """The device's connection to the broker, a `Connection`."""
        config = self.env["iot.settings"]._get_config()
        device = device.sudo()
        connection = Connection(
            config,
            **{"username": device.mqtt_username, "client_id": device.mqtt_client_id, "password": password, **other},
        )
        try:
            yield connection
        finally:
            connection.close()

    def assertAccepted(self, device, password, **other):
        with self.connected(device, password, **other) as connection:
            self.assertTrue(connection.accepted, f"the broker refused {device.name}: {connection.answer}")

    def assertRefused(self, device, password, **other):
        with self.connected(device, password, **other) as connection:
            self.assertFalse(connection.accepted, f"the broker let {device.name} in")

    def tables_with(self, text):
        """Names of the tables of which some row holds a text in any column."""
        self.env.flush_all()
        cr = self.env.cr
        cr.execute(
            "SELECT relname FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = current_schema::regnamespace ORDER BY relname"
        )
        found = []
        for (table,) in cr.fetchall():
            cr.execute(f'SELECT 1 FROM "{table}" AS row WHERE row::text LIKE %s LIMIT 1', [f"%{text}%"])
            if cr.fetchone():
                found.append(table)
        return found

    @contextmanager
    def broker_out_of_reach(self):
        """Within it, the settings lead to a port on which nobody listens."""
        with patch.dict(os.environ, {"SMART_DAIRY_MQTT_BROKER_PORT": "1"}):
            yield


class CommittedCase(TransactionCase):
    """For what several transactions at once do: what is made here is committed, and the test takes it away again.

    The transaction of the test case itself does nothing.
    """

    def environment(self):
        """A transaction of its own, a context manager that gives the superuser's environment."""
        return Transaction(self.registry)

    def new_devices(self, env, farm_code, device_type="temperature"):
        """Two devices in service on a farm of their own; `remove_devices` takes away both."""
        farm = env["farm.location"].create({"name": "Loop Farm", "code": farm_code, "tz": "UTC"})
        codes = [f"{farm_code}-{number}" for number in (1, 2)]
        devices = env["iot.device"].create(
            [{"name": code, "device_id": code, "device_type": device_type, "farm_id": farm.id} for code in codes]
        )
        devices._in_action().write({"state": "active"})
        self.farm_id, self.device_ids = farm.id, devices.ids
        return devices

    def remove_devices(self, env):
        env["iot.device"].browse(self.device_ids).unlink()
        env.cr.execute("DELETE FROM iot_device_state WHERE iot_device_id IN %s", [tuple(self.device_ids)])
        env["farm.location"].browse(self.farm_id).unlink()


class Transaction:
    """An environment of the superuser in a transaction that is committed at the end, unless it fails."""

    def __init__(self, registry):
        self._cursor = registry.cursor()

    def __enter__(self):
        return api.Environment(self._cursor.__enter__(), SUPERUSER_ID, {})

    def __exit__(self, *raised):
        return self._cursor.__exit__(*raised)


class Connection:
    """A device at the broker, over MQTT 5, that tells what was refused."""

    def __init__(self, config, username, client_id, password):
        self.answer = None
        self._answered = threading.Event()
        self.disconnected = threading.Event()
        self._granted = {}
        self._condition = threading.Condition()
        self._client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5, reconnect_on_failure=False
        )
        self._client.username_pw_set(username, password)
        self._client.tls_set(ca_certs=config.mqtt_ca_file)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = lambda *_arguments: self.disconnected.set()
        self._client.on_subscribe = self._on_answer
        self._client.on_publish = lambda _client, _data, mid, code, _properties: self._on_answer(
            None, None, mid, [code]
        )
        self._client.connect(config.mqtt_broker_host, config.mqtt_broker_port)
        self._client.loop_start()
        self._wait(self._answered, "an answer to CONNECT")

    @property
    def accepted(self):
        return not self.answer.is_failure

    def may_publish(self, topic):
        """Whether the broker takes a message on the topic."""
        return self._ask(lambda: self._client.publish(topic, b"{}", qos=1).mid)

    def may_subscribe(self, topic):
        """Whether the broker grants a subscription."""
        return self._ask(lambda: self._client.subscribe(topic, qos=1)[1])

    def wait_disconnected(self):
        """Fails unless the broker ends the connection."""
        self._wait(self.disconnected, "the end of the connection")

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()

    def _ask(self, question):
        with self._condition:
            mid = question()
            answered = self._condition.wait_for(lambda: mid in self._granted, timeout=PATIENCE_SECONDS)
            if not answered:
                raise AssertionError("The broker did not answer.")
            return not self._granted.pop(mid).is_failure

    def _on_connect(self, _client, _data, _flags, reason_code, _properties):
        self.answer = reason_code
        self._answered.set()

    def _on_answer(self, _client, _data, mid, reason_codes, *_properties):
        with self._condition:
            self._granted[mid] = reason_codes[0]
            self._condition.notify_all()

    @staticmethod
    def _wait(event, what):
        if not event.wait(PATIENCE_SECONDS):
            raise AssertionError(f"Not within {PATIENCE_SECONDS} s: {what}")
