"""While the database is away the meters are read on: a milking that begins and ends then is there afterwards, whole."""

import contextlib
import time

import pytest

from bridge_command import BridgeCommand
from cable import Cable
from simulation.modbus_meter import ModbusMeter
from support import Database, Farm, eventually, log_in, new_code

POLLS = "Modbus milk meters: 1 to poll"
TAGS = 0x8000F9DCBE991A14, 0x8000F9DCBE991A15
SESSIONS = """
    SELECT state, total_yield::float, ended_by_meter, extract(epoch FROM end_time - start_time)::float AS seconds
      FROM milk_session WHERE meter_id = %s ORDER BY id
"""


def register(odoo, server):
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


def milk(server, tag, litres, seconds):
    """Milk a cow in real time; returns when she is let go."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        server.set(
            milking=True, rfid=tag, yield_liters=litres * passed / seconds, flow_rate=2.5, session_seconds=int(passed)
        )
        time.sleep(0.2)
    server.set(milking=False, yield_liters=litres, flow_rate=0.0, session_seconds=seconds)
    # The end is read before the next cow.
    time.sleep(3)


def test_a_milking_that_begins_and_ends_while_the_database_is_away_is_there_once_and_whole(instance):
    stored = Database(instance.postgres.dsn(instance.database))
    with ModbusMeter() as server, contextlib.ExitStack() as stack:
        with instance:
            meter_id = register(log_in(instance), server)
        cable = stack.enter_context(Cable(int(instance.postgres.port)))
        bridge = stack.enter_context(BridgeCommand(instance, f"--db_port={cable.port}"))
        eventually(lambda: POLLS in bridge.log, "the meter is read")
        cable.unplug()
        eventually(lambda: "no longer leads" in bridge.log, "the bridge has lost the database")
        asked = len(server.requests)
        milk(server, TAGS[0], 9.0, 10)
        milk(server, TAGS[1], 5.0, 6)
        assert len(server.requests) > asked + 15, "the meter was read on"
        assert not stored.rows(SESSIONS, meter_id)
        cable.plug()
        eventually(
            lambda: [row["state"] for row in stored.rows(SESSIONS, meter_id)] == ["completed"] * 2,
            lambda: f"{stored.rows(SESSIONS, meter_id)}\n{bridge.log[-3000:]}",
        )
    first, second = stored.rows(SESSIONS, meter_id)
    assert (first["total_yield"], second["total_yield"]) == (9.0, 5.0)
    assert first["ended_by_meter"] and second["ended_by_meter"]
    assert 8 <= first["seconds"] <= 13 and 4 <= second["seconds"] <= 9


READINGS = """
    SELECT reading.session_id, reading.yield_liters, reading.milking
      FROM milk_production_realtime reading JOIN iot_milk_meter meter USING (iot_device_id)
     WHERE meter.id = %s AND reading.session_id IS NOT NULL ORDER BY reading.timestamp
"""


def test_what_a_bridge_has_read_in_an_outage_is_stored_though_another_one_leads_after_it(instance):
    stored = Database(instance.postgres.dsn(instance.database))
    with ModbusMeter() as server, contextlib.ExitStack() as stack:
        with instance:
            meter_id = register(log_in(instance), server)
        cables = [stack.enter_context(Cable(int(instance.postgres.port))) for _bridge in range(2)]
        first = stack.enter_context(BridgeCommand(instance, f"--db_port={cables[0].port}", name="first"))
        eventually(lambda: POLLS in first.log, "the first bridge reads the meter")
        second = stack.enter_context(BridgeCommand(instance, f"--db_port={cables[1].port}", name="second"))
        eventually(lambda: "stands by" in second.log, "the second bridge stands by")
        for cable in cables:
            cable.unplug()
        eventually(lambda: "no longer leads" in first.log, "the first bridge has lost the database")
        milk(server, TAGS[0], 9.0, 10)
        milk(server, TAGS[1], 5.0, 6)
        assert not stored.rows(READINGS, meter_id)
        cables[1].plug()
        eventually(lambda: POLLS in second.log, "the second one reads the meter")
        cables[0].plug()
        eventually(
            lambda: [row["state"] for row in stored.rows(SESSIONS, meter_id)] == ["completed"] * 2,
            lambda: f"{stored.rows(SESSIONS, meter_id)}\n{first.log[-3000:]}",
        )
        leads = [line for line in first.log.splitlines() if "IoT bridge" in line and line.rstrip().endswith(") leads")]
        assert len(leads) == 1, "it has not led since"
    assert [row["total_yield"] for row in stored.rows(SESSIONS, meter_id)] == [9.0, 5.0]
    ends = [row["yield_liters"] for row in stored.rows(READINGS, meter_id) if not row["milking"]]
    assert ends == [9.0, 5.0], "each reading is there once"


def test_a_bridge_that_is_stopped_as_soon_as_the_database_is_back_stores_first_what_it_has_read(instance):
    stored = Database(instance.postgres.dsn(instance.database))
    with ModbusMeter() as server, contextlib.ExitStack() as stack:
        with instance:
            meter_id = register(log_in(instance), server)
        cable = stack.enter_context(Cable(int(instance.postgres.port)))
        bridge = stack.enter_context(BridgeCommand(instance, f"--db_port={cable.port}"))
        eventually(lambda: POLLS in bridge.log, "the meter is read")
        cable.unplug()
        eventually(lambda: "no longer leads" in bridge.log, "the bridge has lost the database")
        milk(server, TAGS[0], 9.0, 10)
        assert not stored.rows(READINGS, meter_id)
        cable.plug()
        bridge.stop()
        assert "are lost" not in bridge.log
    readings = stored.rows(READINGS, meter_id)
    assert len(readings) > 5 and readings[0]["milking"]
    assert (readings[-1]["yield_liters"], readings[-1]["milking"]) == (9.0, False)


def test_a_bridge_that_is_stopped_in_an_outage_says_what_is_lost(instance):
    with ModbusMeter() as server, contextlib.ExitStack() as stack:
        with instance:
            register(log_in(instance), server)
        cable = stack.enter_context(Cable(int(instance.postgres.port)))
        bridge = stack.enter_context(BridgeCommand(instance, f"--db_port={cable.port}"))
        eventually(lambda: POLLS in bridge.log, "the meter is read")
        cable.unplug()
        eventually(lambda: "no longer leads" in bridge.log, "the bridge has lost the database")
        # Long enough to be read at the interval of a farm that milks nobody.
        milk(server, TAGS[0], 4.0, 10)
        bridge.stop()
    told = [line for line in bridge.log.splitlines() if "are lost" in line]
    assert len(told) == 1, bridge.log[-3000:]
    assert "ERROR" in told[0] and " of MM" in told[0]


def unplug(_first, cable):
    cable.unplug()


def plug(_first, cable):
    cable.plug()


def suspend(first, _cable):
    first.suspend()


def resume(first, _cable):
    first.resume()


@pytest.mark.parametrize(
    ("strike", "heal"), [(unplug, plug), (suspend, resume)], ids=["cut off from the database", "stopped"]
)
def test_a_bridge_that_takes_over_reads_the_meters_and_the_former_one_leaves_them_alone(instance, strike, heal):
    stored = Database(instance.postgres.dsn(instance.database))
    with ModbusMeter() as server, contextlib.ExitStack() as stack:
        with instance:
            meter_id = register(log_in(instance), server)
        cable = stack.enter_context(Cable(int(instance.postgres.port)))
        first = stack.enter_context(BridgeCommand(instance, f"--db_port={cable.port}", name="first"))
        eventually(lambda: POLLS in first.log, "the first bridge reads the meter")
        second = stack.enter_context(BridgeCommand(instance, name="second"))
        eventually(lambda: "stands by" in second.log, "the second bridge stands by")
        server.set(milking=True, rfid=TAGS[0], yield_liters=1.0, session_seconds=10)
        eventually(lambda: stored.rows(SESSIONS, meter_id), "a session")

        strike(first, cable)
        eventually(lambda: POLLS in second.log, "the second one reads the meter")
        heal(first, cable)
        eventually(lambda: "stands by" in first.log, "the first one stands by")
        eventually(lambda: server.connection_count == 1, "and leaves the meter alone")
        server.set(milking=False, yield_liters=8.0, session_seconds=60)
        eventually(lambda: stored.rows(SESSIONS, meter_id)[0]["state"] == "completed", "the milking's end")
    (session,) = stored.rows(SESSIONS, meter_id)
    assert session["total_yield"] == 8.0
