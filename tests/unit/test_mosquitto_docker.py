"""Mosquitto's files under docker/ fit together, say the same as EMQX's, and hold what the bridge and Odoo send."""

import ast
import json
import os
import subprocess
import sys

import pytest
import yaml
from pyhocon import ConfigFactory

from smart_dairy_iot.bridge.config import Config
from stack.mosquitto_conf import CONFIG, configuration, settings_of
from stack.paths import ROOT

DIRECTORY = CONFIG.parent
LISTENERS = {path.name: dict(settings_of(path)) for path in (CONFIG / "listeners").iterdir()}
SCRIPT = ROOT / "scripts" / "mosquitto_users.py"
PASSWORDS = {"SMART_DAIRY_MQTT_ADMIN_PASSWORD": "a" * 64, "SMART_DAIRY_MQTT_BRIDGE_PASSWORD": "b" * 64}


@pytest.fixture(scope="module")
def conf():
    return dict(settings_of(CONFIG / "mosquitto.conf"))


@pytest.fixture(scope="module")
def emqx():
    return ConfigFactory.parse_file(str(ROOT / "docker" / "emqx" / "config" / "emqx.conf"))


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((DIRECTORY / "docker-compose.yml").read_text())["services"]["mosquitto"]


def constant(file, name):
    """A number that stands in a module of Odoo's, which cannot be imported here."""
    for node in ast.parse((ROOT / file).read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == name:
            return ast.literal_eval(node.value)
    raise AssertionError(f"{file} has no {name}")


def make_users(file, **environ):
    return subprocess.run(
        [sys.executable, SCRIPT, file],
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# ---------------------------------------------------------------------- the values


def test_a_configuration_fits_into_a_packet_at_both_brokers_however_its_letters_are_escaped(conf, emqx):
    # A letter of two bytes becomes \\uXXXX, which is three times as much.
    largest = 3 * constant("smart_dairy_iot/models/iot_device.py", "MOST_CONFIGURATION_BYTES") + 1000
    assert int(conf["max_packet_size"]) > largest
    assert conf["message_size_limit"] == conf["max_packet_size"]
    assert emqx["mqtt.max_packet_size"] == emqx["retainer.max_payload_size"] == "256KB"
    assert int(conf["max_packet_size"]) == 256 * 1024
    assert emqx["listeners.wss.default.websocket.max_frame_size"] == int(conf["max_packet_size"])


def test_more_may_be_under_way_to_the_bridge_than_it_takes_and_no_limit_is_0_which_means_none(conf, emqx):
    taken = Config().bridge_receive_maximum
    assert taken < int(conf["max_inflight_messages"]) < 65535
    assert taken < emqx["zones.bridge.mqtt.max_inflight"]
    for name in ("max_queued_messages", "max_queued_bytes", "max_packet_size", "max_inflight_messages"):
        assert int(conf[name]) > 0, name
    assert "memory_limit" not in conf


def test_as_much_waits_for_the_bridge_at_either_broker(conf, emqx):
    assert int(conf["max_queued_messages"]) == emqx["zones.bridge.mqtt.max_mqueue_len"]
    assert (conf["queue_qos0_messages"] == "true") is emqx["mqtt.mqueue_store_qos0"] is True
    assert emqx["mqtt.message_expiry_interval"] == "infinity"


def test_the_highest_qos_is_granted_everywhere(emqx):
    assert {listener["max_qos"] for listener in LISTENERS.values()} == {"2"}
    assert emqx["mqtt.max_qos_allowed"] == 2


# ---------------------------------------------------------------------- the files


def test_every_listener_has_tls_and_a_limit_and_the_files_that_the_container_is_open_for_room(compose):
    for name, listener in LISTENERS.items():
        assert listener["certfile"].startswith("/mosquitto/certs/"), name
        assert listener.get("tls_version") == "tlsv1.2" or listener.get("protocol") == "websockets", name
    connections = sum(int(listener["max_connections"]) for listener in LISTENERS.values())
    assert connections < compose["ulimits"]["nofile"]


def test_open_are_the_listeners_for_passwords_and_for_the_bridge_until_somebody_opens_another():
    assert {name for name in LISTENERS if name.endswith(".conf")} == {"devices.conf", "bridge.conf"}
    ignored = (DIRECTORY / ".gitignore").read_text().split()
    for name in LISTENERS.keys() - {"devices.conf", "bridge.conf"}:
        assert f"/config/listeners/{name.removesuffix('.example')}" in ignored


def test_the_container_publishes_the_listeners_but_not_websocket_and_the_bridges_to_this_machine_alone(compose):
    published = {port.rpartition(":")[2] for port in compose["ports"]}
    assert published == {
        listener["listener"] for listener in LISTENERS.values() if listener.get("protocol") != "websockets"
    }
    from_outside = {port.rpartition(":")[2] for port in compose["ports"] if not port.startswith("127.0.0.1:")}
    assert published - from_outside == {LISTENERS["bridge.conf"]["listener"]}


def test_the_container_mounts_what_the_files_name_and_the_image_is_pinned(conf, compose):
    mounts = [mount.split(":")[1] for mount in compose["volumes"]]
    named = [value for settings in (conf, *LISTENERS.values()) for value in settings.values()]
    for path in (value for value in named if value.startswith("/mosquitto/")):
        assert any(path.startswith(mount) for mount in mounts), path
    assert compose["image"] == "eclipse-mosquitto:2.0.21"


def test_what_is_made_or_secret_is_not_committed(compose):
    ignored = (DIRECTORY / ".gitignore").read_text().split()
    for mount in compose["volumes"]:
        source = mount.split(":")[0].removeprefix("./")
        assert (DIRECTORY / source).exists() or f"/{source}/" in ignored
    example = dict(line.split("=") for line in (DIRECTORY / ".env.example").read_text().splitlines() if "=" in line)
    assert example == dict.fromkeys(PASSWORDS, "")
    assert "/.env" in ignored


def test_a_broker_of_ours_has_the_files_settings_with_other_places_and_ports(conf):
    text = configuration({"/mosquitto/certs/": "/here/"}, {"devices.conf": 4711}, {"autosave_interval": "30"})
    lines = text.splitlines()
    assert "listener 4711 127.0.0.1" in lines
    assert "certfile /here/server.crt" in lines
    assert "autosave_interval 30" in lines
    assert f"max_packet_size {conf['max_packet_size']}" in lines
    assert not [line for line in lines if line.startswith(("#", "include_dir"))]


# ---------------------------------------------------------------------- the first users


def test_the_first_users_are_odoos_two_and_nothing_is_allowed_to_others(tmp_path):
    file = tmp_path / "data" / "dynamic-security.json"
    made = make_users(file, **PASSWORDS)
    assert made.returncode == 0, made.stderr
    assert file.stat().st_mode & 0o077 == 0
    security = json.loads(file.read_text())
    assert {user["username"]: user.get("clientid") for user in security["clients"]} == {
        "sd_admin": None,
        "sd_bridge": "sd_bridge",
    }
    for kind in ("publishClientSend", "publishClientReceive", "subscribe"):
        assert security["defaultACLAccess"][kind] is False
    assert not any(password in file.read_text() + made.stdout for password in PASSWORDS.values())


def test_users_that_are_there_are_left_alone(tmp_path):
    file = tmp_path / "dynamic-security.json"
    file.write_text("the broker's own")
    assert make_users(file, **PASSWORDS).returncode == 1
    assert file.read_text() == "the broker's own"


@pytest.mark.parametrize("name", PASSWORDS)
@pytest.mark.parametrize("password", ["", "short"])
def test_a_password_that_is_missing_or_short_is_refused_by_name(tmp_path, name, password):
    file = tmp_path / "dynamic-security.json"
    refused = make_users(file, **PASSWORDS | {name: password})
    assert refused.returncode == 1
    assert name in refused.stderr
    assert not file.exists()
