"""Debian packages of another suite, unpacked into a private folder: no root, no change to the system.

The mirror is the one that the machine's own apt uses, and apt checks the signatures.
"""

import fnmatch
import re
import subprocess
from pathlib import Path

from .shell import StackError, run

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class PrivateApt:
    """An apt of our own for one suite, whose lists and downloads stay under ``directory``."""

    def __init__(self, suite: str, directory: Path):
        self.suite = suite
        self.directory = directory
        (directory / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        (directory / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
        (directory / "status").touch()  # nothing is installed: all that a package needs is part of its closure
        source = f"deb [signed-by={KEYRING}] {machine_mirror()} {suite} main\n"
        (directory / "sources.list").write_text(source)
        self.options = [
            f"-oDir::Etc::sourcelist={directory}/sources.list",
            "-oDir::Etc::sourceparts=/nonexistent",
            "-oDir::Etc::preferencesparts=/nonexistent",
            f"-oDir::State={directory}",
            f"-oDir::State::Lists={directory}/lists",
            f"-oDir::State::status={directory}/status",
            f"-oDir::Cache={directory}/cache",
            "-oAPT::Sandbox::User=",
            "-oAPT::Install-Recommends=false",
            "-oDebug::NoLocking=true",
            "-oAcquire::Languages=none",
            "-oAcquire::Retries=3",
        ]
        run("apt-get", *self.options, "-qq", "update", what=f"Reading the package lists of Debian {suite}")

    def closure(self, packages: list[str]) -> list[str]:
        """The packages and all that they depend on."""
        done = run(
            "apt-get",
            *self.options,
            "-s",
            "install",
            *packages,
            what=f"Looking up {' '.join(packages)} in Debian {self.suite}",
        )
        return sorted(re.findall(r"^Inst (\S+)", done.stdout, re.MULTILINE))

    def download(self, packages: list[str]) -> list[Path]:
        """Fetch the packages (each a name, or name=version) and return the files."""
        archives = self.directory / "cache" / "archives"
        run(
            "apt-get",
            *self.options,
            "-qq",
            "download",
            *packages,
            cwd=archives,
            what=f"Downloading {len(packages)} packages of Debian {self.suite}",
        )
        return sorted(archives.glob("*.deb"))


def machine_mirror() -> str:
    """The address of the Debian mirror that this machine's apt uses for its own release."""
    codename = _os_release().get("VERSION_CODENAME", "")
    done = run(
        "apt-get",
        "indextargets",
        "--format",
        "$(SITE) $(RELEASE) $(COMPONENT)",
        "Created-By: Packages",
        what="Reading apt's configuration",
        stderr=subprocess.DEVNULL,
    )
    rows = [line.split() for line in done.stdout.splitlines()]
    for row in rows:
        if len(row) == 3 and row[1] in (codename, "stable") and row[2] == "main" and "security" not in row[0]:
            return row[0]
    raise StackError(f"apt has no source for Debian {codename}: packages cannot be fetched on this machine.")


def unpack(archive: Path, destination: Path, exclude: list[str]) -> None:
    """Unpack one package, leaving out the paths that match ``exclude`` (tar's patterns)."""
    package = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=subprocess.PIPE)
    run(
        "tar",
        "-x",
        "-C",
        destination,
        "--no-same-owner",
        *(f"--exclude={pattern}" for pattern in exclude),
        stdin=package.stdout,
        what=f"Unpacking {archive.name}",
    )
    if package.wait():
        raise StackError(f"Unpacking {archive.name} failed: the archive is damaged.")


def without(names: list[str], patterns: list[str]) -> list[str]:
    """``names`` less those that match one of the shell ``patterns``."""
    return [name for name in names if not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]


def _os_release() -> dict[str, str]:
    lines = Path("/etc/os-release").read_text().splitlines()
    return {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}
