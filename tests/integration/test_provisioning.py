"""A device that is provisioned by the button can do what its own topics allow, and nothing else.

Whether something was refused is read in the database: to MQTT 3.1.1 clients the broker acknowledges what it denies.
"""

import pytest

from mqtt_client import OFF_SECONDS
from support import connected, eventually, new_code

READINGS = "SELECT temperature FROM iot_temperature_reading WHERE iot_device_id = %s ORDER BY temperature"
DEAD_LETTERS = "SELECT reason FROM iot_dead_letter WHERE topic = %s"


def readings(stored, device):
    return [row["temperature"] for row in stored.rows(READINGS, device.record_id)]


@pytest.fixture
def device(farm):
    """A temperature sensor, provisioned."""
    return farm.provision(new_code("TS"))


@pytest.fixture
def other(farm):
    """Another one."""
    return farm.provision(new_code("TS"))


def test_a_reading_of_a_provisioned_device_becomes_a_row_of_the_hypertable_and_the_device_is_online(
    shared_broker, stored, device
):
    assert not device.read("is_online")["is_online"]
    with connected(shared_broker, device.credentials) as connection:
        assert connection.connected
        connection.publish(device.topic(), device.payload(temperature=4.2, location_type="bulk_tank", battery_level=87))
        eventually(lambda: readings(stored, device) == [4.2], "the reading is stored")
    state = device.read("is_online", "last_seen", "messages_received", "battery_level")
    assert state["is_online"]
    assert state["messages_received"] == 1
    assert state["battery_level"] == 87
    assert stored.value(
        "SELECT count(*) FROM timescaledb_information.hypertables WHERE hypertable_name = 'iot_temperature_reading'"
    )


def test_the_password_is_kept_nowhere_but_as_a_salted_hash(stored, device):
    (row,) = stored.rows("SELECT * FROM iot_device WHERE id = %s", device.record_id)
    assert device.credentials.password not in str(row)
    assert len(row["mqtt_password_hash"]) == 64
    assert row["mqtt_password_salt"]


def test_a_device_cannot_publish_on_another_device_s_topic(shared_broker, stored, device, other):
    with connected(shared_broker, device.credentials) as connection:
        connection.publish(other.topic(), other.payload(temperature=99.0))
        # In the same connection, so behind it: once this is stored, the other one is not coming any more.
        connection.publish(device.topic(), device.payload(temperature=1.0))
        eventually(lambda: readings(stored, device) == [1.0], "its own reading is stored")
    assert readings(stored, other) == []
    assert stored.rows(DEAD_LETTERS, other.topic()) == [], "the broker itself refuses it"


def test_a_device_can_subscribe_to_its_own_commands_and_to_no_other_topic(shared_broker, device, other):
    with connected(shared_broker, device.credentials) as connection:
        assert connection.subscribe(device.topic("commands"))
        for forbidden in (
            other.topic("commands"),
            other.topic(),
            "dairy/#",
            "#",
            "$CONTROL/dynamic-security/v1/response",
        ):
            assert not connection.subscribe(forbidden), forbidden


@pytest.mark.parametrize("change", [{"password": "wrong"}, {"password": ""}, {"client_id": "sd_somebody_else"}])
def test_a_wrong_password_or_another_client_id_is_refused(shared_broker, device, change):
    with connected(shared_broker, device.credentials, **change) as connection:
        assert not connection.connected
        assert connection.answer.is_failure
    with connected(shared_broker, device.credentials) as connection:
        assert connection.connected, "with what it was issued it is accepted"


def test_a_device_cannot_take_the_bridge_s_client_id(shared_broker, device):
    with connected(shared_broker, device.credentials, client_id=shared_broker.bridge_client_id) as connection:
        assert not connection.connected


def test_decommissioning_disconnects_the_device_at_once_and_refuses_it_for_good(odoo, shared_broker, stored, device):
    with connected(shared_broker, device.credentials) as connection:
        connection.publish(device.topic(), device.payload(temperature=2.0))
        eventually(lambda: readings(stored, device) == [2.0], "a reading is stored while it is active")
        odoo.call("iot.device", "action_decommission", [device.record_id])
        connection.wait_disconnected(seconds=OFF_SECONDS)
    with connected(shared_broker, device.credentials) as connection:
        assert not connection.connected
        connection.send(device.topic(), device.payload(temperature=3.0))
    assert readings(stored, device) == [2.0]
    assert device.read("state")["state"] == "decommissioned"


def test_a_rotated_password_replaces_the_old_one(odoo, shared_broker, device):
    context = odoo.call("iot.device", "action_rotate_password", [device.record_id])["context"]
    with connected(shared_broker, device.credentials) as connection:
        assert not connection.connected
    with connected(shared_broker, device.credentials, password=context["default_mqtt_password"]) as connection:
        assert connection.connected
