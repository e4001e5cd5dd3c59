#!/usr/bin/env python3
"""Say what in the addons would not run on both Odoo 17.0 and 19.0: lint_series.py [PATH...]

The rules are the port's own: what it refuses is a finding. All addons are read, as they refer to one another; findings
in other files than those given (default: all) are not printed.
"""

import argparse
import sys
from pathlib import Path

from porting.addons import PortError, port_tree

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", type=Path, help="files or directories; all addons if none is given")
    parser.add_argument("--root", type=Path, default=ROOT, help="the directory with the addons")
    arguments = parser.parse_args()
    try:
        findings = port_tree(arguments.root).findings
    except PortError as error:
        print(f"lint_series: {error}", file=sys.stderr)
        return 1
    chosen = {path.resolve() for path in arguments.paths} or {arguments.root.resolve()}
    findings = [finding for finding in findings if _is_below(arguments.root.resolve() / finding.path, chosen)]
    for finding in findings:
        print(finding)
    return 1 if findings else 0


def _is_below(path: Path, chosen: set[Path]) -> bool:
    return path in chosen or not chosen.isdisjoint(path.parents)


if __name__ == "__main__":
    sys.exit(main())
