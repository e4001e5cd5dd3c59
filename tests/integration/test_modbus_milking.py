"""A real Modbus TCP meter is polled: its milkings become sessions of the right animal, and production."""

import pytest

from polled_meter import SESSIONS, polled, register_cows, wait_for_animal, wait_for_session
from support import eventually, takes_less_than


@pytest.fixture
def cows(odoo, farm):
    return register_cows(odoo, farm)


@pytest.fixture
def meter(odoo, farm):
    with polled(odoo, farm, "delaval") as meter:
        yield meter


def begin(server, tag, yield_liters=0.4):
    server.set(
        milking=True,
        rfid=tag,
        yield_liters=yield_liters,
        flow_rate=2.5,
        conductivity=4.9,
        temperature=37.8,
        session_seconds=10,
        vacuum=42,
        pulsation=60,
    )


def end(server, yield_liters):
    server.set(milking=False, yield_liters=yield_liters, flow_rate=0.0, session_seconds=290)


def test_cow_17_s_milking_is_a_session_that_grows_and_production_when_it_ends(stored, cows, meter):
    server, meter_id = meter
    animal_id, tag = cows[17]
    begin(server, tag)
    session = wait_for_session(stored, meter_id, 1, "in_progress")
    assert session["source"] == "modbus"
    wait_for_animal(stored, meter_id, 1, animal_id)

    server.set(yield_liters=7.0, session_seconds=120)
    grown = pytest.approx(7.0)
    eventually(lambda: stored.rows(SESSIONS, meter_id)[0]["current_yield"] == grown, "the yield grows")

    end(server, 12.5)
    session = wait_for_session(stored, meter_id, 1, "completed")
    assert session["total_yield"] == pytest.approx(12.5)
    (production,) = stored.rows(
        "SELECT animal_id, quantity, source FROM farm_milk_production WHERE id = %s", session["production_id"]
    )
    assert production == {"animal_id": animal_id, "quantity": pytest.approx(12.5), "source": "iot_meter"}
    assert stored.value("SELECT count(*) FROM farm_milk_production WHERE animal_id = %s", animal_id) == 1


def test_a_milking_is_a_session_within_five_seconds(stored, cows, meter):
    server, meter_id = meter

    def running():
        return [row for row in stored.rows(SESSIONS, meter_id) if row["state"] == "in_progress"]

    def end_milking():
        end(server, 12.5)
        asked = len(server.requests)
        eventually(lambda: len(server.requests) > asked + 1 and not running(), "nobody is milked, and the meter polled")

    def begin_milking():
        begin(server, cows[17][1])
        eventually(running, "a session")

    assert takes_less_than(5, begin_milking, before=end_milking)


def test_a_meter_switched_off_and_on_again_is_polled_again_without_a_restart(product, odoo, stored, cows, meter):
    server, meter_id = meter

    def shown():
        return odoo.call("iot.milk_meter", "read", [meter_id], ["polling_state", "polling_problem"])[0]

    begin(server, cows[17][1])
    wait_for_session(stored, meter_id, 1, "in_progress")
    end(server, 9.0)
    wait_for_session(stored, meter_id, 1, "completed")
    (device,) = stored.rows(
        "SELECT device_id FROM iot_device d JOIN iot_milk_meter m ON m.iot_device_id = d.id WHERE m.id = %s", meter_id
    )
    name = f"Milk meter {device['device_id']}"
    before = len(product.log_file.read_text())

    def said():
        return product.log_file.read_text()[before:]

    server.stop()
    eventually(lambda: f"{name} cannot be read" in said(), "the poller has noticed")
    eventually(lambda: shown()["polling_state"] == "unreachable", "the meter shows it")
    assert "no connection" in shown()["polling_problem"]
    server.start()
    eventually(lambda: shown()["polling_state"] == "polled", "the meter shows that it is read again")
    begin(server, cows[18][1])
    wait_for_session(stored, meter_id, 2, "in_progress")
    wait_for_animal(stored, meter_id, 2, cows[18][0])
    outage, again, _after = said().partition(f"{name} can be read again")
    assert again
    assert outage.count(f"{name} cannot be read") == 1, "an outage is logged once"
