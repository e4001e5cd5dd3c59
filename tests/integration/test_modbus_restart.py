"""The product is killed in the middle of a milking over Modbus: the milking stays one session and keeps its yield."""

from simulation.modbus_meter import ModbusMeter
from smart_dairy_iot_milk.modbus.registry import SqlRegistry
from support import Database, Farm, eventually, log_in, new_code

SESSIONS = "SELECT state, current_yield, total_yield, session_key FROM milk_session WHERE meter_id = %s"


def test_a_milking_survives_two_kills_and_ends_with_the_yield_it_had_while_nobody_looked(instance):
    stored = Database(instance.postgres.dsn(instance.database))
    with ModbusMeter() as server, instance:
        meter_id = register(log_in(instance), server)
        server.set(milking=True, rfid=0x8000F9DCBE991A14, yield_liters=1.0, session_seconds=20)
        (session,) = eventually(lambda: stored.rows(SESSIONS, meter_id), "a session")

        instance.kill()
        server.set(yield_liters=4.0, session_seconds=80)
        instance.start()
        eventually(lambda: stored.rows(SESSIONS, meter_id)[0]["current_yield"] == 4.0, "the milking is followed again")

        instance.kill()
        server.set(milking=False, yield_liters=9.5, session_seconds=200)
        instance.start()
        eventually(lambda: stored.rows(SESSIONS, meter_id)[0]["state"] == "completed", "the milking's end")

    assert stored.rows(SESSIONS, meter_id) == [
        {"state": "completed", "current_yield": 9.5, "total_yield": 9.5, "session_key": session["session_key"]}
    ]


def test_a_database_has_one_poller(product, odoo):
    """A second one is told to stand by for as long as the first lives."""
    with ModbusMeter() as server:
        register(odoo, server)
        eventually(lambda: server.requests, "the meter is polled")
        second = SqlRegistry(product.postgres.dsn(product.database))
        try:
            assert second.load() is None
        finally:
            second.close()


def register(odoo, server):
    """Register and provision a meter on a farm of its own; returns its id."""
    farm = Farm(odoo, new_code())
    values = {
        "name": "Stall 1",
        "device_id": new_code("MM"),
        "farm_id": farm.id,
        "manufacturer": "delaval",
        "communication_type": "modbus_tcp",
        "modbus_port": server.endpoint,
    }
    (meter_id,) = odoo.call("iot.milk_meter", "create", [values])
    odoo.call("iot.milk_meter", "action_provision", [meter_id])
    return meter_id
