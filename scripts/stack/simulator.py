"""The simulated farm as a process beside the demo's servers."""

import os
from pathlib import Path

from .mosquitto import Mosquitto
from .odoo_instance import OdooInstance
from .paths import ROOT
from .service import Service


class Simulator(Service):
    """scripts/simulate.py against a running Odoo and broker."""

    name = "simulator"

    def __init__(
        self, directory: Path, instance: OdooInstance, broker: Mosquitto, modbus_port: int, options: list[str]
    ):
        super().__init__(directory)
        self.instance = instance
        self.broker = broker
        self.modbus_port = modbus_port
        self.options = options

    def start(self) -> "Simulator":
        """Start the simulation with ``options`` beside those that lead it to its servers."""
        self.spawn(
            [
                self.instance.environment.python,
                ROOT / "scripts" / "simulate.py",
                "--url",
                self.instance.url,
                "--db",
                self.instance.database,
                "--broker-host",
                self.broker.host,
                "--broker-port",
                str(self.broker.port),
                "--ca",
                self.broker.ca_file,
                "--credentials",
                self.directory / "devices.json",
                "--modbus-port",
                str(self.modbus_port),
                *self.options,
            ],
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        return self
