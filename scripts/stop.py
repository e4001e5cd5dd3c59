#!/usr/bin/env python3
"""Stop a demo or development server of this checkout, wherever it was started; --clean removes what they made too."""

import argparse
import shutil

from stack.paths import BUILD, LOCAL
from stack.service import stop_leftover
from stack.shell import main_guard, say


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clean", action="store_true", help="also remove .local/ and build/; the cache stays")
    arguments = parser.parse_args()
    stop_all()
    if arguments.clean:
        for directory in (LOCAL, BUILD):
            shutil.rmtree(directory, ignore_errors=True)
        say(f"removed {LOCAL} and {BUILD}")


def stop_all() -> None:
    """Ask the running script to stop what it started; then stop what an earlier one left behind."""
    pid_files = sorted(path for pattern in ("demo-*", "dev") for path in LOCAL.glob(f"{pattern}/**/*.pid"))
    # The scripts' own pid files lie above those of their servers: the scripts first, for they stop in order.
    for path in sorted(pid_files, key=lambda path: len(path.parts)):
        if stop_leftover(path):
            say(f"stopped {path.stem}")
    if not pid_files:
        say("nothing runs")


if __name__ == "__main__":
    main_guard(main)
