"""Devices that identify themselves to Mosquitto by a certificate: real TLS, real certificates, a real broker.

docs/certificates.md says what follows from how Mosquitto treats them; these tests hold it to that.
"""

import os
import signal
import socket
import ssl
import subprocess
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from device_ca import DeviceCa, Root, utc_now
from mqtt_client import OFF_SECONDS, MqttClient
from smart_dairy_iot.bridge.config import load_config
from smart_dairy_iot.provisioning import BrokerUser, Change, DeviceAccess, PasswordHash, broker_for
from stack.paths import ROOT
from support import eventually

INSTALL_CRL = ROOT / "scripts" / "install_mosquitto_crl.sh"


def user(name, **changes):
    """The user TE_<name>, who has no password unless it is given one."""
    topic = f"dairy/HILL/temperature/{name}"
    access = DeviceAccess(f"TE_{name}", f"sd_{name}", (f"{topic}/data",), (f"{topic}/commands",))
    return replace(BrokerUser(access, True), **changes)


T1, T2 = user("T-1"), user("T-2")
DATA, COMMANDS = T1.access.publish[0], T1.access.subscribe[0]


@pytest.fixture
def ca(tmp_path):
    return DeviceCa(tmp_path)


@pytest.fixture
def broker(bed, ca, tmp_path):
    """A broker with a listener for certificates, in place of the one of all other tests."""
    with bed.broker(f"certificates_{tmp_path.name}", (ca.ca_file, ca.crl_file)) as running:
        yield running


@pytest.fixture
def config(broker):
    return load_config(broker.settings(), {}, environ={})


@pytest.fixture
def users(config):
    """The administrator, who has made TE_T-1 and TE_T-2, both without a password."""
    with broker_for(config) as users:
        tell(users, T1)
        tell(users, T2)
        yield users


def tell(users, after, before=None, **options):
    access = (after or before).access
    change = Change(access.username, access.client_id, after, before, **options)
    assert list(users.apply([change])) == [change]


@pytest.fixture
def connect(config, broker, ca):
    """Opens connections of devices, on the listener for certificates; they are closed afterwards."""
    opened = []

    def connect(certificate=None, client_id="sd_T-1", **options):
        client = MqttClient(config, client_id, port=broker.certificates.port, certificate=certificate, **options)
        opened.append(client)
        return client

    yield connect
    for client in opened:
        client.close()


@pytest.fixture
def bridge(config, broker):
    """A connection of the bridge, which sees all that devices publish."""
    client = MqttClient(config, broker.bridge_client_id, broker.bridge_username, broker.bridge_password)
    assert client.subscribe("dairy/#")
    yield client
    client.close()


def sign(ca, *revoked, **options):
    """A new list as a file beside the installed one."""
    path = ca.directory / "published.pem"
    path.write_text(ca.crl(*revoked, **options))
    return path


def install(broker, ca, source):
    command = [INSTALL_CRL, "--pid-file", broker.pid_file, source, ca.ca_file, ca.crl_file]
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=60)


@contextmanager
def reloaded(broker):
    """The broker reads its files again within the block, or soon after; waits until it does."""
    before = broker.log_file.read_text().count("Reloading config.")
    yield
    # While it reads it serves nobody: whoever connects now meets the new list.
    eventually(lambda: broker.log_file.read_text().count("Reloading config.") > before, "the broker reads its files")


# ---------------------------------------------------------------------- who is let in


def test_a_valid_certificate_needs_no_password_and_gives_the_rights_of_its_name_alone(connect, ca, users, bridge):
    device = connect(ca.certificate("TE_T-1")[0])
    assert not device.refused
    assert device.publish(DATA, b"mine")
    assert device.subscribe(COMMANDS)
    assert bridge.publish(COMMANDS, b"for T-1")
    assert device.message().payload == b"for T-1"
    assert bridge.message().payload == b"mine"


def test_a_valid_certificate_of_another_device_touches_nothing_of_this_one(connect, ca, users, bridge):
    other = connect(ca.certificate("TE_T-2")[0])
    assert not other.refused
    assert not other.publish(DATA, b"forged")
    assert not other.publish(COMMANDS, b"forged")
    for wanted in (COMMANDS, DATA, "dairy/#", "dairy/HILL/temperature/+/commands"):
        assert not other.subscribe(wanted)
    assert bridge.publish(COMMANDS, b"secret")
    assert bridge.publish(T2.access.subscribe[0], b"last")
    assert other.subscribe(T2.access.subscribe[0])
    assert bridge.publish(T2.access.subscribe[0], b"end")
    assert other.message().payload == b"end", "nothing came before"
    assert [bridge.message().payload for _number in range(3)] == [b"secret", b"last", b"end"], "nothing was forged"


def test_a_certificate_whose_name_the_broker_does_not_know_may_do_nothing(connect, ca, users):
    nobody = connect(ca.certificate("TE_T-9")[0])
    assert not nobody.publish(DATA)
    assert not nobody.publish("dairy/HILL/temperature/T-9/data")
    assert not nobody.subscribe("dairy/HILL/temperature/T-9/commands")


def test_without_a_certificate_nobody_gets_in_whatever_else_he_has(connect, broker, users):
    tell(users, replace(T2, password=PasswordHash.of("right")), password="right")
    assert connect().refused
    assert connect(client_id="sd_T-2", username="TE_T-2", password="right").refused
    assert connect(client_id="x", username=broker.admin_username, password=broker.admin_password).refused


def test_an_expired_certificate_is_refused(connect, ca, users):
    path, _facts = ca.certificate("TE_T-1", made_at=utc_now() - timedelta(days=30), valid=timedelta(days=29))
    assert connect(path).refused


def test_a_certificate_that_is_not_valid_yet_is_refused(connect, ca, users):
    path, _facts = ca.certificate("TE_T-1", made_at=utc_now() + timedelta(days=1))
    assert connect(path).refused


def test_a_certificate_of_another_ca_is_refused_though_that_has_the_same_name(connect, users, tmp_path):
    stranger = _made(tmp_path / "stranger")
    assert connect(stranger.certificate("TE_T-1")[0]).refused


def test_a_certificate_for_servers_is_refused(connect, broker, users, tmp_path):
    server = broker.ca_file.parent
    path = tmp_path / "server.pem"
    path.write_text((server / "server.crt").read_text() + (server / "server.key").read_text())
    assert connect(path).refused


def test_devices_of_an_imported_intermediate_are_let_in_and_those_of_its_siblings_are_not(
    connect, broker, ca, users, tmp_path
):
    root = Root()
    own, sibling = (_made(tmp_path / name, name, root) for name in ("Devices", "Staff"))
    ca.ca_file.write_text(own.ca_file.read_text())
    ca.crl_file.write_text(own.crl())
    with reloaded(broker):
        os.kill(broker.pid(), signal.SIGHUP)
    assert not connect(own.certificate("TE_T-1")[0]).refused
    assert connect(sibling.certificate("TE_T-1")[0]).refused, "the broker has no list of that CA"


def _made(directory, *arguments):
    directory.mkdir()
    return DeviceCa(directory, *arguments)


def test_on_the_listener_for_passwords_a_certificate_is_worth_nothing(config, ca, users):
    path, _facts = ca.certificate("TE_T-1")
    for password in (None, "", "any"):
        client = MqttClient(config, "sd_T-1", username="TE_T-1", password=password, certificate=path)
        assert client.refused
        client.close()


# ---------------------------------------------------------------------- who it is then


def test_its_client_id_is_its_name_so_that_no_other_s_session_is_taken_over(connect, config, ca, users, bridge):
    tell(users, replace(T2, password=PasswordHash.of("right")), password="right")
    victim = MqttClient(config, "sd_T-2", username="TE_T-2", password="right", keep_session=True)
    assert victim.subscribe(T2.access.subscribe[0])
    path, _facts = ca.certificate("TE_T-1")
    for client_id in ("sd_T-2", config.mqtt_bridge_client_id):
        thief = connect(path, client_id=client_id, keep_session=True)
        assert not thief.refused
        assert thief.publish(DATA)
    assert bridge.publish(T2.access.subscribe[0], b"for T-2")
    assert victim.message().payload == b"for T-2"
    assert not victim.disconnected.is_set()
    assert not bridge.disconnected.is_set()
    victim.close()


def test_a_user_name_that_it_sends_counts_nothing(connect, broker, ca, users):
    device = connect(ca.certificate("TE_T-1")[0], username=broker.admin_username, password=broker.admin_password)
    assert device.publish(DATA)
    assert not device.publish("$CONTROL/dynamic-security/v1", b"{}")
    assert not device.subscribe("$CONTROL/dynamic-security/v1/response")


def test_whoever_has_a_certificate_named_as_the_administrator_is_the_administrator(connect, broker, ca, users):
    """Why the device CA may never sign for such a name."""
    usurper = connect(ca.certificate(broker.admin_username)[0])
    assert usurper.subscribe("$CONTROL/dynamic-security/v1/response")


# ---------------------------------------------------------------------- until it is revoked


@pytest.mark.parametrize("after", [None, replace(T1, enabled=False)], ids=["deleted", "disabled"])
def test_a_device_whose_user_goes_is_off_at_once_and_may_do_nothing_when_it_returns(connect, ca, users, bridge, after):
    path, _facts = ca.certificate("TE_T-1")
    device = connect(path)
    assert device.subscribe(COMMANDS)
    tell(users, after, T1)
    assert device.disconnected.wait(OFF_SECONDS)
    back = connect(path, keep_session=True)
    assert not back.refused, "the broker does not ask whether the user is disabled: only the CRL keeps it out"
    assert not back.publish(DATA, b"still here")
    assert not back.subscribe(COMMANDS)
    assert bridge.publish(COMMANDS, b"secret")
    assert bridge.message().payload == b"secret", "and nothing from the device before"
    assert back.received() == []


def test_a_subscription_that_a_disabled_device_left_behind_delivers_nothing(connect, ca, users, bridge):
    path, _facts = ca.certificate("TE_T-1")
    device = connect(path, keep_session=True)
    assert device.subscribe(COMMANDS)
    tell(users, replace(T1, enabled=False), T1)
    assert device.disconnected.wait(OFF_SECONDS)
    assert bridge.publish(COMMANDS, b"while it was away")
    back = connect(path, keep_session=True)
    assert bridge.publish(COMMANDS, b"when it was back")
    tell(users, T1, replace(T1, enabled=False))
    assert back.disconnected.wait(OFF_SECONDS)
    again = connect(path, keep_session=True)
    assert bridge.publish(COMMANDS, b"allowed")
    assert again.message().payload == b"allowed"
    assert back.received() == []


def test_a_revoked_certificate_is_refused_once_the_broker_has_the_list(connect, broker, ca, users):
    path, facts = ca.certificate("TE_T-1")
    successor, _facts = ca.certificate("TE_T-1")
    open_before = connect(path)
    with reloaded(broker):
        done = install(broker, ca, sign(ca, facts))
        assert done.returncode == 0, done.stderr
    assert connect(path).refused
    assert open_before.publish(DATA), "a list ends no connection: the user has to be told as well"
    tell(users, T1)
    assert open_before.disconnected.wait(OFF_SECONDS)
    assert connect(path).refused
    assert not connect(successor).refused


def test_new_lists_leave_all_others_connected(connect, config, broker, ca, users, bridge):
    tell(users, replace(T2, password=PasswordHash.of("right")), password="right")
    by_password = MqttClient(config, "sd_T-2", username="TE_T-2", password="right")
    by_certificate = connect(ca.certificate("TE_T-1")[0])
    with reloaded(broker):
        install(broker, ca, sign(ca, ca.certificate("TE_T-7")[1]))
    assert by_password.publish(T2.access.publish[0], b"one")
    assert by_certificate.publish(DATA, b"two")
    assert [bridge.message().payload for _number in range(2)] == [b"one", b"two"]
    by_password.close()


def test_a_list_past_its_next_update_refuses_everybody_and_a_new_one_lets_them_in_again(connect, broker, ca, users):
    path, _facts = ca.certificate("TE_T-1")
    ca.crl_file.write_text(ca.crl(at=utc_now() - timedelta(days=8)))
    with reloaded(broker):
        os.kill(broker.pid(), signal.SIGHUP)
    assert connect(path).refused
    with reloaded(broker):
        assert install(broker, ca, sign(ca)).returncode == 0
    assert not connect(path).refused


@pytest.mark.parametrize("broken", ["", "no list", None], ids=["empty", "broken", "missing"])
def test_a_file_that_is_no_list_lets_the_revoked_in_which_is_why_only_the_script_may_replace_it(
    connect, broker, ca, users, broken
):
    path, facts = ca.certificate("TE_T-1")
    with reloaded(broker):
        assert install(broker, ca, sign(ca, facts)).returncode == 0
    assert connect(path).refused
    source = sign(ca)
    source.write_text(broken or "")
    assert install(broker, ca, source).returncode == 1
    assert connect(path).refused, "the script left everything as it was"
    if broken is None:
        ca.crl_file.unlink()
    else:
        ca.crl_file.write_text(broken)
    with reloaded(broker):
        os.kill(broker.pid(), signal.SIGHUP)
    assert not connect(path).refused


# ---------------------------------------------------------------------- TLS itself


def handshake(broker, port, certificate, newest):
    """The version that a client gets that speaks everything up to `newest`."""
    context = ssl.create_default_context(cafile=str(broker.ca_file))
    context.load_cert_chain(certificate)
    # A client of today would refuse old versions by itself, before the broker could.
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = newest
    with socket.create_connection((broker.host, port), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname=broker.host) as secured:
            return secured.version()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
def test_both_listeners_take_tls_1_3_by_default_1_2_at_least_and_nothing_older(broker, ca):
    path, _facts = ca.certificate("TE_T-1")
    versions = ssl.TLSVersion
    for port in (broker.port, broker.certificates.port):
        assert handshake(broker, port, path, versions.MAXIMUM_SUPPORTED) == "TLSv1.3"
        assert handshake(broker, port, path, versions.TLSv1_2) == "TLSv1.2"
        for old in (versions.TLSv1, versions.TLSv1_1):
            with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
                handshake(broker, port, path, old)
