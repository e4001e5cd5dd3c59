"""The Mosquitto broker: TLS only, default-deny, users and rights by its dynamic security plug-in."""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from .paths import ROOT
from .service import Service, unprivileged
from .shell import StackError, new_secret, port_taken, run, wait_until, write_private

ADMIN = "sd_admin"
BRIDGE = "sd_bridge"
HASH_ITERATIONS = 101  # the plug-in's own default; the passwords are 256 random bits, which need no slow hash


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

    ``save_seconds`` is how often it saves what is queued, None for after every 200 changes.
    """

    name = "mosquitto"

    def __init__(
        self,
        directory: Path,
        prefix: Path,
        port: int,
        certificates: CertificateListener | None = None,
        save_seconds: int | None = None,
    ):
        super().__init__(directory)
        self.save_seconds = save_seconds
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
        if port_taken(self.port):
            raise StackError(
                f"Port {self.port}, meant for Mosquitto, is taken. Choose another: SMART_DAIRY_MQTT_PORT=NNNN"
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
            wait_until(lambda: port_taken(self.port), "Mosquitto", 30, self.running)
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

    def _configuration(self, security_file: Path) -> str:
        plugin = next(iter(self.prefix.glob("usr/lib/*/mosquitto_dynamic_security.so")))
        return "\n".join(
            [
                "allow_anonymous false",
                f"plugin {plugin}",
                f"plugin_opt_config_file {security_file}",
                "persistence true",
                f"persistence_location {self.directory}/",
                *self._saving(),
                "set_tcp_nodelay true",
                # Zero means "no limit" for both, and misbehaves for both: large numbers instead.
                "max_queued_messages 1000000",
                "max_inflight_messages 20000",
                "log_dest stderr",
                "log_timestamp_format %Y-%m-%dT%H:%M:%S",
                *self._listener(self.port),
                *(self._certificate_listener(self.certificates) if self.certificates else ()),
                "",
            ]
        )

    def _saving(self) -> list[str]:
        # A save writes everything that is queued, and the broker does nothing else meanwhile.
        if self.save_seconds:
            return ["autosave_on_changes false", f"autosave_interval {self.save_seconds}"]
        # One per change keeps all that was acknowledged through a kill of the broker, but at a few dozen messages a
        # second once the bridge has been away for a while; one per 200 changes loses at most those, and keeps up.
        return ["autosave_on_changes true", "autosave_interval 200"]

    def _listener(self, port: int) -> list[str]:
        certs = self.ca_file.parent
        return [
            f"listener {port} {self.host}",
            f"certfile {certs / 'server.crt'}",
            f"keyfile {certs / 'server.key'}",
            "tls_version tlsv1.2",  # the least; 1.3 is what both sides take if they can
        ]

    def _certificate_listener(self, certificates: CertificateListener) -> list[str]:
        return [
            *self._listener(certificates.port),
            f"cafile {certificates.ca_file}",
            f"crlfile {certificates.crl_file}",
            "require_certificate true",
            "use_identity_as_username true",
            # The plug-in does not check the client id of whom it has not let in itself.
            "use_username_as_clientid true",
        ]

    def _initial_security(self) -> dict:
        """Two users and nothing else allowed to anyone.

        The administrator's client id is unbound: each of Odoo's processes connects as sd_admin_<random>, and two
        connections of one id would end each other. The ids of the bridge and of every device are bound.
        """
        return {
            "defaultACLAccess": {
                "publishClientSend": False,
                "publishClientReceive": False,
                "subscribe": False,
                "unsubscribe": True,
            },
            "clients": [
                {"username": ADMIN, **_password(self.admin_password), "roles": [{"rolename": "admin"}]},
                {
                    "username": BRIDGE,
                    "clientid": BRIDGE,
                    **_password(self.bridge_password),
                    "roles": [{"rolename": "bridge"}],
                },
            ],
            "groups": [],
            "roles": [_role("admin", "$CONTROL/dynamic-security/#"), _role("bridge", "dairy/#")],
        }


def _role(name: str, topics: str) -> dict:
    kinds = ["publishClientSend", "publishClientReceive", "subscribePattern"]
    return {
        "rolename": name,
        "acls": [{"acltype": kind, "topic": topics, "priority": 0, "allow": True} for kind in kinds],
    }


def _password(password: str) -> dict:
    """The plug-in's form of a stored password: PBKDF2 with SHA-512."""
    salt = secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, HASH_ITERATIONS)
    return {
        "password": base64.b64encode(digest).decode(),
        "salt": base64.b64encode(salt).decode(),
        "iterations": HASH_ITERATIONS,
    }
