"""The command line of the faults, run by `scripts/fault.py` with the Python that has what they need."""

import argparse
import contextlib
import random

from stack.environment import Environment, ensure_environment
from stack.odoo_source import Odoo, find_series
from stack.paths import addon_dirs
from stack.shell import main_guard, say
from stack.test_bed import STANDARD_DATABASE, open_test_bed

from .back_pressure import hold_back
from .broker_loss import SAVINGS, measure_broker_loss
from .kinds import FAULTS
from .report import report
from .scene import Scene, open_scene
from .skip import CannotBreak
from .trials import run_fault, summary

_TEMPLATE = "template_faults"
_BROKER_LOSS, _BACK_PRESSURE = "broker_loss", "back_pressure"
NAMES = (*FAULTS, _BROKER_LOSS, _BACK_PRESSURE)


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/fault.py", description="Break things under load, and count.")
    parser.add_argument("--series", action="append", choices=["17.0", "19.0"], help="only this series (repeatable)")
    parser.add_argument("--times", type=int, default=20, help="how often each fault (default: 20)")
    parser.add_argument("--seconds", type=float, default=300, help="how long the database is stopped (default: 300)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="repeats a run; by default a new one")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; none for all")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(NAMES)
    if unknown:
        parser.error(f"there is no fault {', '.join(sorted(unknown))}")
    environment = ensure_environment()
    failed = 0
    for series, odoo in find_series(arguments.series).items():
        if isinstance(odoo, str):
            say(f"{series} not run: {odoo}")
        else:
            failed += not _run_series(series, odoo, environment, arguments)
    return int(failed > 0)


def _run_series(series: str, odoo: Odoo, environment: Environment, arguments: argparse.Namespace) -> bool:
    """Whether everything was as it has to be."""
    names = arguments.names or NAMES
    result = {"bench": "faults", "series": series, "seed": arguments.seed}
    result |= {"faults": {}, _BROKER_LOSS: [], _BACK_PRESSURE: {}, "not_run": {}}
    say(f"Odoo {series}, seed {arguments.seed}")
    with _prepared(odoo, environment) as bed, open_scene(bed, _TEMPLATE, "faults") as scene:
        for name in names:
            try:
                _run(scene, name, arguments, result)
            except CannotBreak as reason:
                say(f"{name} is not run: {reason}")
                result["not_run"][name] = str(reason)
    report(result)
    parts = [*result["faults"].values(), *result[_BROKER_LOSS], result[_BACK_PRESSURE]]
    complaints = [complaint for part in parts for complaint in part.get("complaints", ())]
    for complaint in complaints:
        say(f"WRONG: {complaint}")
    return not complaints


def _run(scene: Scene, name: str, arguments: argparse.Namespace, result: dict) -> None:
    if name in FAULTS:
        result["faults"][name] = summary(run_fault(scene, name, arguments.times, arguments.seed))
    elif name == _BACK_PRESSURE:
        result[name] = hold_back(scene, arguments.seconds)
    else:
        result[name] = [
            measure_broker_loss(scene, saving, away, arguments.times, arguments.seed)
            for saving in SAVINGS
            for away in (False, True)
        ]


@contextlib.contextmanager
def _prepared(odoo: Odoo, environment: Environment):
    """A test bed with a database that has all addons."""
    addons = [path.name for path in addon_dirs()]
    with open_test_bed(odoo, environment, addons) as bed:
        say("installing the addons")
        bed.copy_database(STANDARD_DATABASE, _TEMPLATE)
        bed.instance(_TEMPLATE).install(*addons)
        yield bed


if __name__ == "__main__":
    main_guard(main)
