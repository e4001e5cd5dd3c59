"""A herd of 500 is milked at 16 points, with misreads, a meter that dies, a bridge that is killed and a database that
is away: every milking is there once, and no animal is the wrong one."""

import contextlib
import random
import threading
import time
from datetime import datetime, timezone

import pytest

from bridge_command import BridgeCommand
from cable import Cable
from simulation.herd import TAG_COUNTRY
from simulation.modbus_line import ModbusLine
from simulation.modbus_meter import MeterRegisters, ModbusMeter, ModbusServer
from simulation.points import CowAtPoint, PointBank
from support import Database, Farm, eventually, log_in, new_code

COWS, POINTS = 500, 16
#: Milkings are quick, for the test's sake: a real one takes five minutes and has a hundred times the readings.
SECONDS, PAUSE = (7.0, 9.0), (1.0, 2.0)
MISREADS = {"late": COWS // 40, "garbled": COWS // 80, "never": COWS // 80}
#: ISO 11784 has room for less than 2^38.
FIRST_TAG = 70_000_000_000
BRIDGE_AWAY_SECONDS, DATABASE_AWAY_SECONDS = 10, 15
#: A milking is read once a second: this may be missing at either end, and more while the machine is busy.
TOLERANCE_SECONDS = 4
DURATION = 1200

SESSIONS = """
    SELECT session.id, session.name, point.id AS point, session.animal_id, animal.name AS animal,
           session.identification, session.state, session.total_yield::float, session.start_time, session.end_time,
           session.production_id
      FROM milk_session session
      JOIN iot_milk_meter point ON point.id = session.meter_id
 LEFT JOIN farm_animal animal ON animal.id = session.animal_id
     WHERE session.meter_id = ANY(%s) ORDER BY session.start_time, session.id
"""
READ = "SELECT count(*) FROM iot_milk_meter_state WHERE meter_id = ANY(%s) AND state IN ('polled', 'slow')"
POLLED_AT = "SELECT max(told_at) FROM iot_milk_meter_state WHERE meter_id = ANY(%s)"


class Parlour:
    """Six meters over TCP, two behind gateways of serial frames, eight on a serial line."""

    def __init__(self, stack):
        self.registers, self.settings, self._single = [], [], []
        for _number in range(6):
            meter = stack.enter_context(ModbusMeter())
            self._single.append(meter)
            self._add("modbus_tcp", meter.endpoint, {1: meter})
        for _number in range(2):
            registers = {1: MeterRegisters()}
            gateway = stack.enter_context(ModbusServer("127.0.0.1", 0, registers, framing="rtu"))
            self._add("modbus_rtu", gateway.endpoint, registers)
        registers = {unit: MeterRegisters() for unit in range(1, 9)}
        line = stack.enter_context(ModbusLine(registers, 115200))
        self._add("modbus_rtu", line.device, registers)

    def _add(self, communication, endpoint, registers):
        for unit, one in registers.items():
            self.registers.append(one)
            self.settings.append(
                {
                    "communication_type": communication,
                    "modbus_port": endpoint,
                    "modbus_address": unit,
                    "modbus_baudrate": "115200",
                }
            )

    def kill(self, number):
        """One of those over TCP loses its power."""
        self._single[number].stop()


def herd(rng):
    """The cows in the order in which they come, each with what the reader makes of her tag."""
    misreads = [misread for misread, count in MISREADS.items() for _cow in range(count)]
    misreads += [""] * (COWS - len(misreads))
    rng.shuffle(misreads)
    return [
        CowAtPoint(
            1 << 63 | TAG_COUNTRY << 38 | (FIRST_TAG + number),
            rng.uniform(*SECONDS),
            round(rng.uniform(4, 16), 2),
            misread,
        )
        for number, misread in enumerate(misreads)
    ]


def register(odoo, parlour):
    """Register cows and meters; returns ids of the meters, in the order of the points."""
    farm = Farm(odoo, new_code())
    odoo.call(
        "farm.animal",
        "create",
        [
            {"name": f"Cow {number}", "farm_id": farm.id, "rfid_tag": f"{TAG_COUNTRY}{FIRST_TAG + number:012d}"}
            for number in range(COWS)
        ],
    )
    meters = []
    for number, settings in enumerate(parlour.settings):
        values = {"name": f"Point {number}", "device_id": new_code("MM"), "farm_id": farm.id, "manufacturer": "delaval"}
        meters += odoo.call("iot.milk_meter", "create", [values | settings])
        odoo.call("iot.milk_meter", "action_provision", [meters[-1]])
    return meters


@pytest.fixture
def stored(instance):
    return Database(instance.postgres.dsn(instance.database))


def test_every_milking_is_there_once_and_no_animal_is_the_wrong_one(instance, stored):
    rng = random.Random(500)
    cows = herd(rng)
    with contextlib.ExitStack() as stack:
        parlour = Parlour(stack)
        with instance:
            meters = register(log_in(instance), parlour)
        # The web server's own bridge would take over in place of a restart.
        cable = stack.enter_context(Cable(int(instance.postgres.port)))
        bridge = stack.enter_context(BridgeCommand(instance, f"--db_port={cable.port}"))
        eventually(lambda: stored.value(READ, meters) == POINTS, "all meters are read", 120)

        bank = PointBank(parlour.registers, cows, lambda: rng.uniform(*PAUSE))
        stop = threading.Event()
        stack.callback(stop.set)
        milking = threading.Thread(target=bank.run, args=(stop,), daemon=True)
        milking.start()

        wait_until_left(bank, COWS * 3 // 4)
        restart(bridge, bank, stored, meters)
        wait_until_left(bank, COWS // 2)
        eventually(lambda: bank.take_out(0), "the first point is free")
        # What stood in its registers at the end is read before.
        time.sleep(2 * TOLERANCE_SECONDS)
        parlour.kill(0)
        wait_until_left(bank, COWS // 4)
        cable.unplug()
        time.sleep(DATABASE_AWAY_SECONDS)
        cable.plug()
        milking.join(DURATION)
        assert not bank.left
        eventually(
            lambda: (
                stored.value(
                    "SELECT count(*) FROM milk_session WHERE meter_id = ANY(%s) AND state = 'completed'", meters
                )
                >= COWS
            ),
            lambda: f"{len(stored.rows(SESSIONS, meters))} sessions, {bridge.log[-3000:]}",
            180,
        )
    sessions = stored.rows(SESSIONS, meters)
    matched = match(sessions, bank.milked, meters)
    check_animals(matched)
    check_production(stored, sessions, bank.milked)
    with instance:
        check_proposals(log_in(instance), stored, matched)


def wait_until_left(bank, count):
    eventually(lambda: bank.left <= count, lambda: f"{bank.left} cows are left", DURATION)


def restart(bridge, bank, stored, meters):
    """Kill the bridge and start it again. Meanwhile nobody comes or goes, as milkings are long in a parlour: what
    begins and ends while nobody looks is in no register any more."""
    bank.hold()
    # One reading more of whoever has just come.
    time.sleep(TOLERANCE_SECONDS)
    before = stored.value(POLLED_AT, meters)
    bridge.kill()
    time.sleep(BRIDGE_AWAY_SECONDS)
    bridge.start()
    eventually(lambda: stored.value(POLLED_AT, meters) > before, "the meters are read again", 120)
    time.sleep(TOLERANCE_SECONDS)
    bank.release()


def match(sessions, milked, meters):
    """Pairs of session and milking: each milking has one, and none is left over."""
    pairs, unmatched = [], list(sessions)
    for one in sorted(milked, key=lambda one: one.ended):
        found = [session for session in unmatched if is_of(session, one, meters)]
        assert len(found) == 1, f"{one}: {found}"
        unmatched.remove(found[0])
        pairs.append((found[0], one))
    assert not unmatched, f"{len(unmatched)} sessions of no milking, such as {unmatched[0]}"
    assert len(pairs) == COWS
    return pairs


def is_of(session, one, meters):
    began, ended = (
        datetime.fromtimestamp(moment, timezone.utc).replace(tzinfo=None) for moment in (one.began, one.ended)
    )
    return (
        session["point"] == meters[one.point]
        and abs((session["start_time"] - began).total_seconds()) < TOLERANCE_SECONDS
        and abs((session["end_time"] - ended).total_seconds()) < TOLERANCE_SECONDS
        and session["total_yield"] == pytest.approx(one.cow.litres, abs=0.01)
    )


def number_of(cow):
    return (cow.tag & 0x3F_FFFF_FFFF) - FIRST_TAG


def check_animals(matched):
    for session, one in matched:
        if session["animal_id"]:
            assert session["animal"] == f"Cow {number_of(one.cow)}", (session, one)
    unknown = [(session, one) for session, one in matched if not session["animal_id"]]
    assert {one.cow.misread for _session, one in unknown} <= {"never"}, unknown
    assert len(unknown) == MISREADS["never"]
    assert {session["identification"] for session, _one in unknown} == {"none"}


def check_production(stored, sessions, milked):
    """Each milking with an animal is production once, and no litre is missing or counted twice."""
    known = [session for session in sessions if session["animal_id"]]
    records = [session["production_id"] for session in known]
    assert all(records) and len(set(records)) == len(records)
    rows = stored.rows("SELECT quantity::float FROM farm_milk_production WHERE id = ANY(%s)", records)
    by_meters = sum(one.cow.litres for one in milked if one.cow.misread != "never")
    assert sum(row["quantity"] for row in rows) == pytest.approx(by_meters, abs=0.01 * len(rows))


def check_proposals(odoo, stored, matched):
    """Whoever has no animal is on the list to assign, and what is proposed as certain is right."""
    unknown = {session["id"]: one.cow for session, one in matched if not session["animal_id"]}
    odoo.call("milk.session", "action_propose", list(unknown))
    rows = stored.rows(
        """
        SELECT session.id, session.left_unknown, session.proposal_certainty, animal.name
          FROM milk_session session LEFT JOIN farm_animal animal ON animal.id = session.proposed_animal_id
         WHERE session.id = ANY(%s)
        """,
        list(unknown),
    )
    assert len(rows) == len(unknown)
    for row in rows:
        assert not row["left_unknown"], "it stays on the list"
        if row["name"] and row["proposal_certainty"] >= 0.9:
            assert row["name"] == f"Cow {number_of(unknown[row['id']])}"
