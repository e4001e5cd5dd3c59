"""The Mosquitto broker as docker/mosquitto configures it: TLS only, default-deny, users by a plug-in."""

import json
from dataclasses import dataclass
from pathlib import Path

from .dynamic_security import ADMIN, BRIDGE, initial_security
from .mosquitto_conf import configuration
from .paths import ROOT
from .service import Service, unprivileged
from .shell import StackError, new_secret, port_taken, run, wait_until, write_private


@dataclass(frozen=True)
class CertificateListener:
    """A second listener, for devices that identify themselves by a certificate; see docs/certificates.md.

    ``ca_file`` has the device CAs with their chains, ``crl_file`` the revocation lists of all of them.
    """

    port: int
    ca_file: Path
    crl_file: Path


class Mosquitto(Service):
    """A broker under ``directory`` with an administrator (for provisioning) and the bridge as its first users.

    ``websocket_port`` is where devices connect over WebSocket, None for nowhere, as shipped; ``save_seconds`` how often
    it saves what is queued, None for as often as shipped.
    """

    name = "mosquitto"

    def __init__(
        self,
        directory: Path,
        prefix: Path,
        port: int,
        certificates: CertificateListener | None = None,
        save_seconds: int | None = None,
        websocket_port: int | None = None,
    ):
        super().__init__(directory)
        self.save_seconds = save_seconds
        self.websocket_port = websocket_port
        self.prefix = prefix
        self.host = "127.0.0.1"
        self.port = port
        self.certificates = certificates
        secret_file = self.directory / "credentials.json"
        if not secret_file.exists():
            write_private(secret_file, json.dumps({ADMIN: new_secret(), BRIDGE: new_secret()}))
        secret = json.loads(secret_file.read_text())
        self.admin_username, self.admin_password = ADMIN, secret[ADMIN]
        self.bridge_username, self.bridge_password, self.bridge_client_id = BRIDGE, secret[BRIDGE], BRIDGE

    @property
    def ca_file(self) -> Path:
        return self.directory / "certs" / "ca.crt"

    def start(self) -> "Mosquitto":
        """Start the broker, unless it runs, and wait until it listens."""
        if self.running():
            return self
        for port, setting in ((self.port, "MQTT"), (self.websocket_port, "MQTT_WEBSOCKET")):
            if port and port_taken(port):
                raise StackError(
                    f"Port {port}, meant for Mosquitto, is taken. Choose another: SMART_DAIRY_{setting}_PORT=NNNN"
                )
        certs = self.ca_file.parent
        if not self.ca_file.exists():
            run(
                ROOT / "scripts" / "generate_mqtt_certs.sh",
                certs,
                "localhost",
                "127.0.0.1",
                "::1",
                what="Making the broker's certificates",
            )
        security_file = self.directory / "dynamic-security.json"
        if not security_file.exists():  # afterwards it is the broker's own
            write_private(security_file, json.dumps(self._initial_security(), indent=2))
        configuration = self.directory / "mosquitto.conf"
        write_private(configuration, self._configuration(security_file))
        self.spawn(unprivileged([str(self.prefix / "usr/sbin/mosquitto"), "-c", str(configuration)]))
        try:
            wait_until(lambda: all(map(port_taken, self._ports())), "Mosquitto", 60, self.running)
        except StackError as error:
            self.stop()
            raise self.failure(error) from None
        return self

    def settings(self) -> dict[str, str]:
        """The keys of the section [smart_dairy_iot] in Odoo's configuration that lead to this broker."""
        return {
            "mqtt_broker_type": "mosquitto",
            "mqtt_broker_host": self.host,
            "mqtt_broker_port": str(self.port),
            "mqtt_use_tls": "true",
            "mqtt_ca_file": str(self.ca_file),
            "mqtt_bridge_username": self.bridge_username,
            "mqtt_bridge_password": self.bridge_password,
            "mqtt_bridge_client_id": self.bridge_client_id,
            "mqtt_admin_username": self.admin_username,
            "mqtt_admin_password": self.admin_password,
        }

    def _ports(self) -> list[int]:
        certificates = self.certificates.port if self.certificates else None
        return [port for port in (self.port, self.websocket_port, certificates) if port]

    def _configuration(self, security_file: Path) -> str:
        plugin = next(iter(self.prefix.glob("usr/lib/*/mosquitto_dynamic_security.so")))
        places = {
            "/mosquitto/data/dynamic-security.json": str(security_file),
            "/mosquitto/data/": f"{self.directory}/",
            "/mosquitto/certs/": f"{self.ca_file.parent}/",
            "/usr/lib/mosquitto_dynamic_security.so": str(plugin),
        }
        listeners = {"devices.conf": self.port}
        if self.websocket_port:
            listeners["websockets.conf.example"] = self.websocket_port
        if self.certificates:
            listeners["certificates.conf.example"] = self.certificates.port
            places["/mosquitto/device-ca/devices-ca.pem"] = str(self.certificates.ca_file)
            places["/mosquitto/device-ca/devices-crl.pem"] = str(self.certificates.crl_file)
        return configuration(places, listeners, self._saving())

    def _saving(self) -> dict[str, str]:
        """What of the way of saving is other than shipped."""
        return {"autosave_interval": str(self.save_seconds)} if self.save_seconds else {}

    def _initial_security(self) -> dict:
        return initial_security(self.admin_password, self.bridge_password)
