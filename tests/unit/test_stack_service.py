"""Server processes: stopped for certain, never a stranger's, and a taken port is a sentence."""

import os
import socket
import subprocess
import sys
import time

import pytest

from stack.mosquitto import Mosquitto
from stack.odoo_instance import complaints
from stack.service import Service, mark_running, stop_leftover
from stack.shell import StackError


class Script(Service):
    """A server that is a few lines of Python; says "up" once its signal handlers are in place."""

    name = "script"
    stop_seconds = 1

    def __init__(self, directory, code):
        super().__init__(directory)
        self.code = code

    def start(self):
        self.spawn([sys.executable, "-uc", f"{self.code}\nprint('up')\nimport time\ntime.sleep(60)"])
        end = time.monotonic() + 20
        while "up" not in self.log_tail() and time.monotonic() < end:
            time.sleep(0.02)
        return self


def alive(pid):
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(done.stdout.strip()) and not done.stdout.startswith("Z")


def test_stop_ends_the_process_and_removes_its_pid_file(tmp_path):
    service = Script(tmp_path, "").start()
    pid = service.pid()
    service.stop()
    assert not alive(pid)
    assert not service.pid_file.exists()
    service.stop()  # a second time does nothing


def test_a_process_deaf_to_the_signal_is_killed(tmp_path):
    service = Script(tmp_path, "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)").start()
    pid = service.pid()
    service.stop()
    assert not alive(pid)


def test_kill_takes_the_children_along(tmp_path):
    code = "import subprocess, sys; print(subprocess.Popen(['sleep', '60'], start_new_session=True).pid)"
    service = Script(tmp_path, code).start()
    child = int(service.log_tail().split()[0])
    assert alive(child)
    service.kill()
    assert not alive(child)
    assert not service.running()


def test_a_later_run_finds_and_stops_what_an_earlier_one_left(tmp_path):
    earlier = Script(tmp_path, "").start()
    later = Script(tmp_path, "")
    assert later.pid() == earlier.pid()
    later.stop()
    assert not earlier.running()


def test_a_pid_that_now_belongs_to_another_process_is_left_alone(tmp_path):
    pid_file = tmp_path / "script.pid"
    pid_file.write_text(f"{os.getpid()} 1\n")  # this very process, with another start time
    assert not Script(tmp_path, "").running()
    assert not stop_leftover(pid_file)


def test_leftovers_are_stopped_by_their_pid_file(tmp_path):
    service = Script(tmp_path, "").start()
    assert stop_leftover(service.pid_file)
    assert not service.running()
    assert not service.pid_file.exists()


def test_a_second_demo_is_refused_while_the_first_runs(tmp_path):
    with mark_running(tmp_path, "demo"):
        with pytest.raises(StackError, match="runs already"):
            with mark_running(tmp_path, "demo"):
                pass
        assert (tmp_path / "demo.pid").exists()
    assert not (tmp_path / "demo.pid").exists()


def test_a_taken_port_is_named_together_with_its_setting(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(StackError, match=rf"Port {port}.*taken.*SMART_DAIRY_MQTT_PORT"):
            Mosquitto(tmp_path, tmp_path, port).start()


def test_warnings_and_errors_of_an_odoo_log_are_complaints_and_its_progress_is_none():
    log = """2026-11-22 05:35:15,159 16561 INFO demo odoo.modules.loading: loading smart_dairy_iot
2026-11-22 05:35:15,160 16561 WARNING demo odoo.models: The model iot.device has no _description
Traceback (most recent call last):
2026-11-22 05:35:16,160 16561 ERROR demo odoo.sql_db: bad query
"""
    assert [line.split()[3] for line in complaints(log)] == ["WARNING", "ERROR"]
