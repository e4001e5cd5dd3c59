"""The few things that must come from the system's own packages."""

import os
import shutil

from .shell import StackError, run, say

# program that shows the package is there -> Debian package
PROGRAMS = {"openssl": "openssl", "chromium": "chromium", "wkhtmltopdf": "wkhtmltopdf", "socat": "socat"}


def ensure_programs(names: list[str]) -> None:
    """See that the programs are there: install their packages when root, otherwise name the one line to type."""
    missing = [PROGRAMS[name] for name in names if shutil.which(name) is None]
    if missing:
        install_packages(missing)


def install_packages(packages: list[str]) -> None:
    """Install Debian packages without upgrading any, when root; otherwise raise with the line to type."""
    line = f"apt-get install -y --no-install-recommends --no-upgrade {' '.join(packages)}"
    if os.geteuid():
        raise StackError(f"These system packages are missing. Type this, then start again:\n    sudo {line}")
    if shutil.which("apt-get") is None:
        raise StackError(
            f"These programs are missing, and this system has no apt to install them: {' '.join(packages)}"
        )
    say(f"installing system packages: {' '.join(packages)}")
    environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        run(*line.split(), env=environ, what="apt-get install")
    except StackError:  # on a fresh machine the lists are missing or stale
        run("apt-get", "-qq", "update", env=environ, what="apt-get update")
        run(*line.split(), env=environ, what="apt-get install")
