#!/usr/bin/env python3
"""Port the addons from Odoo 17.0 to 19.0: port.py SRC_ROOT DST

Every addon `smart_dairy_*` of SRC_ROOT is ported into DST, which then holds the ported addons and nothing else. What
the port does not know how to take over is printed with its file and line; then DST is removed and the exit code is 1.
"""

import argparse
import sys
from pathlib import Path

from porting.addons import PortError, clear_target, port_tree, write_port


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="the directory with the addons for 17.0")
    parser.add_argument("target", type=Path, help="the directory for the addons for 19.0; wiped first")
    arguments = parser.parse_args()
    try:
        clear_target(arguments.source, arguments.target)
        port = port_tree(arguments.source)
        if not port.findings:
            write_port(port, arguments.target)
    except PortError as error:
        print(f"port: {error}", file=sys.stderr)
        return 1
    if port.findings:
        for finding in port.findings:
            print(finding, file=sys.stderr)
        print(f"port: {len(port.findings)} constructs cannot be ported, nothing is written.", file=sys.stderr)
        return 1
    print(f"port: {len(port.addons)} addons for 19.0 in {arguments.target}, {port.changed} files changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
