"""Running programs and writing files so that an interruption leaves no harm."""

import signal
import stat
import subprocess
import sys

import pytest

from stack.debian import without
from stack.environment import find_python
from stack.paths import ROOT
from stack.shell import StackError, built_in_place, free_ports, locked, make_once, run, write_private


def test_a_failing_program_is_a_sentence_with_its_last_lines():
    with pytest.raises(StackError, match=r"Baking failed \(exit 3\):\nno flour"):
        run(sys.executable, "-c", "print('no flour'); exit(3)", what="Baking")


def test_a_missing_program_is_named():
    with pytest.raises(StackError, match="no-such-program is missing"):
        run("no-such-program", what="Baking")


def test_a_program_that_hangs_is_ended():
    with pytest.raises(StackError, match="took longer than 1 s"):
        run("sleep", "20", what="Baking", timeout=1)


def test_what_is_built_appears_only_when_it_is_whole(tmp_path):
    target = tmp_path / "download"
    with pytest.raises(KeyboardInterrupt), built_in_place(target) as temporary:
        (temporary / "half").touch()
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    with built_in_place(target) as temporary:
        (temporary / "whole").touch()
        assert not target.exists()
    assert [path.name for path in target.iterdir()] == ["whole"]


def test_a_secret_is_written_for_its_owner_alone(tmp_path):
    path = tmp_path / "deep" / "secret"
    write_private(path, "x")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_two_set_ups_do_not_run_at_once(tmp_path):
    code = f"""
import sys
sys.path.insert(0, {str(sys.path[0])!r}); sys.path[:0] = {sys.path!r}
from pathlib import Path
from stack.shell import locked
with locked(Path({str(tmp_path / "lock")!r}), "cooking"):
    print("mine")
"""
    with locked(tmp_path / "lock", "cooking"):
        other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert "waiting" in other.stdout.readline()
    assert other.communicate(timeout=20)[0] == "mine\n"


def test_what_is_there_is_not_made_again(tmp_path):
    def make(folder):
        (folder / "file").write_text("made")

    for _time in range(2):
        assert make_once(tmp_path / "target", tmp_path / "lock", "cooking", "cooking", make) == tmp_path / "target"
        assert (tmp_path / "target" / "file").read_text() == "made"
        make = None


def test_what_could_not_be_made_is_not_there(tmp_path):
    def fail(folder):
        (folder / "file").touch()
        raise StackError("no flour")

    with pytest.raises(StackError, match="no flour"):
        make_once(tmp_path / "target", tmp_path / "lock", "cooking", "cooking", fail)
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_a_python_that_exists_but_does_not_run_is_passed_over(tmp_path, monkeypatch):
    for name in ("python3.10", "python3.11", "python3.12", "python3"):
        shim = tmp_path / name
        shim.write_text("#!/bin/sh\necho 'command not found' >&2\nexit 127\n")
        shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("SMART_DAIRY_PYTHON", raising=False)
    path, version = find_python()
    assert path == sys.executable
    assert version == sys.version_info[:2]


def test_a_named_python_that_does_not_fit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("SMART_DAIRY_PYTHON", str(tmp_path / "python"))
    with pytest.raises(StackError, match="SMART_DAIRY_PYTHON"):
        find_python()


def test_packages_are_left_out_by_pattern():
    assert without(["libc6", "perl-base", "libjson-perl"], ["perl*", "*-perl"]) == ["libc6"]


def test_a_script_in_the_background_of_a_shell_that_ignores_ctrl_c_for_it_still_stops_on_sigint():
    script = (
        "import time; from stack.shell import main_guard; main_guard(lambda: print('up', flush=True) or time.sleep(60))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT / "scripts",
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    with process:
        assert process.stdout.readline() == b"up\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130


def test_ports_for_servers_are_none_that_linux_gives_to_outgoing_connections():
    ports = free_ports(50)
    assert len(set(ports)) == 50
    assert max(ports) < 32768
