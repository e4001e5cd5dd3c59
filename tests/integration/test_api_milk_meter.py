"""A milk meter that sends over the REST API: its milking is a session of the right cow, and others are told of it."""

import json
from datetime import timedelta

import pytest

from http_device import HttpDevice
from simulation.devices import Credentials
from smart_dairy_iot.provisioning import DeviceAccess
from support import Device, connected, credentials_for, eventually, new_code, utc_now

SESSIONS = """
    SELECT id, name, source, state, animal_id, identification, total_yield, fat_percentage, quality_grade, production_id
      FROM milk_session WHERE meter_id = %s ORDER BY id
"""
PRODUCTION = "SELECT animal_id, quantity, fat_percentage, source FROM farm_milk_production WHERE id = %s"


@pytest.fixture
def cows(odoo, farm):
    """Two cows with tags that no other farm has: (database id, tag)."""
    # ISO 11784 has room for less than 2^38.
    tags = [f"999{int(farm.code[1:], 16) % 10**8:09d}{number:03d}" for number in (17, 18)]
    names = [{"name": tag[-2:], "farm_id": farm.id, "rfid_tag": tag} for tag in tags]
    return list(zip(odoo.call("farm.animal", "create", names), tags, strict=True))


@pytest.fixture
def meter(odoo, farm):
    """A provisioned meter that communicates by the API: (database id, `Device`)."""
    values = {"name": "Stall 1", "device_id": new_code("MM"), "farm_id": farm.id, "manufacturer": "other"}
    (meter_id,) = odoo.call("iot.milk_meter", "create", [{**values, "communication_type": "api"}])
    (row,) = odoo.call("iot.milk_meter", "read", [meter_id], ["iot_device_id"])
    record_id = row["iot_device_id"][0]
    shown = odoo.call("iot.device", "action_provision", [record_id])["context"]
    names = ("default_mqtt_username", "default_mqtt_client_id", "default_mqtt_password")
    credentials = Credentials(*(shown[name] for name in names))
    return meter_id, Device(farm, record_id, values["device_id"], "milk_meter", credentials)


@pytest.fixture
def listener(shared_broker, meter):
    """A client, of whoever waits for the meter's milkings, that reads its events."""
    name, topic = new_code("listener"), meter[1].topic("events")
    with connected(
        shared_broker, credentials_for(shared_broker, DeviceAccess(name, name, subscribe=(topic,)))
    ) as client:
        assert client.subscribe(topic)
        yield client


def test_a_milking_sent_over_http_is_a_session_with_its_cow_its_milk_and_its_event(
    product, stored, cows, meter, listener
):
    meter_id, device = meter
    (cow, tag), _other = cows
    http, start = HttpDevice(product, device), utc_now().replace(microsecond=0) - timedelta(minutes=6)

    def send(seconds, liters, **fields):
        at = start + timedelta(seconds=seconds)
        message = {"session_id": "1", "yield_liters": liters, "duration_seconds": seconds, "rfid_tag": tag, **fields}
        status, answer = http.send(device.payload(at, **message))
        assert status == 200, answer

    def session(state):
        rows = stored.rows(SESSIONS, meter_id)
        return len(rows) == 1 and rows[0]["state"] == state and rows[0]

    send(60, 2.5, milking=True)
    running = eventually(lambda: session("in_progress"), lambda: stored.rows(SESSIONS, meter_id))
    assert (running["source"], running["production_id"]) == ("api", None)
    send(180, 8.0, milking=True)
    quality = {"fat_percentage": 4.1, "protein_percentage": 3.4, "somatic_cell_count": 150_000}
    send(300, 12.5, milking=False, quality=quality)

    done = eventually(lambda: session("completed"), lambda: stored.rows(SESSIONS, meter_id))
    assert (done["source"], done["animal_id"], done["identification"]) == ("api", cow, "tag")
    assert (done["total_yield"], done["fat_percentage"], done["quality_grade"]) == (12.5, 4.1, "A")
    (production,) = stored.rows(PRODUCTION, done["production_id"])
    assert production == {"animal_id": cow, "quantity": 12.5, "fat_percentage": 4.1, "source": "iot_meter"}

    eventually(lambda: listener.received, "others hear of the end of the milking")
    ((topic, payload),) = listener.received
    event = json.loads(payload)
    assert topic == device.topic("events")
    assert (event["event"], event["session"], event["session_id"]) == ("session_complete", done["name"], "1")
    assert (event["animal_id"], event["yield_liters"], event["quality_grade"]) == (tag[-2:], 12.5, "A")
    assert (event["meter_id"], event["duration_seconds"]) == (device.device_id, 300)
