"""The register map of a meter: which quantity stands in which registers, and in which form.

There is no public register map of a milk meter, so maps are records that a user edits; these classes are how the poller
sees them.
"""

from dataclasses import dataclass
from functools import cached_property

#: Data type -> registers it takes; 0: as many as the line says.
DATA_TYPES = {
    "int16": 1,
    "uint16": 1,
    "int32": 2,
    "uint32": 2,
    "int64": 4,
    "uint64": 4,
    "float32": 2,
    "float64": 4,
    "bit": 1,
    "string": 0,
}

#: Order of the bytes of a value on the wire, A being the most significant byte of its first pair.
BYTE_ORDERS = ("ABCD", "CDAB", "BADC", "DCBA")

#: What a profile can say a register holds -> what kind of value that is.
QUANTITIES = {
    "milking": "boolean",
    "yield_liters": "number",
    "flow_rate": "number",
    "duration_seconds": "integer",
    "rfid_tag": "tag",
    "conductivity": "number",
    "temperature_celsius": "number",
    "fat_percentage": "number",
    "protein_percentage": "number",
    "lactose_percentage": "number",
    "somatic_cell_count": "integer",
    "blood_detected": "boolean",
    "vacuum_pressure": "number",
    "pulsation_rate": "integer",
}

#: Without these no milking can be told from the registers.
REQUIRED_QUANTITIES = ("milking", "yield_liters")

#: The Modbus specification's limit of registers in one read request.
MAX_REGISTERS_PER_REQUEST = 125
LAST_ADDRESS = 0xFFFF


class ProfileError(ValueError):
    """A register map that cannot be read with; the text is for the person who edits it."""


@dataclass(frozen=True)
class Line:
    """One quantity and its registers: value = decoded registers * `scale` + `offset`.

    :param address: of the first register, from 0, as in the request on the wire
    :param length: registers of a string; other types bring their own
    :param bit: of the register, 0 the least significant, for the type `bit`
    """

    quantity: str
    address: int
    data_type: str
    byte_order: str = "ABCD"
    length: int = 1
    bit: int = 0
    scale: float = 1.0
    offset: float = 0.0

    def __post_init__(self):
        if self.quantity not in QUANTITIES:
            raise ProfileError(f"{self.quantity} is no quantity of a milk meter")
        if self.data_type not in DATA_TYPES:
            raise ProfileError(f"{self.quantity}: {self.data_type} is no data type")
        if self.byte_order not in BYTE_ORDERS:
            raise ProfileError(f"{self.quantity}: {self.byte_order} is no byte order")
        if self.data_type == "string" and self.quantity != "rfid_tag":
            raise ProfileError(f"{self.quantity}: only a tag can be a string")
        if not 0 <= self.bit <= 15:
            raise ProfileError(f"{self.quantity}: a register has the bits 0 to 15")
        if not 1 <= self.count <= MAX_REGISTERS_PER_REQUEST:
            raise ProfileError(f"{self.quantity}: a value takes 1 to {MAX_REGISTERS_PER_REQUEST} registers")
        if not 0 <= self.address <= self.last_address <= LAST_ADDRESS:
            raise ProfileError(f"{self.quantity}: registers have the addresses 0 to {LAST_ADDRESS}")

    @property
    def count(self):
        """Registers this value takes."""
        return DATA_TYPES[self.data_type] or self.length

    @property
    def last_address(self):
        return self.address + self.count - 1


@dataclass(frozen=True)
class Block:
    """Registers read in one request."""

    address: int
    count: int


@dataclass(frozen=True)
class Profile:
    """A meter's register map.

    :param register_type: `holding` (function code 3) or `input` (function code 4)
    :param lines: tuple of `Line`, one per quantity
    """

    name: str
    register_type: str
    lines: tuple

    def __post_init__(self):
        quantities = [line.quantity for line in self.lines]
        missing = [quantity for quantity in REQUIRED_QUANTITIES if quantity not in quantities]
        if missing:
            raise ProfileError(f"{self.name}: no line for {' and '.join(missing)}")
        twice = sorted({quantity for quantity in quantities if quantities.count(quantity) > 1})
        if twice:
            raise ProfileError(f"{self.name}: more than one line for {', '.join(twice)}")

    @cached_property
    def blocks(self):
        """The fewest requests that read no register the map does not name, that with the `milking` line first.

        A gap is never read across: an unmapped register may answer with an exception, and with it the whole request.
        The status comes first so that, once it says the milking is over, the yield read after it is the final one.
        """
        blocks = []
        for line in sorted(self.lines, key=lambda line: line.address):
            if blocks and self._joins(blocks[-1], line):
                start = blocks[-1].address
                blocks[-1] = Block(start, max(blocks[-1].count, line.last_address + 1 - start))
            else:
                blocks.append(Block(line.address, line.count))
        status = next(line.address for line in self.lines if line.quantity == "milking")
        return tuple(sorted(blocks, key=lambda block: not block.address <= status < block.address + block.count))

    @staticmethod
    def _joins(block, line):
        return (
            line.address <= block.address + block.count
            and line.last_address + 1 - block.address <= MAX_REGISTERS_PER_REQUEST
        )
