"""One Odoo on one database: its configuration, running it to an end (install, upgrade) and running it as a server."""

import configparser
import io
import os
import re
import urllib.error
import urllib.request
from pathlib import Path

from .environment import Environment
from .odoo_source import Odoo
from .paths import PROGRAMS
from .postgres import Postgres
from .service import Service
from .shell import StackError, new_secret, port_taken, run, wait_until, write_private

LOG_LINE = re.compile(
    r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ \d+ (?P<level>[A-Z]+) (?P<database>\S+) (?P<logger>[\w.]+): "
)


class OdooInstance(Service):
    """An Odoo of some series on ``database``, with its files under ``directory``.

    ``data_dir`` holds the filestore, one folder per database, and may be shared by instances.
    ``section`` is what the configuration's section [smart_dairy_iot] says.
    ``bridge=False`` leaves out the module that starts the bridge with the server, for databases without the IoT addon.
    ``workers=0`` is a threaded server; more are a prefork server, whose bus is on ``gevent_port``.
    """

    name = "odoo"
    stop_seconds = 60

    def __init__(
        self,
        odoo: Odoo,
        environment: Environment,
        postgres: Postgres,
        *,
        directory: Path,
        data_dir: Path,
        database: str,
        addons_root: Path,
        http_port: int,
        gevent_port: int,
        section: dict[str, str],
        workers: int = 0,
        bridge: bool = True,
    ):
        super().__init__(directory)
        self.odoo = odoo
        self.environment = environment
        self.postgres = postgres
        self.data_dir = data_dir
        self.database = database
        self.addons_root = addons_root
        self.http_port = http_port
        self.gevent_port = gevent_port
        self.section = section
        self.workers = workers
        self.bridge = bridge
        self.port_setting = "SMART_DAIRY_HTTP_PORT"

    @property
    def conf(self) -> Path:
        return self.directory / "odoo.conf"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def filestore(self) -> Path:
        return self.data_dir / "filestore" / self.database

    def write_conf(self) -> Path:
        """Write Odoo's configuration file, which holds passwords, for its owner alone."""
        paths = [*self.odoo.addons_path, *([self.addons_root] if self.addons_root.exists() else [])]
        modules = self.odoo.server_wide_modules
        parser = configparser.RawConfigParser()
        parser["options"] = {
            "addons_path": ",".join(map(str, paths)),
            "admin_passwd": new_secret(),
            "data_dir": str(self.data_dir),
            "db_host": self.postgres.host,
            "db_port": str(self.postgres.port),
            "db_user": self.postgres.user,
            "db_password": self.postgres.password,
            "db_name": self.database,
            "dbfilter": f"^{re.escape(self.database)}$",
            "gevent_port": str(self.gevent_port),
            "http_interface": "127.0.0.1",
            "http_port": str(self.http_port),
            "limit_time_real": "600",
            "list_db": "False",
            "max_cron_threads": "1",
            "pg_path": str(self.postgres.bin_dir),
            "server_wide_modules": f"{modules},smart_dairy_iot" if self.bridge else modules,
            "workers": str(self.workers),
            **({"with_demo": "True"} if self.odoo.series == "19.0" else {}),
        }
        parser["smart_dairy_iot"] = self.section
        text = io.StringIO()
        parser.write(text)
        write_private(self.conf, text.getvalue())
        return self.conf

    def environ(self) -> dict[str, str]:
        """The environment of every program that runs this Odoo."""
        # The environment's bin first but for ours: on SIGHUP Odoo starts "python" again by that name.
        path = [PROGRAMS, self.environment.bin, self.postgres.bin_dir, os.environ["PATH"]]
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("PG", "SMART_DAIRY_", "ODOO_"))
        }
        return inherited | {
            "PATH": os.pathsep.join(map(str, path)),
            "PYTHONPATH": str(self.odoo.python_path),
            "ODOO_RC": str(self.conf),
        }

    def command(self, *arguments: str) -> list[str | Path]:
        """The command line that runs this Odoo with ``arguments``."""
        return [self.environment.python, self.odoo.launcher, *arguments]

    def run_to_end(self, *arguments: str, what: str, timeout: float = 900) -> str:
        """Run Odoo with ``arguments`` (say -i and --stop-after-init) and return the log it wrote."""
        self.write_conf()
        return run(*self.command(*arguments), what=what, timeout=timeout, env=self.environ(), cwd=self.directory).stdout

    def install(self, *modules: str) -> str:
        """Install the modules and return the log; raises when one of them is not installed afterwards."""
        names = ",".join(modules)
        log = self.run_to_end(
            "-i", names, "--stop-after-init", "--no-http", what=f"Installing {names} on Odoo {self.odoo.series}"
        )
        missing = sorted(set(modules) - self.installed())
        if missing:
            raise StackError(
                f"Odoo {self.odoo.series} did not install {', '.join(missing)}:\n" + "\n".join(log.splitlines()[-30:])
            )
        return log

    def upgrade(self, *modules: str) -> str:
        """Upgrade installed modules (never together with -i, which would load even their noupdate data again)."""
        names = ",".join(modules)
        what = f"Upgrading {names} on Odoo {self.odoo.series}"
        return self.run_to_end("-u", names, "--stop-after-init", "--no-http", what=what)

    def installed(self) -> set[str]:
        """The modules installed in the database."""
        return {
            row[0]
            for row in self.postgres.query(self.database, "SELECT name FROM ir_module_module WHERE state = 'installed'")
        }

    def start(self) -> "OdooInstance":
        """Start the server, unless it runs, and wait until it answers."""
        if self.running():
            return self
        if port_taken(self.http_port):
            raise StackError(
                f"Port {self.http_port}, meant for Odoo, is taken. Choose another: {self.port_setting}=NNNN"
            )
        self.write_conf()
        self.spawn(self.command(), env=self.environ(), cwd=self.directory)
        try:
            wait_until(self.ready, "Odoo", 180, self.running)
        except StackError as error:
            self.stop()
            raise self.failure(error) from None
        return self

    def ready(self) -> bool:
        """Whether the server answers, with the database loaded."""
        try:
            with urllib.request.urlopen(f"{self.url}/web/login", timeout=30) as response:
                return response.status == 200
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            return False


def complaints(log: str) -> list[str]:
    """The lines of an Odoo log that report something wrong: warnings and worse, whoever made them.

    Meant for logs of installing or upgrading the addons on a database that has everything else already, where whatever
    is wrong is the addons' doing.
    """
    found = []
    for line in log.splitlines():
        match = LOG_LINE.match(line)
        if match and match["level"] in ("WARNING", "ERROR", "CRITICAL"):
            found.append(line)
    return found
