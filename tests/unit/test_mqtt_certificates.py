"""The certificates of the broker, made by the script that users run as well."""

import ssl
import stat
import subprocess

import pytest

from stack.paths import ROOT

SCRIPT = ROOT / "scripts" / "generate_mqtt_certs.sh"
FILES = ["ca.crt", "ca.key", "server.crt", "server.key"]


def generate(*arguments):
    return subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    directory = tmp_path_factory.mktemp("certs")
    assert generate(directory, "broker.farm", "127.0.0.1", "::1").returncode == 0
    return directory


def test_keys_are_readable_by_their_owner_alone(made):
    assert sorted(path.name for path in made.iterdir()) == FILES
    for name in ("ca.key", "server.key"):
        assert stat.S_IMODE((made / name).stat().st_mode) == 0o600


def test_the_server_certificate_names_every_host(made):
    text = subprocess.run(
        ["openssl", "x509", "-in", made / "server.crt", "-noout", "-ext", "subjectAltName"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "DNS:broker.farm" in text
    assert "IP Address:127.0.0.1" in text
    assert "IP Address:0:0:0:0:0:0:0:1" in text


def test_a_client_that_trusts_the_authority_completes_the_handshake(made):
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made / "server.crt", made / "server.key")
    client = ssl.create_default_context(cafile=made / "ca.crt")
    assert shake_hands(client, server, "127.0.0.1") == "TLSv1.3"
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(client, server, "elsewhere.farm")


def shake_hands(client_context, server_context, host):
    """A handshake over memory; returns the protocol."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=host)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return client.version()


def test_a_second_run_keeps_what_is_there_and_force_replaces_it(made):
    before = (made / "server.crt").read_text()
    assert generate(made, "broker.farm").returncode == 0
    assert (made / "server.crt").read_text() == before
    assert generate("--force", made, "broker.farm").returncode == 0
    assert (made / "server.crt").read_text() != before


def test_an_incomplete_set_is_not_overwritten_without_force(tmp_path):
    (tmp_path / "ca.key").write_text("precious")
    refused = generate(tmp_path, "broker.farm")
    assert refused.returncode == 1
    assert "--force" in refused.stderr
    assert (tmp_path / "ca.key").read_text() == "precious"


def test_too_few_arguments_are_refused_with_the_usage(tmp_path):
    refused = generate(tmp_path)
    assert refused.returncode == 2
    assert "usage" in refused.stderr
