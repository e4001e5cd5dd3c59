#!/usr/bin/env python3
"""Serve the addons as they are now on a throw-away database, with broker and bridge, until Ctrl-C.

python3 scripts/dev.py --series 17.0 --addon smart_dairy_iot
"""

import argparse
import time

from stack.environment import ensure_environment
from stack.odoo_source import find_series
from stack.paths import LOCAL, addon_dirs
from stack.service import mark_running
from stack.shell import StackError, main_guard, say
from stack.system import ensure_programs
from stack.test_bed import STANDARD_DATABASE, open_test_bed


def main() -> None:
    names = [path.name for path in addon_dirs()]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", default="17.0", choices=["17.0", "19.0"])
    parser.add_argument("--addon", action="append", choices=names, help="install this one alone (repeatable)")
    parser.add_argument("--workers", type=int, default=0, help="0: threaded; more: a prefork server")
    arguments = parser.parse_args()
    ensure_programs(["openssl"])
    environment = ensure_environment()
    odoo = find_series([arguments.series])[arguments.series]
    if isinstance(odoo, str):
        raise StackError(odoo)
    addons = arguments.addon or names
    with open_test_bed(odoo, environment, addons) as bed, mark_running(LOCAL / "dev", bed.directory.name):
        say(f"installing {', '.join(addons)}")
        bed.copy_database(STANDARD_DATABASE, "dev")
        with bed.broker() as broker:
            instance = bed.instance("dev", broker, workers=arguments.workers)
            instance.install(*addons)
            with instance:
                print(f"\n    {instance.url}      admin / admin\n")
                print(f"    ODOO_RC={instance.conf}\n    PYTHONPATH={odoo.python_path}")
                print(f"    PATH starts with {environment.bin}")
                print(f"    broker: {broker.host}:{broker.port}, its files: {broker.directory}")
                print(f"    log: {instance.log_file}\n\nCtrl-C stops it and removes it all.", flush=True)
                while instance.running():
                    time.sleep(0.5)
                raise instance.failure(StackError("Odoo ended by itself."))


if __name__ == "__main__":
    main_guard(main)
