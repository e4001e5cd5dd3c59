"""How long it takes to register and provision devices on EMQX's tables: 1,000 at a time, and 10,000.

EMQX's authentication database is made for it, and removed; no broker runs, and new devices need none. As a user of Odoo
would, it asks over JSON-RPC to create the devices, and then to provision them, which returns their passwords; the clock
stops when the users and rights are in EMQX's tables.
"""

import contextlib
import statistics
import time

from simulation.rpc import OdooClient
from stack.emqx_tables import EmqxTables
from stack.shell import StackError, say

from .farm import DATABASE, SMOKE, BenchFarm, plan

FARM = plan("provision", 0)
FEW = 10 if SMOKE else 1_000
MANY = 50 if SMOKE else 10_000
ROUNDS_OF_FEW = 2
"""So many before, and as many after, the round of many."""


def measure(farm: BenchFarm) -> dict:
    """Seconds for the most devices, and their cost per device in proportion to that of the fewest: the median of the
    rounds before and after."""
    with running(farm.bed) as bench:
        few = [bench.round(FEW) for _ in range(ROUNDS_OF_FEW)]
        many = bench.round(MANY)
        few += [bench.round(FEW) for _ in range(ROUNDS_OF_FEW)]
    ratio = (many / MANY) / (statistics.median(few) / FEW)
    return {"bench": "provision", "devices": MANY, "seconds": round(many, 2), "cost_ratio": round(ratio, 3)}


@contextlib.contextmanager
def running(bed):
    """A `Bench` on an Odoo that provisions on EMQX's tables."""
    with EmqxTables(bed.postgres) as tables, bed.instance(DATABASE, None, **tables.settings()) as instance:
        yield Bench(OdooClient(instance.url, DATABASE, "admin", "admin", timeout=600), tables)


class Bench:
    """Registers and provisions devices of one farm.

    :param odoo: an `OdooClient` with the rights of an administrator
    :param tables: the `EmqxTables` that the users get into
    """

    def __init__(self, odoo, tables):
        self._odoo = odoo
        self._tables = tables
        self._rounds = 0
        (self._farm_id,) = odoo.call("farm.location", "create", [{"name": "Bench", "code": "BENCH", "tz": "UTC"}])

    def round(self, count: int) -> float:
        """The seconds it takes to register and provision ``count`` devices."""
        self._rounds += 1
        already = self._tables.active_users()
        names = [f"B{self._rounds}-{number:05}" for number in range(count)]
        started = time.monotonic()
        device_ids = self._odoo.call(
            "iot.device",
            "create",
            [{"name": name, "device_id": name, "device_type": "collar", "farm_id": self._farm_id} for name in names],
        )
        action = self._odoo.call("iot.device", "action_provision", device_ids)
        seconds = time.monotonic() - started
        issued = len(action["params"]["credentials"])
        users = self._tables.active_users() - already
        if (issued, users) != (count, count):
            raise StackError(f"{count} devices were provisioned, {issued} passwords issued, {users} users made.")
        say(f"{count} devices: {seconds:.2f} s, {1000 * seconds / count:.2f} ms each")
        return seconds
