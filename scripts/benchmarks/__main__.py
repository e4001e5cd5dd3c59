"""The command line of the benchmarks, run by `scripts/bench.py` with the Python that has what they need."""

import argparse
import importlib

from stack.environment import ensure_environment
from stack.odoo_source import find_series
from stack.shell import StackError, main_guard

from .results import report

BENCHMARKS = ("ingest",)


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
    for name in arguments.names or BENCHMARKS:
        report(importlib.import_module(f".{name}", __package__).measure(odoo, environment))


if __name__ == "__main__":
    main_guard(main)
