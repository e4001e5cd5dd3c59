"""Which registers are read in one request.

A request costs a meter on a slow line more than a few registers do, so contiguous registers are read at once. A gap is
read across only where the register map allows it: an unmapped register may be answered by an exception, and with it
the whole request.
"""

from dataclasses import dataclass

#: The Modbus specification's limits of one read request.
MAX_PER_REQUEST = {"coil": 2000, "discrete": 2000, "holding": 125, "input": 125}

#: The most registers without a meaning that a register map may allow to be read: what a request more would cost.
LARGEST_GAP = 16


@dataclass(frozen=True)
class Block:
    """Registers read in one request."""

    register_type: str
    address: int
    count: int

    @property
    def last_address(self):
        return self.address + self.count - 1

    def holds(self, line):
        """Whether a line's registers are read with this block."""
        return (
            line.register_type == self.register_type
            and self.address <= line.address
            and line.last_address <= self.last_address
        )


def plan_blocks(lines, largest_gap):
    """The fewest requests that read each line whole.

    :param lines: of a `Profile`
    :param largest_gap: registers that may be read though no line names them
    :return: list of `Block` by register type and address
    """
    blocks = []
    for line in sorted(lines, key=lambda line: (line.register_type, line.address)):
        if blocks and _joins(blocks[-1], line, largest_gap):
            last = max(blocks[-1].last_address, line.last_address)
            blocks[-1] = Block(line.register_type, blocks[-1].address, last + 1 - blocks[-1].address)
        else:
            blocks.append(Block(line.register_type, line.address, line.count))
    return blocks


def _joins(block, line, largest_gap):
    return (
        block.register_type == line.register_type
        and line.address <= block.last_address + 1 + largest_gap
        and line.last_address + 1 - block.address <= MAX_PER_REQUEST[block.register_type]
    )
