"""A real Modbus TCP meter is polled: its milkings become sessions of the right animal, and production."""

from contextlib import contextmanager

import pytest

from simulation.herd import TAG_BASE, TAG_COUNTRY
from simulation.modbus_meter import AFIMILK, ModbusMeter
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


@contextmanager
def polled(odoo, farm, manufacturer, layout=None, **values):
    """A meter's Modbus server, switched on, registered, provisioned, and polled by the map that its maker's meters have
    from the start: (server, id in the register)."""
    server = ModbusMeter("127.0.0.1", 0, layout=layout)
    server.start()
    values |= {
        "name": "Stall 1",
        "device_id": new_code("MM"),
        "device_type": "milk_meter",
        "farm_id": farm.id,
        "manufacturer": manufacturer,
        "communication_type": "modbus_tcp",
        "modbus_port": f"127.0.0.1:{server.port}",
    }
    (meter_id,) = odoo.call("iot.milk_meter", "create", [values])
    (meter,) = odoo.call("iot.milk_meter", "read", [meter_id], ["iot_device_id"])
    odoo.call("iot.device", "action_provision", [meter["iot_device_id"][0]])
    odoo.call("iot.milk_meter", "action_start_polling", [meter_id])
    yield server, meter_id
    odoo.call("iot.milk_meter", "action_stop_polling", [meter_id])
    server.stop()


@pytest.fixture
def meter(odoo, farm):
    with polled(odoo, farm, "delaval") as meter:
        yield meter


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


def measured(odoo, meter_id, *names):
    """What the meter's only milking has of these."""
    (session,) = odoo.call("milk.session", "search_read", [("meter_id", "=", meter_id)], names)
    del session["id"]
    return session


def test_a_milking_of_a_gea_meter_has_its_cow_and_what_the_map_has(odoo, farm, stored, cows):
    with polled(odoo, farm, "gea") as (server, meter_id):
        begin(server, cows[17][1])
        wait_for_session(stored, meter_id, 1, "in_progress")
        wait_for_animal(stored, meter_id, 1, cows[17][0])
        end(server, 11.25)
        session = wait_for_session(stored, meter_id, 1, "completed")
    assert (session["animal_id"], session["total_yield"], session["source"]) == (cows[17][0], 11.25, "modbus")
    assert stored.value("SELECT animal_id FROM farm_milk_production WHERE id = %s", session["production_id"])
    of_registers = {"conductivity": 4.9, "milk_temperature": 37.8, "vacuum_level": 42, "pulsation_rate": 60}
    assert measured(odoo, meter_id, *of_registers) == pytest.approx(of_registers)


def milk_at_an_afimilk_meter(server, tag):
    server.set(
        rfid=tag,
        yield_liters=0.5,
        flow_rate=2.5,
        fat=4.1,
        protein=3.4,
        lactose=4.8,
        somatic_cells=120_000,
        conductivity=4.9,
        blood=0,
    )


OF_AFIMILK = {
    "fat_percentage": 4.1,
    "protein_percentage": 3.4,
    "lactose_percentage": 4.8,
    "somatic_cell_count": 120_000,
    "conductivity": 4.9,
    "blood_detected": False,
}


def test_a_milking_of_an_afimilk_meter_is_told_by_its_flow_and_graded_by_what_the_meter_analyses(odoo, farm, stored):
    with polled(odoo, farm, "afimilk", AFIMILK, has_milk_quality=True) as (server, meter_id):
        # As the map comes along: eight characters, which are no whole tag.
        milk_at_an_afimilk_meter(server, b"12345678")
        wait_for_session(stored, meter_id, 1, "in_progress")
        server.set(yield_liters=9.5)
        eventually(lambda: stored.rows(SESSIONS, meter_id)[0]["current_yield"] == 9.5, "the yield grows")
        server.set(flow_rate=0.0)
        session = wait_for_session(stored, meter_id, 1, "completed")
        assert (session["animal_id"], session["total_yield"], session["production_id"]) == (None, 9.5, None)
        assert measured(odoo, meter_id, "quality_grade", *OF_AFIMILK) == pytest.approx(
            {"quality_grade": "A"} | OF_AFIMILK
        )


def test_an_afimilk_meter_that_gives_whole_tags_names_the_cow(odoo, farm, stored, cows):
    (tag_line,) = odoo.call(
        "iot.modbus.profile.line",
        "search",
        [("profile_id.manufacturer", "=", "afimilk"), ("quantity", "=", "rfid_tag")],
    )
    with polled(odoo, farm, "afimilk", AFIMILK, has_milk_quality=True) as (server, meter_id):
        odoo.call("iot.modbus.profile.line", "write", [tag_line], {"data_type": "uint64"})
        try:
            milk_at_an_afimilk_meter(server, cows[18][1].to_bytes(8, "big"))
            wait_for_session(stored, meter_id, 1, "in_progress")
            wait_for_animal(stored, meter_id, 1, cows[18][0])
            server.set(yield_liters=8.0, flow_rate=0.0, fat=2.7)
            session = wait_for_session(stored, meter_id, 1, "completed")
        finally:
            odoo.call("iot.modbus.profile.line", "write", [tag_line], {"data_type": "string", "length": 4})
    assert (session["animal_id"], session["total_yield"]) == (cows[18][0], 8.0)
    assert stored.value("SELECT quantity FROM farm_milk_production WHERE id = %s", session["production_id"]) == 8.0
    assert measured(odoo, meter_id, "quality_grade", "fat_percentage") == pytest.approx(
        {"quality_grade": "C", "fat_percentage": 2.7}
    )
