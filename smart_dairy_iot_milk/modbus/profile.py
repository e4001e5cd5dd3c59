"""The register map of a meter: which quantity stands in which registers, and in which form.

There is no public register map of a milk meter, so maps are records that a user edits; these classes are how the poller
sees them.
"""

from dataclasses import dataclass
from functools import cached_property

from .blocks import LARGEST_GAP, MAX_PER_REQUEST, plan_blocks

#: Data type -> registers it takes; 0: as many as the line says. `bit` is one bit of a register, `bool` any bit of it.
DATA_TYPES = {
    "int16": 1,
    "uint16": 1,
    "int32": 2,
    "uint32": 2,
    "int64": 4,
    "uint64": 4,
    "float32": 2,
    "float64": 4,
    "bool": 1,
    "bit": 1,
    "string": 0,
}
_INTEGER_TYPES = ("int16", "uint16", "int32", "uint32", "int64", "uint64")
_BOOLEAN_TYPES = ("bool", "bit")

#: Order of the bytes of a value on the wire, A being the most significant byte of its first pair.
BYTE_ORDERS = ("ABCD", "CDAB", "BADC", "DCBA")

#: Where a value stands -> the function code that reads it.
REGISTER_TYPES = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
#: Those of one bit each.
BIT_REGISTER_TYPES = ("coil", "discrete")

#: What a profile can say a register holds -> what kind of value that is.
QUANTITIES = {
    "milking": "boolean",
    "yield_liters": "number",
    "flow_rate": "number",
    "duration_seconds": "integer",
    "session_number": "integer",
    "rfid_tag": "tag",
    "conductivity": "number",
    "conductivity_lf": "number",
    "conductivity_rf": "number",
    "conductivity_lr": "number",
    "conductivity_rr": "number",
    "yield_lf": "number",
    "yield_rf": "number",
    "yield_lr": "number",
    "yield_rr": "number",
    "temperature_celsius": "number",
    "fat_percentage": "number",
    "protein_percentage": "number",
    "lactose_percentage": "number",
    "somatic_cell_count": "integer",
    "blood_detected": "boolean",
    "vacuum_pressure": "number",
    "pulsation_rate": "integer",
    "pulsation_ratio": "number",
}

#: Units of the quantities that have one, after scale and offset.
UNITS = {
    "yield_liters": "L",
    "flow_rate": "L/min",
    "duration_seconds": "s",
    **{f"conductivity{quarter}": "mS/cm" for quarter in ("", "_lf", "_rf", "_lr", "_rr")},
    **{f"yield_{quarter}": "L" for quarter in ("lf", "rf", "lr", "rr")},
    "temperature_celsius": "°C",
    "fat_percentage": "%",
    "protein_percentage": "%",
    "lactose_percentage": "%",
    "somatic_cell_count": "1/mL",
    "vacuum_pressure": "kPa",
    "pulsation_rate": "1/min",
    "pulsation_ratio": "%",
}

#: How a milking is told -> quantities without which it cannot be: by a status register, or by milk that flows.
REQUIRED_QUANTITIES = {
    "status": ("milking", "yield_liters"),
    "flow": ("flow_rate", "yield_liters"),
}

LAST_ADDRESS = 0xFFFF

#: Larger than anything in registers; what is not a number at all compares as none either.
_LARGEST_NUMBER = 1e300


class ProfileError(ValueError):
    """A register map that cannot be read with; the text is for the person who edits it."""


@dataclass(frozen=True)
class Line:
    """One quantity and its registers: value = decoded registers * `scale` + `offset`.

    :param address: of the first register, from 0, as in the request on the wire
    :param length: registers of a string; other types bring their own
    :param bit: of the register, 0 the least significant, for the type `bit`
    :param register_type: a key of `REGISTER_TYPES`
    :param minimum, maximum: of the value, in its unit; None is no limit
    :param unavailable: numbers with which the meter says that it has no value, before scale and offset: the bits of the
        registers as one number, or the number they stand for
    :param name: the maker's word for it
    """

    quantity: str
    address: int
    data_type: str
    byte_order: str = "ABCD"
    length: int = 1
    bit: int = 0
    scale: float = 1.0
    offset: float = 0.0
    register_type: str = "holding"
    minimum: float = None
    maximum: float = None
    unavailable: tuple = ()
    name: str = ""

    def __post_init__(self):
        problem = self._problem_of_words() or self._problem_of_kind() or self._problem_of_registers()
        if problem:
            raise ProfileError(f"{self.name or self.quantity}: {problem}")

    @property
    def count(self):
        """Registers, or coils, that this value takes."""
        return DATA_TYPES[self.data_type] or self.length

    @property
    def last_address(self):
        return self.address + self.count - 1

    def _problem_of_words(self):
        for value, known, noun in (
            (self.quantity, QUANTITIES, "quantity of a milk meter"),
            (self.data_type, DATA_TYPES, "data type"),
            (self.byte_order, BYTE_ORDERS, "byte order"),
            (self.register_type, REGISTER_TYPES, "register type"),
        ):
            if value not in known:
                return f"{value} is no {noun}"
        return None

    def _problem_of_kind(self):
        kind = QUANTITIES[self.quantity]
        if self.data_type == "string" and kind != "tag":
            return "only a tag can be a string"
        if kind == "tag" and self.data_type != "string" and self.data_type not in _INTEGER_TYPES:
            return "a tag is a string or a whole number"
        if self.data_type in _BOOLEAN_TYPES and kind != "boolean":
            return f"a {self.data_type} says yes or no, which this quantity does not"
        if self.register_type in BIT_REGISTER_TYPES and self.data_type not in _BOOLEAN_TYPES:
            return f"a {self.register_type} says yes or no: its type is bool"
        if (self.minimum is not None or self.maximum is not None) and kind not in ("number", "integer"):
            return "only a number has a range"
        if None not in (self.minimum, self.maximum) and self.minimum >= self.maximum:
            return "the range ends before it begins"
        if self.unavailable and (self.data_type == "string" or self.register_type in BIT_REGISTER_TYPES):
            return "only a number says by its value that it is not available"
        return None

    def _problem_of_registers(self):
        limit = MAX_PER_REQUEST[self.register_type]
        if not 0 <= self.bit <= 15:
            return "a register has the bits 0 to 15"
        if not 1 <= self.count <= limit:
            return f"a value takes 1 to {limit} registers"
        if not 0 <= self.address <= self.last_address <= LAST_ADDRESS:
            return f"registers have the addresses 0 to {LAST_ADDRESS}"
        if not self.scale:
            return "a scale of 0 makes every value the same"
        return None


@dataclass(frozen=True)
class Profile:
    """A meter's register map.

    :param lines: tuple of `Line`, one per quantity
    :param milking_from: `status`: the quantity `milking` says that a cow is milked; `flow`: the milk's flow does
    :param flow_from: L/min from which on a cow is being milked, for `flow`
    :param idle_seconds: without that flow after which the milking is over, for `flow`
    :param point_stride: registers from one milking point of the meter to the next; 0: it has one
    :param largest_gap: registers without a meaning that may be read to save a request
    """

    name: str
    lines: tuple
    milking_from: str = "status"
    flow_from: float = 0.2
    idle_seconds: int = 20
    point_stride: int = 0
    largest_gap: int = 0

    def __post_init__(self):
        problem = self._problem_of_settings() or self._problem_of_lines()
        if problem:
            raise ProfileError(f"{self.name}: {problem}")

    @property
    def required(self):
        """Quantities without which a reading says nothing of a milking."""
        return REQUIRED_QUANTITIES[self.milking_from]

    @cached_property
    def blocks(self):
        """Tuple of `Block`, the requests of one reading, that with the state of the milking first.

        So that, once that says the milking is over, the yield read after it is the final one.
        """
        blocks = plan_blocks(self.lines, self.largest_gap)
        state = next(line for line in self.lines if line.quantity == self.required[0])
        return tuple(sorted(blocks, key=lambda block: not block.holds(state)))

    def _problem_of_settings(self):
        if self.milking_from not in REQUIRED_QUANTITIES:
            return f"a milking is told by {' or '.join(REQUIRED_QUANTITIES)}, not by {self.milking_from}"
        if not self.flow_from > 0:
            return "the flow of a milking is greater than 0"
        if self.idle_seconds < 1:
            return "a milking ends after a second without flow at the earliest"
        if not 0 <= self.point_stride <= LAST_ADDRESS:
            return f"points lie 0 to {LAST_ADDRESS} registers apart"
        if not 0 <= self.largest_gap <= LARGEST_GAP:
            return f"0 to {LARGEST_GAP} registers without a meaning can be read across"
        return None

    def _problem_of_lines(self):
        quantities = [line.quantity for line in self.lines]
        missing = [quantity for quantity in self.required if quantity not in quantities]
        if missing:
            return f"no line for {' and '.join(missing)}"
        twice = sorted({quantity for quantity in quantities if quantities.count(quantity) > 1})
        if twice:
            return f"more than one line for {', '.join(twice)}"
        return None


#: Columns of the table `iot_modbus_profile_line`, in the order in which `line_from_columns` takes them.
LINE_COLUMNS = (
    "quantity",
    "address",
    "data_type",
    "byte_order",
    "length",
    "bit",
    "scale",
    "value_offset",
    "register_type",
    "minimum",
    "maximum",
    "unavailable",
    "name",
)


def line_from_columns(
    quantity,
    address,
    data_type,
    byte_order,
    length,
    bit,
    scale,
    value_offset,
    register_type,
    minimum,
    maximum,
    unavailable,
    name,
):
    """A stored line as a `Line`. The database has no empty number: a range from 0 to 0 is none.

    :raise ProfileError: it makes no sense
    """
    has_range = bool(minimum or maximum)
    return Line(
        quantity,
        address or 0,
        data_type,
        byte_order or "ABCD",
        length or 1,
        bit or 0,
        1.0 if scale is None else scale,
        value_offset or 0.0,
        register_type or "holding",
        (minimum or 0.0) if has_range else None,
        (maximum or 0.0) if has_range else None,
        parse_unavailable(unavailable),
        name or "",
    )


def parse_unavailable(text):
    """Numbers as a person types them, `0xFFFF, -9999`.

    :return: tuple of int and float
    :raise ProfileError: one of them is no number
    """
    return tuple(_number(part.strip()) for part in (text or "").split(",") if part.strip())


def _number(text):
    for read in (lambda: int(text, 0), lambda: float(text)):
        try:
            number = read()
        except ValueError:
            continue
        if abs(number) <= _LARGEST_NUMBER:
            return number
    raise ProfileError(f"{text} is no number, decimal or as 0x…")
