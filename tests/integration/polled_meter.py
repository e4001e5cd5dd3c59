"""A simulated Modbus meter that the product polls, and what becomes of its milkings."""

from contextlib import contextmanager

from simulation.herd import TAG_BASE, TAG_COUNTRY
from simulation.modbus_meter import ModbusMeter
from support import eventually, new_code

SESSIONS = """
    SELECT state, animal_id, current_yield, total_yield, production_id, source
      FROM milk_session WHERE meter_id = %s ORDER BY id
"""


def tag_of(number):
    """ISO 11784's 64-bit code of a cow's tag, as the meter's reader gives it."""
    return 1 << 63 | TAG_COUNTRY << 38 | (TAG_BASE + number)


def register_cows(odoo, farm):
    """Cows 17 and 18 of a farm, each with a tag that no other farm has: number -> (animal id, code of the tag)."""
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


def wait_for_session(stored, meter_id, number, state):
    """The meter's session of that number, from 1, once it is in this state."""

    def found():
        rows = stored.rows(SESSIONS, meter_id)
        return len(rows) == number and rows[-1]["state"] == state and rows[-1]

    return eventually(found, lambda: f"session {number} {state}: {stored.rows(SESSIONS, meter_id)}")


def wait_for_animal(stored, meter_id, number, animal_id):
    """A tag is told once it was read twice running."""
    eventually(lambda: stored.rows(SESSIONS, meter_id)[number - 1]["animal_id"] == animal_id, "the cow is known")
