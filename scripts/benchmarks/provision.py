"""How long it takes to register and provision devices on EMQX's tables: 1,000 at a time, and 10,000.

An Odoo, its database and EMQX's authentication database are made for it, and removed. As a user of Odoo would, it asks
over JSON-RPC to create the devices, and then to provision them, which returns their passwords; the clock stops when the
users and rights are in EMQX's tables.
"""

import contextlib
import os
import statistics
import time

from simulation.rpc import OdooClient
from stack.emqx_tables import EmqxTables
from stack.shell import StackError, say
from stack.test_bed import STANDARD_DATABASE, open_test_bed

_SMOKE = bool(os.environ.get("SMOKE"))
FEW = 10 if _SMOKE else 1_000
MANY = 50 if _SMOKE else 10_000
ROUNDS_OF_FEW = 2
"""So many before, and as many after, the round of many."""


def measure(odoo, environment) -> dict:
    """Seconds for the most devices, and their cost per device in proportion to that of the fewest: the median of the
    rounds before and after."""
    with open_test_bed(odoo, environment, ["smart_dairy_iot"]) as bed, running(bed) as bench:
        few = [bench.round(FEW) for _ in range(ROUNDS_OF_FEW)]
        many = bench.round(MANY)
        few += [bench.round(FEW) for _ in range(ROUNDS_OF_FEW)]
    ratio = (many / MANY) / (statistics.median(few) / FEW)
    return {"bench": "provision", "devices": MANY, "seconds": round(many, 2), "cost_ratio": round(ratio, 3)}


@contextlib.contextmanager
def running(bed):
    """A `Bench` on an Odoo that provisions on EMQX's tables; no broker runs, and new devices need none."""
    bed.copy_database(STANDARD_DATABASE, "bench")
    with EmqxTables(bed.postgres) as tables:
        instance = bed.instance("bench", None, **tables.settings())
        say("installing smart_dairy_iot")
        instance.install("smart_dairy_iot")
        with instance:
            yield Bench(OdooClient(instance.url, "bench", "admin", "admin", timeout=600), tables)


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
