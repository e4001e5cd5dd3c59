#!/usr/bin/env python3
"""Fetch and prepare all that the demo and the tests run on, and print what was found. Does nothing twice."""

from stack.environment import ensure_environment
from stack.odoo_source import find_series
from stack.postgres import find_binaries
from stack.prefix import ensure_prefix
from stack.shell import StackError, main_guard, run, say
from stack.system import PROGRAMS, ensure_programs


def main() -> None:
    ensure_programs(list(PROGRAMS))
    environment = ensure_environment()
    prefix = ensure_prefix(environment)
    series = find_series()
    postgres = find_binaries(environment) / "postgres"
    for program in (environment.python, postgres):
        say(f"{run(program, '--version', what=f'Asking {program} for its version').stdout.strip()}: {program}")
    say(f"Mosquitto: {prefix / 'usr/sbin/mosquitto'}")
    for name, odoo in series.items():
        say(f"Odoo {name}: {odoo if isinstance(odoo, str) else odoo.origin}")
    if all(isinstance(odoo, str) for odoo in series.values()):
        raise StackError("There is no Odoo to run.")


if __name__ == "__main__":
    main_guard(main)
