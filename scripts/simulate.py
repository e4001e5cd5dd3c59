#!/usr/bin/env python3
"""The demo farm: 60 cows, a parlour, 38 devices, talking to a running Smart Dairy over MQTT and Modbus TCP.

Registers the farm through the product's own interface as the given user, provisions each device, and connects it with
the credentials it was issued. Simulated time begins in the past, catches up, and then goes on with the wall clock. A
second start finds the farm again and goes on where the data ends.
"""

import argparse
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

from simulation.devices import Broker, Refused
from simulation.faults import KINDS, Fault, FaultError
from simulation.rpc import RpcError
from simulation.runner import Options, Simulation, parse_milkings

ROOT = Path(__file__).resolve().parents[1]


def parse_arguments(arguments=None):
    """The command line as `Options`; exits with a message where it makes no sense."""
    faults = "; ".join(f"{kind}: {meaning}" for kind, meaning in KINDS.items())
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8069", help="Odoo's address (%(default)s)")
    parser.add_argument("--db", default="smart_dairy", help="its database (%(default)s)")
    parser.add_argument("--login", default="admin", help="a user who may manage farms and devices (%(default)s)")
    parser.add_argument(
        "--password",
        default=os.environ.get("SMART_DAIRY_PASSWORD", "admin"),
        help="that user's password; or in the environment as SMART_DAIRY_PASSWORD",
    )
    parser.add_argument("--broker-host", default="127.0.0.1", help="%(default)s")
    parser.add_argument("--broker-port", type=int, default=8883, help="the broker's TLS port (%(default)s)")
    parser.add_argument("--ca", required=True, help="file of the authority that signed the broker's certificate")
    parser.add_argument("--credentials", help="the devices' own credential file (.local/simulation/DB.json)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed and times give the same data (%(default)s)")
    parser.add_argument("--history-days", type=float, default=1.0, help="how far back it begins (%(default)s)")
    parser.add_argument("--speed", type=float, default=1440.0, help="of time in the past (%(default)s)")
    parser.add_argument(
        "--milk",
        default="now",
        help="'now': a milking begins when the past is caught up with; or HH:MM,HH:MM in UTC (%(default)s)",
    )
    parser.add_argument("--duration", type=float, help="stop after so many seconds of real time")
    parser.add_argument("--fault", action="append", default=[], metavar="KIND:DEVICE", help=f"repeatable. {faults}")
    parser.add_argument(
        "--modbus-port",
        type=int,
        default=15020,
        help="of the first Modbus meter; the second takes the next (%(default)s)",
    )
    given = parser.parse_args(arguments)
    try:
        milkings = parse_milkings(given.milk)
        chosen = tuple(Fault.parse(text) for text in given.fault)
    except FaultError as error:
        parser.error(str(error))
    except ValueError as error:
        parser.error(f"--milk {given.milk}: {error}")
    if given.speed <= 1 or given.history_days < 0:
        parser.error("--speed must be greater than 1 and --history-days not negative")
    return Options(
        url=given.url,
        database=given.db,
        login=given.login,
        password=given.password,
        broker=Broker(given.broker_host, given.broker_port, given.ca),
        credential_file=given.credentials or str(ROOT / ".local" / "simulation" / f"{given.db}.json"),
        seed=given.seed,
        history=timedelta(days=given.history_days),
        speed=given.speed,
        milkings=milkings,
        duration=given.duration,
        faults=chosen,
        modbus_port=given.modbus_port,
    )


def main(arguments=None):
    """Run until interrupted; returns the exit code."""
    simulation = Simulation(parse_arguments(arguments), say=lambda line: print(f"farm: {line}", flush=True))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_signal: simulation.stop())
    try:
        simulation.run()
    except (RpcError, Refused, FaultError, OSError) as error:
        print(f"farm: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
