"""What docker/mosquitto's configuration says, a real Mosquitto does: docs/brokers.md has the reasons.

The broker of all tests has that configuration with other places and ports; the last tests here start one on the files
themselves.
"""

import os
import shutil
import socket
import ssl
import subprocess
import sys

import pytest

from device_ca import DeviceCa
from mosquitto_users import ACCESS, ACTIVE, OTHER, OWN, PASSWORD, connected, make
from mqtt_client import MqttClient
from smart_dairy_iot.bridge.config import load_config
from smart_dairy_iot.provisioning import broker_for
from stack.mosquitto import Mosquitto
from stack.mosquitto_conf import CONFIG, settings_of
from stack.paths import ROOT
from stack.service import Service, unprivileged
from stack.shell import free_ports, new_secret, port_taken, run, wait_until, write_private
from support import eventually

LARGEST = int(dict(settings_of(CONFIG / "mosquitto.conf"))["max_packet_size"])


@pytest.fixture
def config(broker):
    return load_config(broker.settings(), {}, environ={})


@pytest.fixture
def device(config):
    """The device's connection, with its user made by the administrator."""
    with broker_for(config) as users:
        make(users, ACTIVE)
    with connected(config) as client:
        yield client


@pytest.fixture
def web_device(config, broker, device):
    """The same device over WebSocket, in place of its other connection."""
    client = over_websocket(config, broker)
    yield client
    client.close()


def over_websocket(config, broker, **identity):
    credentials = {"client_id": ACCESS.client_id, "username": ACCESS.username, "password": PASSWORD} | identity
    return MqttClient(config, **credentials, port=broker.websocket_port, websocket=True)


def bridge(config, broker, keep_session=False):
    """A connection as the bridge's user."""
    user = {"username": broker.bridge_username, "password": broker.bridge_password}
    return MqttClient(config, broker.bridge_client_id, **user, keep_session=keep_session)


def leave_queue(config, broker):
    """Subscribe as the bridge and go, so that what comes now waits."""
    client = bridge(config, broker, keep_session=True)
    assert client.subscribe("dairy/#")
    client.close()


def speaks(broker, port, version):
    """Whether a listener agrees to exactly this version of TLS."""
    context = ssl.create_default_context(cafile=str(broker.ca_file))
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # or our side would not even offer the old ones
    context.minimum_version = context.maximum_version = version
    with socket.create_connection((broker.host, port), timeout=60) as plain:
        try:
            with context.wrap_socket(plain, server_hostname=broker.host):
                return True
        except (ssl.SSLError, ConnectionError):
            return False


# ---------------------------------------------------------------------- sizes


def test_a_client_is_told_how_large_a_packet_may_be_and_disconnected_over_a_larger_one(config, broker, device):
    leave_queue(config, broker)
    assert device.told.MaximumPacketSize == LARGEST
    assert device.publish(f"{OWN}/data", bytes(LARGEST - 1000))
    device.send(f"{OWN}/data", bytes(LARGEST + 1))
    assert device.disconnected.wait(60)
    with connected(config) as again:
        assert again.publish(f"{OWN}/data", b"{}")
    receiver = bridge(config, broker, keep_session=True)
    assert [len(receiver.message().payload) for _number in range(2)] == [LARGEST - 1000, 2]
    receiver.close()


def test_over_websocket_a_larger_message_is_dropped_and_the_next_one_taken(config, broker, web_device):
    leave_queue(config, broker)
    web_device.send(f"{OWN}/data", bytes(LARGEST + 1))
    # The broker's PUBACK has a reason code (0x95) that MQTT has not for a PUBACK: this client disconnects over it.
    assert web_device.disconnected.wait(60)
    again = over_websocket(config, broker)
    assert again.publish(f"{OWN}/data", bytes(LARGEST))
    again.close()
    receiver = bridge(config, broker, keep_session=True)
    assert len(receiver.message().payload) == LARGEST
    receiver.close()


# ---------------------------------------------------------------------- WebSocket


def test_a_device_has_its_rights_and_no_others_over_websocket_and_tls(config, broker, device, web_device):
    assert not web_device.refused
    assert device.disconnected.wait(60), "it has one client id, on whatever listener"
    assert web_device.publish(f"{OWN}/data")
    assert not web_device.publish(f"{OTHER}/data")
    assert web_device.subscribe(f"{OWN}/commands")
    assert not web_device.subscribe("dairy/#")
    sender = bridge(config, broker)
    sender.publish(f"{OWN}/commands", b"restart")
    assert web_device.message().payload == b"restart"
    sender.close()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1")
def test_no_listener_speaks_what_is_older_than_tls_1_2(broker):
    for port in (broker.port, broker.websocket_port):
        assert speaks(broker, port, ssl.TLSVersion.TLSv1_2)
        assert speaks(broker, port, ssl.TLSVersion.TLSv1_3)
        assert not speaks(broker, port, ssl.TLSVersion.TLSv1_1)


@pytest.mark.parametrize(
    "identity",
    [{"password": "another"}, {"client_id": "sd_T-2"}, {"username": None, "password": None}],
    ids=["password", "client_id", "anonymous"],
)
def test_nobody_else_gets_in_over_websocket(config, broker, device, identity):
    client = over_websocket(config, broker, **identity)
    assert client.refused
    client.close()


# ---------------------------------------------------------------------- what waits, and what is retained


def test_what_comes_while_the_bridge_is_away_waits_for_it_at_any_qos(config, broker, device):
    leave_queue(config, broker)
    for qos in (0, 1, 2):
        device.publish(f"{OWN}/data", b"%d" % qos, qos=qos)
    receiver = bridge(config, broker, keep_session=True)
    assert [receiver.message().payload for _number in range(3)] == [b"0", b"1", b"2"]
    receiver.close()


def test_what_waits_and_what_is_retained_is_saved_by_itself_and_survives_a_kill(config, broker, device):
    leave_queue(config, broker)
    assert device.publish(f"{OWN}/data", b"waits")
    assert device.publish(f"{OWN}/status", b"stays", retain=True)
    saved = broker.directory / "mosquitto.db"
    before = saved.stat().st_mtime_ns if saved.exists() else None
    eventually(lambda: saved.exists() and saved.stat().st_mtime_ns != before, "the broker saves")
    broker.kill()
    broker.start()
    receiver = bridge(config, broker, keep_session=True)
    assert [receiver.message().payload for _number in range(2)] == [b"waits", b"stays"]
    assert receiver.subscribe(f"{OWN}/status"), "anew: what is retained comes again"
    message = receiver.message()
    assert (message.payload, message.retain) == (b"stays", True)
    receiver.close()


def test_a_device_retains_on_its_own_topics_alone(config, broker, device):
    assert not device.publish(f"{OTHER}/status", b"foreign", retain=True)
    assert device.publish(f"{OWN}/status", b"own", retain=True)
    receiver = bridge(config, broker)
    assert receiver.subscribe("dairy/#")
    assert receiver.message().payload == b"own"
    assert device.publish(f"{OWN}/data", b"the end")
    assert receiver.message().payload == b"the end"
    receiver.close()


# ---------------------------------------------------------------------- the files themselves


class DockerMosquitto(Service):
    """Mosquitto on a copy of docker/mosquitto's files, the listeners included that are closed as shipped.

    Other are places and ports.
    """

    name = "mosquitto"

    def __init__(self, directory, prefix, ca):
        super().__init__(directory)
        self.prefix = prefix
        self.ports = dict(zip(("8883", "8884", "8084", "8885"), free_ports(4), strict=True))
        self.bridge_password = new_secret()
        run(ROOT / "scripts" / "generate_mqtt_certs.sh", directory / "certs", "127.0.0.1", what="Making certificates")
        for file, name in ((ca.ca_file, "devices-ca.pem"), (ca.crl_file, "devices-crl.pem")):
            write_private(directory / "device-ca" / name, file.read_text())
        self._copy_files()
        self._make_users()

    def start(self):
        program = str(self.prefix / "usr/sbin/mosquitto")
        self.spawn(unprivileged([program, "-c", str(self.directory / "config" / "mosquitto.conf")]))
        wait_until(lambda: all(map(port_taken, self.ports.values())), "Mosquitto", 60, self.running)
        return self

    def settings(self):
        return {
            "mqtt_broker_host": "127.0.0.1",
            "mqtt_broker_port": str(self.ports["8885"]),
            "mqtt_ca_file": str(self.directory / "certs" / "ca.crt"),
        }

    def _copy_files(self):
        plugin = next(iter(self.prefix.glob("usr/lib/*/mosquitto_dynamic_security.so")))
        target = self.directory / "config"
        shutil.copytree(CONFIG, target)
        for example in (target / "listeners").glob("*.conf.example"):
            example.rename(example.with_suffix(""))
        for path in target.rglob("*.conf"):
            text = path.read_text().replace("/usr/lib/mosquitto_dynamic_security.so", str(plugin))
            text = text.replace(" /mosquitto/", f" {self.directory}/")
            for port, other in self.ports.items():
                text = text.replace(f"listener {port}", f"listener {other} 127.0.0.1")
            path.write_text(text)

    def _make_users(self):
        passwords = {
            "SMART_DAIRY_MQTT_ADMIN_PASSWORD": new_secret(),
            "SMART_DAIRY_MQTT_BRIDGE_PASSWORD": self.bridge_password,
        }
        script = [sys.executable, ROOT / "scripts" / "mosquitto_users.py"]
        file = self.directory / "data" / "dynamic-security.json"
        subprocess.run([*script, file], env=os.environ | passwords, check=True, timeout=60)


@pytest.fixture
def docker_broker(bed, tmp_path):
    with DockerMosquitto(bed.directory / f"docker_{tmp_path.name}", bed.prefix, DeviceCa(tmp_path)) as running:
        yield running


def test_mosquitto_runs_on_the_files_of_docker_with_the_users_that_the_script_made(docker_broker):
    config = load_config(docker_broker.settings(), {}, environ={})
    user = {"username": "sd_bridge", "password": docker_broker.bridge_password}
    for listener, websocket in (("8885", False), ("8883", False), ("8084", True)):
        client = MqttClient(config, "sd_bridge", **user, port=docker_broker.ports[listener], websocket=websocket)
        assert not client.refused, listener
        assert client.subscribe("dairy/#")
        assert client.publish("dairy/HILL/temperature/T-1/commands", b"over " + listener.encode())
        assert client.message().payload == b"over " + listener.encode()
        assert not client.publish("elsewhere")
        client.close()
    without = MqttClient(config, "sd_bridge", **user, port=docker_broker.ports["8884"])
    assert without.refused, "a password is no certificate"
    without.close()


def test_all_other_tests_run_on_what_docker_has(broker):
    assert isinstance(broker, Mosquitto)
    lines = (broker.directory / "mosquitto.conf").read_text().splitlines()
    other = {"plugin", "plugin_opt_config_file", "include_dir", "persistence_location"}
    shipped = [f"{name} {value}" for name, value in settings_of(CONFIG / "mosquitto.conf") if name not in other]
    assert set(shipped) <= set(lines)
    assert sum(line.startswith("listener ") for line in lines) == 2
