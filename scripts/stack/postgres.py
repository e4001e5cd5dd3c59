"""The PostgreSQL server with TimescaleDB: the one that PGHOST names, or a cluster of our own."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

from .environment import Environment
from .prefix import ensure_prefix
from .service import Service, give_to_account, unprivileged
from .shell import StackError, new_secret, port_taken, run, wait_until, write_private

OWNER = "odoo"  # may create databases, is no superuser: as Odoo's role should be in production


class Postgres:
    """A server one can make databases on. All connections go over TCP, so the depth of the checkout does not matter."""

    def __init__(self, bin_dir: Path, host: str, port: int, user: str, password: str):
        self.bin_dir = Path(bin_dir)
        self.host = host
        self.port = port
        self.user = user
        self.password = password

    def environ(self) -> dict[str, str]:
        """The variables by which psql, libpq and psycopg2 find the server as Odoo's role."""
        return {"PGHOST": self.host, "PGPORT": str(self.port), "PGUSER": self.user, "PGPASSWORD": self.password}

    def dsn(self, database: str) -> dict[str, str | int]:
        """psycopg2.connect's keywords for ``database``."""
        return {"host": self.host, "port": self.port, "user": self.user, "password": self.password, "dbname": database}

    def query(self, database: str, statement: str) -> list[list[str]]:
        """Run one fixed SQL statement and return its rows as text (for set-up; values are never put into it)."""
        done = run(
            self.bin_dir / "psql",
            "-XAtq",
            "-F",
            "\t",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            database,
            "-f",
            "-",
            input=statement,
            env=os.environ | self.environ(),
            what=f"The query on database {database}",
        )
        return [line.split("\t") for line in done.stdout.splitlines()]

    def databases(self) -> list[str]:
        """The names of the databases that can be connected to."""
        return [row[0] for row in self.query("postgres", "SELECT datname FROM pg_database WHERE datallowconn")]

    def create_database(self, name: str, template: str | None = None) -> None:
        """Create a database, empty or as a copy of ``template``, on which no session may be open."""
        source = ["-T", template, *self.copy_options()] if template else ["-T", "template0", "-E", "UTF8"]
        run(
            self.bin_dir / "createdb",
            *source,
            name,
            env=os.environ | self.environ(),
            what=f"Creating the database {name}",
        )

    def copy_options(self) -> list[str]:
        """The options of createdb where it copies a database."""
        return []

    def rename_database(self, name: str, new_name: str) -> None:
        """Rename a database, on which no session may be open; both names are our own plain words."""
        self.query("postgres", f"ALTER DATABASE {name} RENAME TO {new_name}")

    def drop_database(self, name: str) -> None:
        """Drop the database if it is there, ending the sessions on it.

        :raises StackError: where it cannot be dropped
        """
        command = [self.bin_dir / "dropdb", "--if-exists", "--force", name]
        environ = os.environ | self.environ()
        # The server's own autovacuum may be at work in it, which this user may not end; it is done within seconds.
        for _attempt in range(20):
            if subprocess.run(command, env=environ, check=False, capture_output=True).returncode == 0:
                return
            time.sleep(0.5)
        run(*command, env=environ, what=f"Dropping the database {name}")

    def description(self) -> str:
        """What runs, for the user."""
        version = run(self.bin_dir / "postgres", "--version", what="Asking PostgreSQL for its version").stdout.strip()
        return f"{version} with TimescaleDB, {self.host}:{self.port}, programs in {self.bin_dir}"

    def ready(self) -> bool:
        """Whether the server takes connections now."""
        done = subprocess.run([self.bin_dir / "pg_isready", "-q", "-h", self.host, "-p", str(self.port)], check=False)
        return done.returncode == 0

    # A server that others run is neither started nor stopped by us.
    def start(self) -> "Postgres":
        if not self.ready():
            raise StackError(f"No PostgreSQL answers at {self.host}:{self.port} (PGHOST, PGPORT).")
        return self

    def stop(self) -> None:
        pass


class PostgresCluster(Service, Postgres):
    """A cluster of our own under ``directory``, made on the first start.

    ``durable=False`` leaves out fsync: for tests. A killed server loses nothing by that, only a power cut would.
    ``timescaledb=False`` is a server without it, as far as a database can tell. Either may change from start to start.
    """

    name = "postgres"
    stop_signal = signal.SIGINT  # "fast": ends the sessions

    def __init__(self, directory: Path, bin_dir: Path, port: int, durable: bool = True, timescaledb: bool = True):
        Service.__init__(self, directory)
        self.data = self.directory / "data"
        self.durable = durable
        self.timescaledb = timescaledb
        secret_file = self.directory / "credentials.json"
        if not secret_file.exists():
            write_private(secret_file, json.dumps({"superuser": new_secret(), OWNER: new_secret()}))
        self._secrets = json.loads(secret_file.read_text())
        Postgres.__init__(self, bin_dir, "127.0.0.1", port, OWNER, self._secrets[OWNER])

    def start(self) -> "PostgresCluster":
        """Start the server, unless it runs, and wait until it takes connections."""
        if self.running():
            return self
        if port_taken(self.port):
            raise StackError(
                f"Port {self.port}, meant for PostgreSQL, is taken. Choose another: SMART_DAIRY_PG_PORT=NNNN"
            )
        fresh = not (self.data / "PG_VERSION").exists()
        if fresh:
            self._init()
        self._write_settings()
        give_to_account(self.data)
        (self.data / "postmaster.pid").unlink(missing_ok=True)  # left by a crash; that it does not run was just checked
        self.spawn(unprivileged([str(self.bin_dir / "postgres"), "-D", str(self.data)]))
        try:
            wait_until(self.ready, "PostgreSQL", 60, self.running)
        except StackError as error:
            self.stop()
            raise self.failure(error) from None
        if fresh:
            self._create_owner()
        return self

    def superuser(self) -> Postgres:
        """The same server as its superuser: for what needs one, such as restoring a backup."""
        return Postgres(self.bin_dir, self.host, self.port, "postgres", self._secrets["superuser"])

    def copy_options(self) -> list[str]:
        # Since 15 PostgreSQL copies by way of its log, with sequences that are logged for some numbers to come already.
        # Killed before the next checkpoint, the copy's would begin again with numbers that are taken.
        return ["--strategy=file_copy"] if self._major() >= 15 else []

    def _major(self) -> int:
        version = run(self.bin_dir / "postgres", "--version", what="Asking PostgreSQL for its version").stdout
        return int(re.search(r"\d+", version).group())

    def _init(self) -> None:
        shutil.rmtree(self.data, ignore_errors=True)
        password_file = self.directory / "initdb.password"
        write_private(password_file, self._secrets["superuser"])
        try:
            run(
                *unprivileged(
                    [
                        str(self.bin_dir / "initdb"),
                        "-D",
                        str(self.data),
                        "-U",
                        "postgres",
                        "-E",
                        "UTF8",
                        "--locale=C.UTF-8",
                        "--auth=scram-sha-256",
                        f"--pwfile={password_file}",
                        "--no-sync",
                    ]
                ),
                what="Making the PostgreSQL cluster",
            )
        finally:
            password_file.unlink()

    def _write_settings(self) -> None:
        settings = {
            "listen_addresses": "'127.0.0.1'",
            "port": self.port,
            "unix_socket_directories": "''",
            "jit": "off",
            "shared_buffers": "256MB",
            "max_connections": 200,
            "max_locks_per_transaction": 256,  # each chunk of a hypertable that a statement touches takes one
            "log_timezone": "'UTC'",
            "timezone": "'UTC'",
            "fsync": "on" if self.durable else "off",
            "full_page_writes": "on" if self.durable else "off",
        }
        if self.timescaledb:
            settings |= {
                "shared_preload_libraries": "'timescaledb'",
                "timescaledb.telemetry_level": "off",
                # The Apache edition's only job fails there anyway, and a worker in a database blocks its being copied.
                "timescaledb.max_background_workers": 0,
            }
        text = "".join(f"{name} = {value}\n" for name, value in settings.items())
        (self.data / "postgresql.auto.conf").write_text(text)

    def _create_owner(self) -> None:
        password = self._secrets[OWNER]  # our own token of [A-Za-z0-9_-]: nothing in it to quote
        self.superuser().query("postgres", f"CREATE ROLE {OWNER} LOGIN CREATEDB PASSWORD '{password}'")


def find_binaries(environment: Environment) -> Path:
    """The folder of PostgreSQL's programs: the machine's own where it has TimescaleDB, else the private prefix'."""
    for pg_config in sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_config"), reverse=True):
        share = run(pg_config, "--sharedir", what="Asking PostgreSQL for its folders").stdout.strip()
        if Path(share, "extension", "timescaledb.control").exists() and (pg_config.parent / "postgres").exists():
            return pg_config.parent
    return next(iter(ensure_prefix(environment).glob("usr/lib/postgresql/*/bin")))


def open_postgres(
    directory: Path, environment: Environment, port: int, durable: bool = True, timescaledb: bool = True
) -> Postgres:
    """The server to use: PGHOST's where it is set, else a cluster of our own under ``directory``. Not started yet."""
    bin_dir = find_binaries(environment)
    if os.environ.get("PGHOST"):
        env = os.environ
        return Postgres(
            bin_dir, env["PGHOST"], int(env.get("PGPORT", 5432)), env.get("PGUSER", OWNER), env.get("PGPASSWORD", "")
        )
    return PostgresCluster(directory, bin_dir, port, durable, timescaledb)
