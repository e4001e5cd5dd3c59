#!/usr/bin/env python3
"""Break parts of the platform under load, each at least 20 times, and count every message: make test-faults

python3 scripts/fault.py [--series 17.0] [--times 20] [--seed N] [bridge_killed ...], without a name everything.
Each series ends with tables and, as its last line, JSON. docs/faults.md says what each fault is, and what it came to.
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
    os.chdir(Path(__file__).resolve().parent)
    os.execv(environment.python, [str(environment.python), "-m", "faults", *sys.argv[1:]])


if __name__ == "__main__":
    main_guard(main)
