#!/usr/bin/env python3
"""Measure the platform: python3 scripts/bench.py [--series 17.0] [ingest ...], without a name all of them.

Each prints a table and, as its last line, JSON. SMOKE=1 in the environment makes short runs, which show that a
benchmark works and measure nothing. docs/benchmarks.md says what each measures, and what it came to.
"""

import os
import sys
from pathlib import Path

from stack.environment import ensure_environment
from stack.shell import main_guard
from stack.system import ensure_programs


def main() -> None:
    ensure_programs(["openssl"])
    environment = ensure_environment()
    scripts = Path(__file__).resolve().parent
    os.chdir(scripts)
    os.execv(environment.python, [str(environment.python), "-m", "benchmarks", *sys.argv[1:]])


if __name__ == "__main__":
    main_guard(main)
