"""The script that gives Mosquitto its revocation lists: what it takes, what it refuses, and whom it tells."""

import shutil
import signal
import stat
import subprocess
import threading
from datetime import datetime, timedelta, timezone
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from smart_dairy_iot.provisioning.certificates import Authority
from stack.paths import ROOT

SCRIPT = ROOT / "scripts" / "install_mosquitto_crl.sh"
NOW = datetime.now(timezone.utc).replace(tzinfo=None)
EARLIER, LATER = NOW - timedelta(hours=1), NOW + timedelta(days=1)


def authority(name="Device CA"):
    return Authority.generate(name, 365, NOW)


def crl(ca, number=1, at=NOW):
    return ca.sign_crl([], number, "http://odoo.test/iot/crl/1.pem", at).pem


class Installation:
    """The files of a broker, and a stand-in for its process, which a SIGHUP ends."""

    def __init__(self, directory, *cas):
        self.directory = directory
        self.ca_file, self.crl_file = directory / "ca.pem", directory / "crl.pem"
        self.ca_file.write_text("".join(ca.facts.pem for ca in cas))
        program = directory / "mosquitto"
        shutil.copy(shutil.which("sleep"), program)
        self._command = [program, "60"]
        self.start()

    def start(self):
        # Who runs the tests may ignore the signal, which is inherited; a program such as Mosquitto sets what it does.
        heed = partial(signal.signal, signal.SIGHUP, signal.SIG_DFL)
        self.process = subprocess.Popen(self._command, preexec_fn=heed)

    def install(self, text, pid=None):
        source = self.directory / "source.pem"
        source.write_text(text)
        return self.install_from(source, "--pid", pid or self.process.pid)

    def install_from(self, source, *how):
        command = [SCRIPT, *how, source, self.ca_file, self.crl_file]
        return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=60)

    def was_told(self):
        """Whether the process got the signal; it is there again afterwards."""
        try:
            told = self.process.wait(0.3) == -1
        except subprocess.TimeoutExpired:
            return False
        self.start()
        return told

    def stop(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def ca():
    return authority()


@pytest.fixture
def place(tmp_path, ca):
    installation = Installation(tmp_path, ca)
    yield installation
    installation.stop()


def assert_refused(place, text, reason):
    before = place.crl_file.read_text() if place.crl_file.exists() else None
    done = place.install(text)
    assert done.returncode == 1
    assert reason in done.stderr
    assert not place.was_told()
    assert (place.crl_file.read_text() if place.crl_file.exists() else None) == before


def test_a_first_list_is_installed_for_all_to_read_and_the_broker_is_told(place, ca):
    text = crl(ca)
    done = place.install(text)
    assert (done.returncode, done.stderr) == (0, "")
    assert place.crl_file.read_text() == text
    assert stat.S_IMODE(place.crl_file.stat().st_mode) == 0o644
    assert place.was_told()


def test_a_newer_list_replaces_it(place, ca):
    place.install(crl(ca, 9, EARLIER))
    place.was_told()
    newer = crl(ca, 16)
    assert place.install(newer).returncode == 0
    assert place.crl_file.read_text() == newer
    assert place.was_told()


def test_the_same_list_again_does_nothing(place, ca):
    text = crl(ca)
    place.install(text)
    assert place.was_told()
    done = place.install(text)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not place.was_told()


def test_an_older_list_is_refused(place, ca):
    place.install(crl(ca, 16))
    place.was_told()
    assert_refused(place, crl(ca, 9, EARLIER), "is older than the one that is installed")


def test_an_expired_list_is_refused(place, ca):
    assert_refused(place, crl(ca, at=NOW - timedelta(days=8)), "has expired")


def test_a_list_from_the_future_is_refused(place, ca):
    assert_refused(place, crl(ca, at=LATER), "is not valid yet")


def test_a_list_of_a_stranger_is_refused_though_it_has_the_same_name(place):
    assert_refused(place, crl(authority()), "is not signed by any CA")


def test_what_is_no_list_is_refused(place, ca):
    place.install(crl(ca))
    place.was_told()
    for text in ("", "<html>503</html>", ca.facts.pem, crl(ca, 2).replace("M", "N", 1), crl(ca, 2)[:300]):
        assert_refused(place, text, "")


def test_all_lists_of_one_file_are_installed_and_two_cas_may_have_one_name(tmp_path):
    cas = [authority(), authority(), authority("Another CA")]
    place = Installation(tmp_path, *cas)
    text = "".join(crl(ca) for ca in cas)
    assert place.install(text).returncode == 0
    assert place.crl_file.read_text() == text
    place.was_told()
    place.stop()


@pytest.mark.parametrize(
    ("make_bad", "reason"),
    [
        (lambda _ca: crl(authority("Another CA")), "is not signed by any CA"),
        (lambda ca: crl(ca, 5, EARLIER), "is older than the one that is installed"),
        (lambda ca: crl(ca, 30, NOW - timedelta(days=8)), "has expired"),
        (lambda ca: crl(ca, 30)[:300], "cannot be read"),
    ],
    ids=["stranger", "older", "expired", "broken"],
)
def test_a_bad_list_of_one_ca_does_not_hold_up_that_of_another(tmp_path, make_bad, reason):
    one, other = authority(), authority("Another CA")
    place = Installation(tmp_path, one, other)
    kept, newer = crl(other, 20), crl(one, 2)
    place.install(crl(one) + kept)
    place.was_told()
    done = place.install(newer + make_bad(other))
    assert done.returncode == 1
    assert reason in done.stderr
    assert place.crl_file.read_text() == newer + kept
    assert place.was_told()
    place.stop()


def test_a_list_that_is_published_no_more_is_kept_while_it_is_valid_and_does_not_hold_up_the_others(tmp_path):
    living, ended = authority(), authority("Ended CA")
    place = Installation(tmp_path, living, ended)
    kept, newer = crl(ended), crl(living, 2)
    place.install(crl(living) + kept)
    assert place.was_told()
    for told in (True, False):
        assert place.install(newer).returncode == 0
        assert place.crl_file.read_text() == newer + kept
        assert place.was_told() == told
    place.crl_file.write_text(newer + crl(ended, at=NOW - timedelta(days=8)))
    assert place.install(newer).returncode == 0
    assert place.crl_file.read_text() == newer
    place.stop()


def test_a_ca_that_is_trusted_no_more_takes_its_list_with_it(tmp_path):
    trusted, dropped = authority(), authority("Dropped CA")
    place = Installation(tmp_path, trusted, dropped)
    place.install(crl(trusted) + crl(dropped))
    place.ca_file.write_text(trusted.facts.pem)
    newer = crl(trusted, 2)
    assert place.install(newer).returncode == 0
    assert place.crl_file.read_text() == newer
    place.stop()


def test_a_source_that_does_not_answer_leaves_everything_as_it_is(place, ca):
    place.install(crl(ca))
    place.was_told()
    done = place.install_from("http://127.0.0.1:1/crl.pem", "--pid", place.process.pid)
    assert done.returncode == 1
    assert "could not be fetched" in done.stderr
    assert not place.was_told()


def test_lists_are_fetched_over_http_and_an_error_page_is_none(place, ca):
    answers = {"/good": (200, crl(ca)), "/gone": (404, crl(ca, 2))}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, text = answers[self.path]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        assert place.install_from(f"{address}/good", "--pid", place.process.pid).returncode == 0
        assert place.was_told()
        assert place.install_from(f"{address}/gone", "--pid", place.process.pid).returncode == 1
        server.shutdown()
    assert place.crl_file.read_text() == answers["/good"][1]


def test_the_process_is_taken_from_a_pid_file(place, ca):
    pid_file = place.directory / "broker.pid"
    pid_file.write_text(f"{place.process.pid}\n")
    source = place.directory / "source.pem"
    source.write_text(crl(ca))
    assert place.install_from(source, "--pid-file", pid_file).returncode == 0
    assert place.was_told()


def test_no_other_process_than_a_mosquitto_is_signalled_and_the_next_run_makes_up_for_it(place, ca):
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        text = crl(ca)
        done = place.install(text, pid=stranger.pid)
        assert done.returncode == 1
        assert "is no Mosquitto" in done.stderr
        assert stranger.poll() is None
        assert place.crl_file.read_text() == text
        assert place.install(text).returncode == 0
        assert place.was_told(), "though the file is no new one"
    finally:
        stranger.kill()
        stranger.wait()


def test_wrong_arguments_are_answered_with_the_usage(place):
    for arguments in ((), ("--pid",), ("source", "ca", "crl"), ("--pid", "", "source", "ca", "crl")):
        done = subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 2
        assert "usage" in done.stderr
