"""The bridge is killed in mid-stream and started again: every published reading is stored, and none twice."""

import threading
from datetime import timedelta

import pytest

from support import BridgeProcess, Database, Farm, connected, eventually, log_in, new_code, utc_now

DEVICES = 3
KILL_AFTER = (600, 2200)
PAUSE = 0.003
"""Seconds from one reading of a device to the next."""


@pytest.fixture
def devices(instance):
    """Devices provisioned in an Odoo that has ended again: the bridge is alone with database and broker."""
    # Else the web server's own bridge would take over when the other one is killed.
    instance.section["bridge_enabled"] = "false"
    instance.start()
    farm = Farm(log_in(instance), new_code())
    provisioned = [farm.provision(new_code("TS")) for _ in range(DEVICES + 1)]
    instance.stop()
    del instance.section["bridge_enabled"]
    instance.write_conf()
    return provisioned


@pytest.fixture
def bridge(instance, devices):
    """The bridge, running; killed at the end if the test did not stop it."""
    with BridgeProcess(instance) as process:
        yield process


class Publisher(threading.Thread):
    """Publishes readings of one device at QoS 1, each with its own time, until it is told to stop and the broker has
    acknowledged all."""

    def __init__(self, broker, device, base):
        super().__init__(daemon=True)
        self._broker, self._device, self._base = broker, device, base
        self._stopping = threading.Event()
        self.temperatures = []

    def run(self):
        with connected(self._broker, self._device.credentials) as connection:
            sent = []
            while not self._stopping.wait(PAUSE):
                number = len(sent)
                self.temperatures.append(number % 1500 / 100)
                payload = self._device.payload(
                    self._base + timedelta(milliseconds=number), temperature=self.temperatures[-1]
                )
                sent.append(connection.send(self._device.topic(), payload))
            for info in sent:
                info.wait_for_publish(60)

    def stop(self):
        self._stopping.set()
        self.join(120)
        assert not self.is_alive()


def test_every_published_reading_is_stored_exactly_once_though_the_bridge_is_killed_twice_in_mid_stream(
    instance, broker, devices, bridge
):
    *devices, canary = devices
    stored = Database(instance.postgres.dsn(instance.database))
    base = utc_now() - timedelta(hours=1)
    ids = [device.record_id for device in devices]
    wait_until_subscribed(broker, stored, canary)

    publishers = [Publisher(broker, device, base) for device in devices]
    for publisher in publishers:
        publisher.start()
    for threshold in KILL_AFTER:
        eventually(lambda threshold=threshold: count(stored, ids) >= threshold, "readings are being stored", 60)
        bridge.kill()
        bridge.start()
    for publisher in publishers:
        publisher.stop()

    total = sum(len(publisher.temperatures) for publisher in publishers)
    eventually(lambda: count(stored, ids) >= total, bridge.log_tail, seconds=60)
    assert count(stored, ids) == total
    for device, publisher in zip(devices, publishers, strict=True):
        rows = stored.rows(
            "SELECT temperature FROM iot_temperature_reading WHERE iot_device_id = %s ORDER BY timestamp",
            device.record_id,
        )
        assert [row["temperature"] for row in rows] == publisher.temperatures
    for period in ("hourly", "daily"):
        assert rolled_up(stored, period, ids) == total, f"the {period} rollup counts each reading once"
    assert stored.value("SELECT count(*) FROM iot_dead_letter WHERE iot_device_id = ANY(%s)", ids) == 0


def wait_until_subscribed(broker, stored, canary):
    """Wait for the first reading that the bridge stores: from its subscription on, the broker keeps what it misses."""
    with connected(broker, canary.credentials) as connection:

        def heard():
            connection.publish(canary.topic(), canary.payload(temperature=0.0))
            return count(stored, [canary.record_id])

        eventually(heard, "the bridge stores something", seconds=60, every=0.5)


def count(stored, ids):
    return stored.value("SELECT count(*) FROM iot_temperature_reading WHERE iot_device_id = ANY(%s)", ids)


def rolled_up(stored, period, ids):
    statement = {
        "hourly": "SELECT sum(readings) FROM iot_temperature_reading_hourly WHERE iot_device_id = ANY(%s)",
        "daily": "SELECT sum(readings) FROM iot_temperature_reading_daily WHERE iot_device_id = ANY(%s)",
    }[period]
    return stored.value(statement, ids)
