"""The processes that are broken: a broker whose way of saving can be chosen, bridges on cables of their own."""

import os
import re
import signal
from pathlib import Path

from stack.mosquitto import BRIDGE, Mosquitto
from stack.mosquitto_conf import CONFIG, settings_of
from stack.postgres import Postgres
from stack.service import Service
from stack.shell import free_port, wait_until
from stack.test_bed import TestBed

from .wire import Network, Tap, Wire

_PUBLISHER = "sd_load"
_SHIPPED = dict(settings_of(CONFIG / "mosquitto.conf"))
#: Mosquitto's ways of saving what is queued: after so many changes, or every so many seconds.
SHIPPED_SAVING = (
    "changes" if _SHIPPED["autosave_on_changes"] == "true" else "seconds",
    int(_SHIPPED["autosave_interval"]),
)


class FaultBroker(Mosquitto):
    """The demo's broker, with a user that publishes for all devices; ``saving`` holds from the next start on."""

    def __init__(self, directory: Path, prefix: Path):
        super().__init__(directory, prefix, free_port())
        self.saving = SHIPPED_SAVING

    def saved_state(self) -> bytes:
        """Its sessions and what is queued for them, saved anew."""
        file = self.directory / "mosquitto.db"
        before = file.stat().st_mtime_ns if file.exists() else None
        os.kill(self.pid(), signal.SIGUSR1)
        wait_until(lambda: file.exists() and file.stat().st_mtime_ns != before, "the broker's saving", 10)
        return file.read_bytes()

    def go_back_to(self, state: bytes | None) -> None:
        """Have this for its saved state, or none at all; it must not run."""
        file = self.directory / "mosquitto.db"
        if state is None:
            file.unlink(missing_ok=True)
        else:
            file.write_bytes(state)

    def publisher(self) -> dict:
        """How the load connects, see `Load`."""
        return {
            "host": self.host,
            "port": self.port,
            "ca_file": str(self.ca_file),
            "username": _PUBLISHER,
            "password": self.bridge_password,
        }

    def _saving(self) -> dict[str, str]:
        unit, number = self.saving
        return {"autosave_on_changes": "true" if unit == "changes" else "false", "autosave_interval": str(number)}

    def _initial_security(self) -> dict:
        security = super()._initial_security()
        bridge = next(client for client in security["clients"] if client["username"] == BRIDGE)
        publisher = {name: value for name, value in bridge.items() if name != "clientid"}
        security["clients"].append(publisher | {"username": _PUBLISHER})
        return security


class FaultBridge(Service):
    """`odoo-bin iot_bridge`, as in production, with cables of its own to database and broker."""

    name = "iot_bridge"

    def __init__(self, number: int, bed: TestBed, database: str, broker: FaultBroker, network: Network):
        server = bed.postgres
        self.database_wire = Wire(network, server.port)
        self.broker_wire = Wire(network, broker.port)
        certs = broker.ca_file.parent
        self.tap = Tap(network, self.broker_wire.port, tuple(map(str, _certificate(certs))))
        self._instance = bed.instance(
            database, broker, mqtt_broker_port=str(self.tap.port), dead_letters_per_hour="1000000"
        )
        self._instance.directory = bed.directory / f"{database}_bridge_{number}"
        self._instance.postgres = Postgres(
            server.bin_dir, server.host, self.database_wire.port, server.user, server.password
        )
        super().__init__(self._instance.directory)
        #: Added to its environment at the next start.
        self.environ: dict[str, str] = {}
        self._log_begin = 0

    def start(self) -> "FaultBridge":
        """Start it, unless it runs; whether it receives is seen by the tap."""
        if not self.running():
            self._instance.write_conf()
            self._log_begin = self.log_file.stat().st_size if self.log_file.exists() else 0
            command = self._instance.command("iot_bridge", "-d", self._instance.database, "--reactors", "off")
            self.spawn(command, env=self._instance.environ() | self.environ, cwd=self.directory)
        return self

    def has_taken_part(self) -> bool:
        """Whether it has led, or has found that another one leads, since it was started."""
        with self.log_file.open("rb") as log:
            log.seek(self._log_begin)
            return re.search(rb" leads| stands by", log.read()) is not None

    def signal(self, number: int) -> None:
        os.kill(self.pid(), number)

    def memory_mb(self) -> float:
        """What it has in memory now, in MB."""
        status = Path(f"/proc/{self.pid()}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1000

    def mend(self) -> None:
        """All its cables are plugged in."""
        self.database_wire.mend()
        self.broker_wire.mend()


def _certificate(certs: Path) -> tuple[Path, Path, Path]:
    return certs / "server.crt", certs / "server.key", certs / "ca.crt"
