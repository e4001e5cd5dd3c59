"""A server program as a child process: started with a log and a pid file, stopped for certain."""

import contextlib
import functools
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from .shell import StackError

ACCOUNT = "daemon"  # there on every Debian, which initdb, looking its own user up, relies on


def unprivileged(command: list[str]) -> list[str]:
    """``command`` so that it does not run as root, which PostgreSQL refuses and a broker need not.

    A user namespace maps root to an ordinary account: the files stay root's own, and any checkout is in reach. Where a
    container forbids namespaces, it runs as that account itself, with the one capability it needs to reach its files.
    """
    if os.geteuid():
        return command
    account = pwd.getpwnam(ACCOUNT)
    if _namespaces_allowed():
        return ["unshare", "--user", f"--map-user={account.pw_uid}", f"--map-group={account.pw_gid}", *command]
    # no_setuid_fixup: without it access(2), by which initdb looks for its programs, leaves the capability out.
    rights = ["--securebits=+no_setuid_fixup", "--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    return ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups", *rights, *command]


def give_to_account(directory: Path) -> None:
    """Make the account that ``unprivileged`` runs as the owner of all in ``directory``, where it must be."""
    if os.geteuid() == 0 and not _namespaces_allowed() and directory.exists():
        for path in [directory, *directory.rglob("*")]:
            shutil.chown(path, ACCOUNT, ACCOUNT)


@functools.lru_cache(maxsize=1)
def _namespaces_allowed() -> bool:
    probe = ["unshare", "--user", "--map-user=1", "--map-group=1", "true"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


class Service:
    """One server process. Subclasses say what to start and when it is ready."""

    name = "service"
    stop_signal = signal.SIGTERM
    stop_seconds = 30

    def __init__(self, directory: Path):
        self.directory = Path(directory)
        self.process: subprocess.Popen | None = None

    @property
    def log_file(self) -> Path:
        return self.directory / f"{self.name}.log"

    @property
    def pid_file(self) -> Path:
        return self.directory / f"{self.name}.pid"

    def spawn(self, command: list[str | Path], **options) -> None:
        """Start ``command`` in a session of its own: a Ctrl-C in the terminal reaches us, and we stop it in order."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **options,
            )
        self.pid_file.write_text(f"{self.process.pid} {_start_time(self.process.pid)}\n")

    def pid(self) -> int | None:
        """The process, ours or one that an earlier run left; None when there is none."""
        if self.process and self.process.poll() is None:
            return self.process.pid
        return _recorded(self.pid_file)

    def running(self) -> bool:
        return self.pid() is not None

    def stop(self) -> None:
        """End the process: ask, wait ``stop_seconds``, then kill. Does nothing when it does not run."""
        pid = self.pid()
        if pid:
            os.kill(pid, self.stop_signal)
            if not self._wait_gone(pid, self.stop_seconds):
                self.kill()
        self.pid_file.unlink(missing_ok=True)

    def kill(self) -> None:
        """SIGKILL to the process and its children, as a crash or the out-of-memory killer would."""
        pid = self.pid()
        if not pid:
            return
        family = [pid, *_children(pid)]
        for member in family:
            _signal(member, signal.SIGKILL)
        for member in family:
            self._wait_gone(member, 10)

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of the log, for a message."""
        text = self.log_file.read_text(errors="replace") if self.log_file.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def failure(self, error: StackError) -> StackError:
        """``error`` with what the log says, for a start that failed."""
        return StackError(f"{error}\nThe end of {self.log_file}:\n{self.log_tail()}")

    def _wait_gone(self, pid: int, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process and self.process.pid == pid:
                if self.process.poll() is not None:
                    return True
            elif _start_time(pid) is None:
                return True
            time.sleep(0.05)
        return False

    def __enter__(self):
        return self.start()

    def __exit__(self, *_exc):
        self.stop()


@contextlib.contextmanager
def mark_running(directory: Path, name: str) -> Iterator[None]:
    """Leave a pid file of this very process in ``directory``, for `make stop`; refuses when another one runs."""
    directory.mkdir(parents=True, exist_ok=True)
    pid_file = directory / f"{name}.pid"
    if _recorded(pid_file):
        raise StackError(f"It runs already, as process {_recorded(pid_file)}; `make stop` ends it.")
    pid_file.write_text(f"{os.getpid()} {_start_time(os.getpid())}\n")
    try:
        yield
    finally:
        pid_file.unlink(missing_ok=True)


def stop_leftover(pid_file: Path, seconds: float = 120) -> bool:
    """Stop the process that a pid file names; whether there was one."""
    pid = _recorded(pid_file)
    if pid:
        os.kill(pid, signal.SIGINT)  # to PostgreSQL the quick way, to our scripts a Ctrl-C, to the others like SIGTERM
        end = time.monotonic() + seconds
        while _start_time(pid) and time.monotonic() < end:
            time.sleep(0.1)
        if _start_time(pid):
            _signal(pid, signal.SIGKILL)
    pid_file.unlink(missing_ok=True)
    return pid is not None


def _recorded(pid_file: Path) -> int | None:
    """The process that a pid file names, if it is still that one."""
    try:
        pid, started = pid_file.read_text().split()
    except (FileNotFoundError, ValueError):
        return None
    # A pid is used again one day: the start time tells the process we started from a stranger.
    return int(pid) if _start_time(int(pid)) == started else None


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it ended by itself
        os.kill(pid, number)


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat after the program's name, None when the process is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else fields


def _start_time(pid: int) -> str | None:
    fields = _stat(pid)
    return fields and fields[19]


def _children(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields and int(fields[1]) == pid:
                found += [int(entry.name), *_children(int(entry.name))]
    return found
