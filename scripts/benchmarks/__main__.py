"""The command line of the benchmarks, run by `scripts/bench.py` with the Python that has what they need."""

import argparse
import importlib
import sys

from stack.environment import ensure_environment
from stack.odoo_source import find_series
from stack.shell import StackError, main_guard

from .results import report

BENCHMARKS = ("ingest", "latency", "connections", "query", "growth", "storage", "ui", "soak", "provision")


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
    failed = [name for name in arguments.names or BENCHMARKS if not succeeds(name, odoo, environment)]
    if failed:
        raise StackError(f"Not measured: {', '.join(failed)}")


def succeeds(name: str, odoo, environment) -> bool:
    """Run a benchmark and report what it found. One that fails says why, and is no reason to leave out the others."""
    try:
        measured = importlib.import_module(f".{name}", __package__).measure(odoo, environment)
    except StackError as error:
        print(f"{name}: {error}", file=sys.stderr, flush=True)
        return False
    for result in measured if isinstance(measured, list) else [measured]:
        report(result)
    return True


if __name__ == "__main__":
    main_guard(main)
