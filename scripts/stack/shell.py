"""Running other programs, telling the user what goes on, and failing with a sentence."""

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path


class StackError(Exception):
    """Something the user can do something about; its text says what happened and what to do."""


# Below those that the system gives to outgoing connections: one of them would take a port between our look at it and
# the start of the server that it is for, or while that server is being restarted.
_SERVER_PORTS = range(16000, 32000)


def say(message: str) -> None:
    """Print one line of progress, at once."""
    print(f"==> {message}", flush=True)


def run(*command: str | Path, what: str, timeout: float = 900, **options) -> subprocess.CompletedProcess:
    """Run ``command`` to its end, quietly; on failure raise StackError that says ``what`` failed, with its last lines.

    ``timeout`` is in seconds; ``options`` are subprocess.run's.
    """
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL} | options
    if "input" in options:
        del options["stdin"]
    try:
        done = subprocess.run([str(part) for part in command], text=True, timeout=timeout, check=False, **options)
    except FileNotFoundError:
        raise StackError(f"{what} failed: the program {command[0]} is missing.") from None
    except subprocess.TimeoutExpired:
        raise StackError(f"{what} took longer than {timeout:.0f} s and was ended.") from None
    if done.returncode:
        output = "\n".join(((done.stdout or "") + (done.stderr or "")).strip().splitlines()[-15:])
        raise StackError(f"{what} failed (exit {done.returncode}):\n{output}")
    return done


def main_guard(main: Callable[[], int | None]) -> None:
    """Run a script's ``main``: a StackError becomes one message and exit 1; Ctrl-C and SIGTERM clean up, exit 130."""
    # SIGINT too: a shell without job control starts what it puts in the background with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        sys.exit(main() or 0)
    except StackError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        sys.exit(1)
    except KeyboardInterrupt:
        print("stopped.", file=sys.stderr, flush=True)
        sys.exit(130)


def wait_until(ready: Callable[[], bool], what: str, timeout: float, alive: Callable[[], bool] = lambda: True) -> None:
    """Poll ``ready`` until it is true, for ``timeout`` seconds at most and only while ``alive``."""
    end = time.monotonic() + timeout
    while not ready():
        if not alive():
            raise StackError(f"{what} ended while starting.")
        if time.monotonic() > end:
            raise StackError(f"{what} was not ready within {timeout:.0f} s.")
        time.sleep(0.05)


def port_taken(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something listens on the port."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((host, port)) == 0


def free_port() -> int:
    """A TCP port of the loopback interface that nothing uses at this moment."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """So many of them, no two alike."""
    found = []
    with contextlib.ExitStack() as stack:
        for port in secrets.SystemRandom().sample(_SERVER_PORTS, len(_SERVER_PORTS)):
            if len(found) == count:
                break
            probe = stack.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                found.append(port)
    return found


def new_secret() -> str:
    """A random password of 256 bits."""
    return secrets.token_urlsafe(32)


def write_private(path: Path, text: str) -> None:
    """Write a file only its owner can read, in one step: no reader ever sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp makes it 0600
    with os.fdopen(handle, "w") as file:
        file.write(text)
    os.replace(temporary, path)


@contextlib.contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold an exclusive lock on ``path``; says that it waits if another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another process that does the same: {what}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def built_in_place(target: Path) -> Iterator[Path]:
    """A temporary folder beside ``target`` that becomes ``target`` when the block succeeds, and vanishes otherwise.

    An interrupted download therefore never looks like a finished one.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        temporary.chmod(0o755)
        yield temporary
        shutil.rmtree(target, ignore_errors=True)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def make_once(target: Path, lock: Path, what: str, announcement: str, make: Callable[[Path], None]) -> Path:
    """The folder ``target``, filled by ``make`` unless it is there; of several processes one does, the others wait.

    :param what: for who waits, see `locked`
    :param announcement: said by who makes it
    :param make: is given the folder to fill, which is not in its place yet
    """
    with locked(lock, what):
        if not target.exists():
            say(announcement)
            with built_in_place(target) as temporary:
                make(temporary)
    return target
