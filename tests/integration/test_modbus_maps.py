"""The register maps that come along, by their own lines: what stands in a register is what the milking has."""

from contextlib import contextmanager

import pytest

from polled_meter import SESSIONS, polled, register_cows, wait_for_animal, wait_for_session
from simulation.modbus_meter import AFIMILK, DELAVAL, Place
from support import eventually

#: `struct` codes of a line's types.
CODES = {"bit": None, "bool": ">H", "uint16": ">H", "uint32": ">I", "float32": ">f", "uint64": ">Q", "string": ">8s"}

#: Quantity -> (field of the session, what the meter measures).
MEASURED = {
    "yield_liters": ("total_yield", 11.25),
    "flow_rate": ("peak_flow_rate", 2.625),
    "conductivity": ("conductivity", 5.125),
    "temperature_celsius": ("milk_temperature", 37.75),
    "fat_percentage": ("fat_percentage", 4.25),
    "protein_percentage": ("protein_percentage", 3.5),
    "lactose_percentage": ("lactose_percentage", 4.75),
    "somatic_cell_count": ("somatic_cell_count", 123_456),
    "blood_detected": ("blood_detected", True),
    "vacuum_pressure": ("vacuum_level", 43),
    "pulsation_rate": ("pulsation_rate", 61),
}
#: What says whose milking it is, and when.
OF_THE_MILKING = {"milking", "rfid_tag", "duration_seconds"}
#: Readings of a meter that milks nobody, in which it would have been seen to.
LOOKS = 6


class Map:
    """The lines of a maker's shipped map, and a meter that has those registers and no others."""

    def __init__(self, odoo, manufacturer):
        names = ["quantity", "register_type", "address", "data_type", "byte_order", "bit", "scale", "value_offset"]
        domain = [("profile_id.manufacturer", "=", manufacturer)]
        lines = odoo.call("iot.modbus.profile.line", "search_read", domain, names)
        # Of other ones the simulated meter knows nothing.
        assert {(line["byte_order"], line["scale"], line["value_offset"]) for line in lines} == {("ABCD", 1.0, 0.0)}
        self.quantities = {line["quantity"] for line in lines}
        assert len(self.quantities) == len(lines)
        self.layout = {
            line["quantity"]: Place(
                line["address"],
                CODES[line["data_type"]],
                line["bit"] if line["data_type"] == "bit" else None,
                line["register_type"],
            )
            for line in lines
        }
        self.gives_whole_tags = self.layout["rfid_tag"].code == ">Q"

    def tag(self, code):
        """What the tag's registers hold of a cow whose tag has this code."""
        return code if self.gives_whole_tags else b"12345678"

    def show(self, server, **values):
        """Set those registers that the map has."""
        server.set(**{quantity: value for quantity, value in values.items() if quantity in self.quantities})


@contextmanager
def ending_soon(odoo, manufacturer):
    """Where the flow tells of the end, the farm does not wait long for it."""
    profile = odoo.call("iot.modbus.profile", "search", [("manufacturer", "=", manufacturer)])
    (before,) = odoo.call("iot.modbus.profile", "read", profile, ["idle_seconds"])
    odoo.call("iot.modbus.profile", "write", profile, {"idle_seconds": 2})
    try:
        yield
    finally:
        odoo.call("iot.modbus.profile", "write", profile, {"idle_seconds": before["idle_seconds"]})


@pytest.fixture
def cows(odoo, farm):
    return register_cows(odoo, farm)


def values_of(odoo, meter_id, *names):
    """What the meter's only milking has of these."""
    (session,) = odoo.call("milk.session", "search_read", [("meter_id", "=", meter_id)], names)
    del session["id"]
    return session


def wait_for_yield(stored, meter_id, number, liters):
    eventually(
        lambda: stored.rows(SESSIONS, meter_id)[number - 1]["current_yield"] == pytest.approx(liters), "the yield grows"
    )


def is_looked_at(server):
    asked = len(server.requests)
    eventually(lambda: len(server.requests) > asked + LOOKS, "the meter is read again and again")


@pytest.mark.parametrize(("manufacturer", "simulated"), [("delaval", DELAVAL), ("gea", DELAVAL), ("afimilk", AFIMILK)])
def test_what_stands_in_each_register_is_what_the_milking_has_and_shown_again_it_is_no_other(
    odoo, farm, stored, cows, manufacturer, simulated
):
    registers = Map(odoo, manufacturer)
    assert set(registers.layout.values()) == set(simulated.values()), "each where the maker has it"
    assert registers.quantities <= MEASURED.keys() | OF_THE_MILKING, "a line without a place in the milking"
    animal_id, code = cows[17]
    measured = {quantity: value for quantity, (_field, value) in MEASURED.items()}
    meter = polled(odoo, farm, manufacturer, registers.layout, has_milk_quality=True)
    with ending_soon(odoo, manufacturer), meter as (server, meter_id):
        whole = measured | {"milking": True, "rfid_tag": registers.tag(code), "duration_seconds": 290}
        registers.show(server, **whole | {"yield_liters": 0.5, "duration_seconds": 10})
        wait_for_session(stored, meter_id, 1, "in_progress")
        if registers.gives_whole_tags:
            wait_for_animal(stored, meter_id, 1, animal_id)
        registers.show(server, **whole)
        wait_for_yield(stored, meter_id, 1, measured["yield_liters"])
        registers.show(server, milking=False, flow_rate=0.0)
        session = wait_for_session(stored, meter_id, 1, "completed")
        expected = dict(MEASURED[quantity] for quantity in registers.quantities & MEASURED.keys())
        assert values_of(odoo, meter_id, *expected) == pytest.approx(expected)
        if registers.gives_whole_tags:
            assert session["animal_id"] == animal_id
            production = "SELECT animal_id, quantity FROM farm_milk_production WHERE id = %s"
            assert stored.rows(production, session["production_id"]) == [{"animal_id": animal_id, "quantity": 11.25}]
        else:
            assert (session["animal_id"], session["production_id"]) == (None, None), "it is on the list to assign"

        registers.show(server, **whole)
        is_looked_at(server)
        assert len(stored.rows(SESSIONS, meter_id)) == 1


#: Fat and protein in %, cells per mL, blood -> grade. What is 0 was not measured.
GRADES = [
    ((4.0, 3.5, 150_000, 0), "A"),
    ((4.0, 3.5, 250_000, 0), "B"),
    ((4.0, 3.5, 0, 0), "B"),
    ((3.2, 2.9, 150_000, 0), "B"),
    ((2.7, 2.6, 150_000, 0), "C"),
    ((2.2, 2.6, 150_000, 0), "reject"),
    ((4.0, 3.5, 450_000, 0), "reject"),
    ((4.0, 3.5, 150_000, 1), "reject"),
    ((0.0, 3.5, 150_000, 0), False),
    ((4.0, 0.0, 150_000, 0), False),
]


def test_milk_has_its_grade_by_what_the_registers_say_of_it(odoo, farm, stored):
    registers = Map(odoo, "afimilk")
    with polled(odoo, farm, "afimilk", registers.layout, has_milk_quality=True) as (server, meter_id):
        for number, (values, _grade) in enumerate(GRADES, 1):
            fat, protein, cells, blood = values
            # The next cow's yield begins at nothing, and ends the milking of the one before.
            registers.show(
                server,
                yield_liters=0.5,
                flow_rate=2.5,
                fat_percentage=fat,
                protein_percentage=protein,
                somatic_cell_count=cells,
                blood_detected=blood,
            )
            wait_for_session(stored, meter_id, number, "in_progress")
            registers.show(server, yield_liters=6.0)
            wait_for_yield(stored, meter_id, number, 6.0)
        sessions = odoo.call(
            "milk.session", "search_read", [("meter_id", "=", meter_id)], ["quality_grade"], order="id"
        )
    assert [session["quality_grade"] for session in sessions] == [grade for _values, grade in GRADES]


def test_of_a_meter_that_does_not_analyse_milk_such_registers_say_nothing(odoo, farm, stored):
    registers = Map(odoo, "afimilk")
    with polled(odoo, farm, "afimilk", registers.layout, has_milk_quality=False) as (server, meter_id):
        registers.show(
            server,
            yield_liters=0.5,
            flow_rate=2.5,
            fat_percentage=2.0,
            protein_percentage=2.0,
            lactose_percentage=2.0,
            somatic_cell_count=900_000,
        )
        wait_for_session(stored, meter_id, 1, "in_progress")
        registers.show(server, yield_liters=6.0)
        wait_for_yield(stored, meter_id, 1, 6.0)
        nothing = {
            "fat_percentage": 0.0,
            "protein_percentage": 0.0,
            "lactose_percentage": 0.0,
            "somatic_cell_count": 0,
            "quality_grade": False,
        }
        assert values_of(odoo, meter_id, *nothing) == nothing


def test_an_afimilk_meter_that_gives_whole_tags_names_the_cow(odoo, farm, stored, cows):
    (tag_line,) = odoo.call(
        "iot.modbus.profile.line",
        "search",
        [("profile_id.manufacturer", "=", "afimilk"), ("quantity", "=", "rfid_tag")],
    )
    odoo.call("iot.modbus.profile.line", "write", [tag_line], {"data_type": "uint64"})
    try:
        registers = Map(odoo, "afimilk")
        assert registers.gives_whole_tags
        meter = polled(odoo, farm, "afimilk", registers.layout)
        with ending_soon(odoo, "afimilk"), meter as (server, meter_id):
            registers.show(server, rfid_tag=cows[18][1], yield_liters=0.5, flow_rate=2.5)
            wait_for_session(stored, meter_id, 1, "in_progress")
            wait_for_animal(stored, meter_id, 1, cows[18][0])
            registers.show(server, yield_liters=8.0, flow_rate=0.0)
            session = wait_for_session(stored, meter_id, 1, "completed")
    finally:
        odoo.call("iot.modbus.profile.line", "write", [tag_line], {"data_type": "string", "length": 4})
    assert (session["animal_id"], session["total_yield"]) == (cows[18][0], 8.0)
    assert stored.value("SELECT quantity FROM farm_milk_production WHERE id = %s", session["production_id"]) == 8.0
