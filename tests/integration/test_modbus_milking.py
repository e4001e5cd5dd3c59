"""A real Modbus TCP meter is polled: its milkings become sessions of the right animal, and production."""

import pytest

from simulation.herd import TAG_BASE, TAG_COUNTRY
from simulation.modbus_meter import ModbusMeter
from support import eventually, new_code, takes_less_than

SESSIONS = """
    SELECT state, animal_id, current_yield, total_yield, production_id, source
      FROM milk_session WHERE meter_id = %s ORDER BY id
"""


def tag_of(number):
    """ISO 11784's 64-bit code of a cow's tag, as the meter's reader gives it."""
    return 1 << 63 | TAG_COUNTRY << 38 | (TAG_BASE + number)


@pytest.fixture
def cows(odoo, farm):
    """Cows 17 and 18 of the test's farm, each with a tag that no other farm has: number → animal id."""
    offset = int(farm.code[1:], 16) % 10**8 * 100
    tags = {number: offset + number for number in (17, 18)}
    ids = odoo.call(
        "farm.animal",
        "create",
        [
            {"name": str(number), "farm_id": farm.id, "rfid_tag": f"{TAG_COUNTRY}{TAG_BASE + tag:012d}"}
            for number, tag in tags.items()
        ],
    )
    return {number: (animal_id, tag_of(tag)) for (number, tag), animal_id in zip(tags.items(), ids, strict=True)}


@pytest.fixture
def meter(odoo, farm):
    """A meter's Modbus server, switched on, registered, provisioned, and polled: (server, id in the register)."""
    server = ModbusMeter("127.0.0.1", 0)
    server.start()
    (meter_id,) = odoo.call(
        "iot.milk_meter",
        "create",
        [
            {
                "name": "Stall 1",
                "device_id": new_code("MM"),
                "device_type": "milk_meter",
                "farm_id": farm.id,
                "manufacturer": "delaval",
                "communication_type": "modbus_tcp",
                "modbus_port": f"127.0.0.1:{server.port}",
            }
        ],
    )
    (meter,) = odoo.call("iot.milk_meter", "read", [meter_id], ["iot_device_id"])
    odoo.call("iot.device", "action_provision", [meter["iot_device_id"][0]])
    odoo.call("iot.milk_meter", "action_start_polling", [meter_id])
    yield server, meter_id
    odoo.call("iot.milk_meter", "action_stop_polling", [meter_id])
    server.stop()


def wait_for_session(stored, meter_id, number, state):
    """The meter's session of that number, from 1, once it is in this state."""

    def found():
        rows = stored.rows(SESSIONS, meter_id)
        return len(rows) == number and rows[-1]["state"] == state and rows[-1]

    return eventually(found, lambda: f"session {number} {state}: {stored.rows(SESSIONS, meter_id)}")


def wait_for_animal(stored, meter_id, number, animal_id):
    """A tag is told once it was read twice running."""
    eventually(lambda: stored.rows(SESSIONS, meter_id)[number - 1]["animal_id"] == animal_id, "the cow is known")


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
