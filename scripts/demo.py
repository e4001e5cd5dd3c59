#!/usr/bin/env python3
"""Set up what is missing and run the whole product: PostgreSQL, Mosquitto, Odoo with the bridge, and a simulated farm.

Ctrl-C stops all of it. What is given on the command line goes to the simulation (see scripts/simulate.py --help).
"""

import hashlib
import shutil
import sys
import time
from pathlib import Path

from stack.environment import ensure_environment
from stack.mosquitto import Mosquitto
from stack.odoo_instance import OdooInstance
from stack.odoo_source import find_odoo
from stack.paths import BUILD, LOCAL, addon_dirs
from stack.postgres import open_postgres
from stack.prefix import ensure_prefix
from stack.service import Service, mark_running
from stack.settings import Ports, ports
from stack.shell import StackError, free_port, main_guard, port_taken, say, write_private
from stack.simulator import Simulator
from stack.system import ensure_programs
from stack.test_bed import addons_for

DATABASE = "smart_dairy"
METERS = 2  # simulated Modbus meters, on ports that follow each other


def main() -> None:
    started = time.monotonic()
    chosen = ports()
    ensure_programs(["openssl", "wkhtmltopdf"])
    environment = ensure_environment()
    odoo = find_odoo()
    home = LOCAL / f"demo-{odoo.series}"
    with mark_running(home, "demo"):
        postgres = open_postgres(home / "postgres", environment, chosen.pg)
        prefix = ensure_prefix(environment)
        broker = Mosquitto(home / "mosquitto", prefix, chosen.mqtt, websocket_port=chosen.mqtt_websocket)
        instance = OdooInstance(
            odoo,
            environment,
            postgres,
            directory=home / "odoo",
            data_dir=home / "data",
            database=DATABASE,
            addons_root=addons_for(odoo, environment, BUILD / odoo.series),
            http_port=chosen.http,
            gevent_port=free_port(),
            section=broker.settings(),
        )
        simulator = Simulator(home / "simulator", instance, broker, chosen.modbus, sys.argv[1:])
        services = [postgres, broker, instance, simulator]
        for service in services:
            service.stop()  # what a killed run left behind
        refuse_taken_ports(chosen)
        say(f"Odoo {odoo.series}: {odoo.origin}" + (", with the addons ported to it" if odoo.ported else ""))
        say(postgres.description())
        try:
            start(instance, broker, simulator)
            print(welcome(instance, broker, home, time.monotonic() - started), flush=True)
            watch([service for service in services if isinstance(service, Service)])
        finally:
            say("stopping")
            for service in reversed(services):
                service.stop()


def start(instance: OdooInstance, broker: Mosquitto, simulator: Simulator) -> None:
    """Start the servers in the order in which they need each other."""
    say("starting PostgreSQL")
    instance.postgres.start()
    say("starting Mosquitto")
    broker.start()
    ensure_database(instance)
    say("starting Odoo")
    instance.start()
    say("starting the simulated farm")
    simulator.start()


def refuse_taken_ports(chosen: Ports) -> None:
    """Say which port is taken before anything is made, and how to choose another."""
    wanted = {
        "SMART_DAIRY_HTTP_PORT": [chosen.http],
        "SMART_DAIRY_PG_PORT": [chosen.pg],
        "SMART_DAIRY_MQTT_PORT": [chosen.mqtt],
        "SMART_DAIRY_MQTT_WEBSOCKET_PORT": [chosen.mqtt_websocket],
        "SMART_DAIRY_MODBUS_PORT": [chosen.modbus + number for number in range(METERS)],
    }
    for setting, numbers in wanted.items():
        for number in numbers:
            if port_taken(number):
                raise StackError(f"Port {number} is taken. Choose another: make demo {setting}=NNNN")


def ensure_database(instance: OdooInstance) -> None:
    """Make the demo's database, or bring it up to date with the addons as they are now."""
    names = [path.name for path in addon_dirs(instance.addons_root)]
    stamp = instance.directory / "addons.sha256"
    current = addons_digest(instance.addons_root)
    if DATABASE not in instance.postgres.databases():
        say(f"making the database {DATABASE} with {', '.join(names)} and demo data (about a minute)")
        make_database(instance, names)
    elif not stamp.exists() or stamp.read_text() != current:
        say("the addons have changed: upgrading the database")
        installed = instance.installed()
        instance.upgrade(*(name for name in names if name in installed))
        added = [name for name in names if name not in installed]
        if added:
            instance.install(*added)
    write_private(stamp, current)


def make_database(instance: OdooInstance, names: list[str]) -> None:
    """Install under another name first: an interrupted installation never passes for a finished one."""
    unfinished = f"{DATABASE}_unfinished"
    instance.postgres.drop_database(unfinished)
    filestore = instance.filestore
    instance.database = unfinished
    shutil.rmtree(instance.filestore, ignore_errors=True)
    instance.install(*names)
    if instance.filestore.exists():
        shutil.rmtree(filestore, ignore_errors=True)
        instance.filestore.rename(filestore)
    instance.postgres.rename_database(unfinished, DATABASE)
    instance.database = DATABASE


def addons_digest(root: Path) -> str:
    """What the addons consist of now."""
    digest = hashlib.sha256()
    for addon in addon_dirs(root):
        for path in sorted(addon.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def watch(services: list[Service]) -> None:
    """Wait until Ctrl-C, or until one of the processes ends by itself, which is an error."""
    while True:
        for service in services:
            if not service.running():
                raise service.failure(StackError(f"{service.name} ended by itself."))
        time.sleep(1)


def welcome(instance: OdooInstance, broker: Mosquitto, home: Path, seconds: float) -> str:
    """What the user sees once all runs."""
    return f"""
Smart Dairy IoT runs on Odoo {instance.odoo.series} (started in {seconds:.0f} s).

    {instance.url}      login: admin      password: admin

What to look at
    Dairy IoT > Milk > Production Dashboard    a milking as it goes on: yield, sessions, alerts
    Dairy IoT > Devices                        the farm's devices, who is online, provisioning by a button
    Dairy IoT > Telemetry                      what the sensors, collars and feeders report
    Dairy Farm > Herd                          the cows in their pens, with their tags

The farm's last day is caught up with in a minute or two; then it goes on live, and a milking begins.

Broker  mqtts://{broker.host}:{broker.port}, wss://{broker.host}:{broker.websocket_port}/mqtt
        (certificate authority: {broker.ca_file})
Logs    {home}/*/*.log
Ctrl-C stops everything; the data stays until `make clean`.
"""


if __name__ == "__main__":
    main_guard(main)
