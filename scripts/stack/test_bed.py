"""What a run of tests stands on: a PostgreSQL server of its own and a database with Odoo's own modules installed.

Preparing those takes half a minute per series, so they are prepared once per checkout and copied for every run. A run
has its own server, broker, ports and folders: any number can go on side by side, beside a running demo.
"""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from .environment import Environment, ensure_environment
from .mosquitto import CertificateListener, Mosquitto
from .odoo_instance import OdooInstance
from .odoo_source import Odoo, fetch_19, find_17
from .paths import LOCAL, ROOT, with_dependencies
from .postgres import Postgres, PostgresCluster, open_postgres
from .prefix import ensure_prefix
from .shell import StackError, free_port, free_ports, make_once, run

STANDARD_MODULES = ["base", "bus", "mail", "web"]  # what the addons stand on
STANDARD_DATABASE = "standard"
RECIPE = 1  # raise when what is prepared changes


class TestBed:
    """The server and folders of one run for one series, under ``directory``.

    ``bridge`` says whether the addon that brings the bridge is among those under test.
    """

    __test__ = False  # for pytest, which would take it for a class of tests

    def __init__(
        self,
        odoo: Odoo,
        environment: Environment,
        directory: Path,
        postgres: Postgres,
        addons_root: Path,
        bridge: bool,
    ):
        self.odoo = odoo
        self.environment = environment
        self.directory = directory
        self.postgres = postgres
        self.addons_root = addons_root
        self.bridge = bridge
        self.prefix = ensure_prefix(environment)
        self.data_dir = directory / "data"

    def instance(
        self, database: str, broker: Mosquitto | None = None, workers: int = 0, **section: str
    ) -> OdooInstance:
        """An Odoo on ``database`` (which need not be there yet) with free ports.

        Without a broker the bridge is off; ``section`` adds to the configuration's section [smart_dairy_iot].
        """
        settings = broker.settings() if broker else {"bridge_enabled": "false"}
        return OdooInstance(
            self.odoo,
            self.environment,
            self.postgres,
            directory=self.directory / database,
            data_dir=self.data_dir,
            database=database,
            addons_root=self.addons_root,
            http_port=free_port(),
            gevent_port=free_port(),
            section=settings | section,
            workers=workers,
            bridge=self.bridge,
        )

    def broker(
        self,
        name: str = "mosquitto",
        device_ca: tuple[Path, Path] | None = None,
    ) -> Mosquitto:
        """A broker of its own, not started; with (CA file, CRL file) it also has a listener for certificates."""
        port, websocket_port, certificate_port = free_ports(3)
        certificates = CertificateListener(certificate_port, *device_ca) if device_ca else None
        return Mosquitto(self.directory / name, self.prefix, port, certificates, websocket_port)

    def copy_database(self, source: str, target: str) -> None:
        """Copy a database with its filestore; no session may be open on ``source``."""
        self.postgres.create_database(target, template=source)
        files = self.data_dir / "filestore"
        if (files / source).exists():
            # Odoo never changes a file of the filestore, it writes new ones: hard links are as good as copies.
            shutil.copytree(files / source, files / target, copy_function=os.link)

    def drop_database(self, name: str) -> None:
        """Drop a database with its filestore."""
        self.postgres.drop_database(name)
        shutil.rmtree(self.data_dir / "filestore" / name, ignore_errors=True)

    def describe(self, template: str) -> Path:
        """Write down where everything is, for the tests that another process runs; ``template`` has the addons."""
        path = self.directory / "test-bed.json"
        path.write_text(
            json.dumps(
                {
                    "series": self.odoo.series,
                    "addons_root": str(self.addons_root),
                    "pg_port": self.postgres.port,
                    "template": template,
                    "bridge": self.bridge,
                }
            )
        )
        return path

    @classmethod
    def described(cls, path: Path) -> tuple["TestBed", str]:
        """The running test bed that ``describe`` wrote down, and the name of its template database."""
        facts = json.loads(path.read_text())
        environment = ensure_environment()
        odoo = find_17() if facts["series"] == "17.0" else fetch_19()
        postgres = open_postgres(path.parent / "postgres", environment, facts["pg_port"], durable=False)
        addons_root = Path(facts["addons_root"])
        return cls(odoo, environment, path.parent, postgres, addons_root, facts["bridge"]), facts["template"]


@contextlib.contextmanager
def open_test_bed(
    odoo: Odoo, environment: Environment, addons: list[str], port_to: Path | None = None, timescaledb: bool = True
) -> Iterator[TestBed]:
    """A test bed for ``addons`` whose server runs and has the database ``standard``; all of it is gone afterwards.

    ``port_to`` is where the port to 19.0 is written, by default a folder of the run's own. ``timescaledb=False`` is a
    server without it.
    """
    directory = LOCAL / "test" / f"{odoo.series}-{os.getpid()}"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    try:
        addons_root = addons_for(odoo, environment, port_to or directory / "addons")
        bridge = "smart_dairy_iot" in with_dependencies(addons, addons_root)
        own_server = not os.environ.get("PGHOST")
        if own_server:
            _copy_tree(_prepared(odoo, environment), directory)
        postgres = open_postgres(directory / "postgres", environment, free_port(), False, timescaledb).start()
        bed = TestBed(odoo, environment, directory, postgres, addons_root, bridge)
        already_there = [] if own_server else postgres.databases()
        try:
            if not own_server:
                _install_standard(bed)
            yield bed
        finally:
            if not own_server:
                for name in set(postgres.databases()) - set(already_there):
                    postgres.drop_database(name)
            postgres.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def addons_for(odoo: Odoo, environment: Environment, destination: Path) -> Path:
    """The folder with the addons as ``odoo`` runs them: the checkout, or a fresh port of it at ``destination``."""
    if not odoo.ported:
        return ROOT
    run(
        environment.python,
        ROOT / "scripts" / "port.py",
        ROOT,
        destination,
        what=f"Porting the addons to Odoo {odoo.series}",
    )
    return destination


def _prepared(odoo: Odoo, environment: Environment) -> Path:
    """A stopped cluster with the standard database and its filestore, made on the first call for this Odoo."""
    release = odoo.python_path / "odoo" / "release.py"
    facts = (RECIPE, odoo.origin, release.stat().st_mtime, STANDARD_MODULES, str(environment.directory))
    key = hashlib.sha256(repr(facts).encode()).hexdigest()[:12]
    prepared = LOCAL / "test" / f"prepared-{odoo.series}-{key}"
    return make_once(
        prepared,
        LOCAL / "test" / f"prepared-{odoo.series}.lock",
        f"preparing a database of Odoo {odoo.series}",
        f"preparing a database with Odoo {odoo.series}'s own modules (once per checkout)",
        lambda temporary: _prepare(odoo, environment, temporary),
    )


def _prepare(odoo: Odoo, environment: Environment, directory: Path) -> None:
    cluster = open_postgres(directory / "postgres", environment, free_port(), durable=False)
    assert isinstance(cluster, PostgresCluster)
    with cluster:
        _install_standard(TestBed(odoo, environment, directory, cluster, directory / "no-addons", bridge=False))
    shutil.rmtree(directory / STANDARD_DATABASE)


def _install_standard(bed: TestBed) -> None:
    # What Odoo's own modules log is not ours to judge.
    instance = bed.instance(STANDARD_DATABASE)
    instance.bridge = False
    instance.install(*STANDARD_MODULES)


def _copy_tree(source: Path, destination: Path) -> None:
    """Copy by cp: it shares the blocks where the file system can."""
    done = subprocess.run(
        ["cp", "-a", "--reflink=auto", f"{source}/.", str(destination)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise StackError(f"Copying {source} failed: {done.stderr.strip()}")
