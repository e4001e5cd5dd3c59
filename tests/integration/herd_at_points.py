"""A herd of 500 and a parlour of 16 points with Modbus meters, and what a reader makes of the cows' tags."""

from simulation.herd import TAG_COUNTRY
from simulation.modbus_line import ModbusLine
from simulation.modbus_meter import MeterRegisters, ModbusMeter, ModbusServer
from simulation.points import CowAtPoint
from support import Farm, new_code

COWS, POINTS = 500, 16
#: Milkings are quick, for the test's sake: a real one takes five minutes and has a hundred times the readings.
SECONDS = (7.0, 9.0)
#: Long enough for a busy machine to read what a milking came to, before the next cow's stands there.
PAUSE = (3.0, 4.0)
#: One in twenty.
MISREADS = {"late": 10, "garbled": 5, "never": 5, "neighbour": 5}
assert sum(MISREADS.values()) == COWS // 20
#: Cows who come while the bridge is away.
LATECOMERS = 6
#: ISO 11784 has room for less than 2^38.
FIRST_TAG = 70_000_000_000


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
    """The cows in the order in which they come, each with what the reader makes of her tag; the last `LATECOMERS` are
    read well."""
    misreads = [misread for misread, count in MISREADS.items() for _cow in range(count)]
    misreads += [""] * (COWS - LATECOMERS - len(misreads))
    rng.shuffle(misreads)
    return [
        CowAtPoint(
            1 << 63 | TAG_COUNTRY << 38 | (FIRST_TAG + number),
            rng.uniform(*SECONDS),
            round(rng.uniform(4, 16), 2),
            misread,
        )
        for number, misread in enumerate(misreads + [""] * LATECOMERS)
    ]


def number_of(cow):
    return (cow.tag & 0x3F_FFFF_FFFF) - FIRST_TAG


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
