"""The command line of the benchmarks, run by `scripts/bench.py` with the Python that has what they need."""

import argparse
import importlib
import itertools
import sys
import time
import traceback

from stack.environment import ensure_environment
from stack.odoo_source import find_series
from stack.shell import StackError, main_guard, say

from .farm import BenchFarm, open_farm
from .machine import describe
from .results import report, summary

#: In the order in which they run: of those that share a farm, what changes it least for the next comes first.
BENCHMARKS = ("ingest", "latency", "connections", "growth", "query", "storage", "ui", "modbus", "soak", "provision")


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench.py", description="Measure the platform.")
    parser.add_argument("--series", default="17.0", choices=["17.0", "19.0"])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; none for all")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    environment = ensure_environment()
    odoo = find_series([arguments.series])[arguments.series]
    if isinstance(odoo, str):
        raise StackError(odoo)
    names = [name for name in BENCHMARKS if name in (arguments.names or BENCHMARKS)]
    machine, results, failed = {}, [], []
    for wanted, sharing in itertools.groupby(names, key=lambda name: _module(name).FARM):
        sharing = list(sharing)
        try:
            with open_farm(odoo, environment, wanted) as farm:
                machine = machine or describe(farm)
                for name in sharing:
                    results += _measured(name, farm)
        except StackError as error:
            print(f"{', '.join(sharing)}: {error}", file=sys.stderr, flush=True)
    if len(results) > 1:
        print(summary(machine, results), flush=True)
    failed = [name for name in names if name not in {result["bench"] for result in results}]
    if failed:
        raise StackError(f"Not measured: {', '.join(failed)}")


def _module(name: str):
    return importlib.import_module(f".{name}", __package__)


def _measured(name: str, farm: BenchFarm) -> list[dict]:
    """Run a benchmark and report what it found. One that fails says why, and is no reason to leave out the others."""
    began = time.monotonic()
    try:
        measured = _module(name).measure(farm)
    except StackError as error:
        print(f"{name}: {error}", file=sys.stderr, flush=True)
        return []
    except Exception:  # noqa: BLE001 - whatever it is, it is shown, and the others are measured
        print(f"{name}: {traceback.format_exc()}", file=sys.stderr, flush=True)
        return []
    say(f"{name} took {time.monotonic() - began:,.0f} s")
    results = measured if isinstance(measured, list) else [measured]
    for result in results:
        report(result)
    return results


if __name__ == "__main__":
    main_guard(main)
