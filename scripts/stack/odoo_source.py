"""Finding Odoo, the series asked for first: a source tree or package of 17.0, else 19.0 from Debian."""

import os
import re
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from .debian import PrivateApt, unpack
from .paths import cache_dir
from .shell import StackError, built_in_place, locked, make_once, say

OFFICIAL_ARCHIVE = "https://nightly.odoo.com/17.0/nightly/src/odoo_17.0.latest.tar.gz"
USUAL_PLACE = Path("/opt/odoo/17.0")
PACKAGED = Path("/usr/lib/python3/dist-packages")
RETRY_AFTER = 24 * 3600  # seconds before an archive that could not be reached is asked for again

DEBIAN_SUITE = "sid"
DEBIAN_ODOO = "odoo-19=19.0.0+dfsg-1"
# What Debian's package links to instead of shipping it, where it still has the paths that the links name.
DEBIAN_COMPANIONS = {
    "sid": ["fonts-montserrat"],
    "trixie": [
        "fonts-font-awesome",
        "fonts-inconsolata",
        "fonts-roboto-unhinted",
        "libjs-jquery",
        "libjs-jquery-form",
        "libjs-underscore",
    ],
}
DIST_PACKAGES = "usr/lib/python3/dist-packages"
DEBIAN_EXCLUDED = [
    "*/l10n_*",
    "*.po",
    "./usr/share/doc",
    f"./{DIST_PACKAGES}/addons",
    f"./{DIST_PACKAGES}/doc",
    f"./{DIST_PACKAGES}/setup",
]
# Debian ships the page that loads this file, but not the file; without it every page logs an error.
STRIPPED_SCRIPT = "odoo/addons/mail/static/lib/selfie_segmentation/selfie_segmentation.js"


@dataclass(frozen=True)
class Odoo:
    """One Odoo that can be run."""

    series: str  # "17.0" or "19.0"
    origin: str  # where it was found, for the user
    launcher: Path  # the program to start: odoo-bin, or a package's odoo
    python_path: Path  # the folder in which the package `odoo` lies
    addons_path: tuple[Path, ...]

    @property
    def server_wide_modules(self) -> str:
        """What --load names by default, to which the module that starts the bridge is added."""
        return {"17.0": "base,web", "19.0": "base,rpc,web"}[self.series]

    @property
    def ported(self) -> bool:
        """Whether the addons run as the mechanical port's copy."""
        return self.series != "17.0"


def find_odoo(environ: dict[str, str] | None = None) -> Odoo:
    """The Odoo to run: 17.0 wherever it can be had, else 19.0."""
    return find_17(environ) or fetch_19()


def find_series(wanted: list[str] | None = None) -> dict[str, Odoo | str]:
    """Each series with the Odoo found for it, or the reason why there is none."""
    found = {}
    for series in wanted or ["17.0", "19.0"]:
        try:
            found[series] = (
                (find_17() or "no Odoo 17.0 was found or could be downloaded") if series == "17.0" else fetch_19()
            )
        except StackError as error:
            found[series] = str(error)
    return found


def find_17(
    environ: dict[str, str] | None = None, usual_place: Path = USUAL_PLACE, packaged: Path = PACKAGED
) -> Odoo | None:
    """Odoo 17.0: ODOO_HOME, the usual place, an installed package, the official archive; None when there is none."""
    home = (os.environ if environ is None else environ).get("ODOO_HOME")
    if home:
        odoo = source_tree(Path(home).expanduser(), "ODOO_HOME")
        if odoo is None or odoo.series != "17.0":
            raise StackError(
                f"ODOO_HOME={home} is no Odoo 17.0 source tree" + (f" but {odoo.series}." if odoo else ".")
            )
        return odoo
    places = (lambda: source_tree(usual_place, str(usual_place)), lambda: installed_package(packaged), official_archive)
    found = (place() for place in places)  # one after the other: the last one downloads
    return next((odoo for odoo in found if odoo and odoo.series == "17.0"), None)


def source_tree(home: Path, origin: str) -> Odoo | None:
    """The source tree at ``home``, laid out as in git (with addons/) or as in the archive; None when there is none."""
    series = _series(home)
    launcher = next((path for path in (home / "odoo-bin", home / "setup" / "odoo") if path.is_file()), None)
    if series is None or launcher is None:
        return None
    addons = [path for path in (home / "odoo" / "addons", home / "addons") if (path).is_dir()]
    return Odoo(series, f"{origin} ({home})", launcher, home, tuple(addons))


def installed_package(packaged: Path, program: Path = Path("/usr/bin/odoo")) -> Odoo | None:
    """An Odoo that the system's package manager installed."""
    series = _series(packaged)
    if series is None or not program.is_file():
        return None
    # Its folder holds every other system package too: show Python the package `odoo` alone.
    view = cache_dir() / f"installed-odoo-{series}"
    view.mkdir(parents=True, exist_ok=True)
    link = view / "odoo"
    if not link.exists():
        link.unlink(missing_ok=True)
        link.symlink_to(packaged / "odoo")
    return Odoo(series, f"installed package ({packaged})", program, view, (packaged / "odoo" / "addons",))


def official_archive() -> Odoo | None:
    """The official source archive, from the cache or the network; None when it cannot be reached."""
    home = cache_dir() / "odoo-17.0"
    unreachable = cache_dir() / "odoo-17.0.unreachable"
    with locked(cache_dir() / "odoo-17.0.lock", "downloading Odoo 17.0"):
        if not home.exists():
            if unreachable.exists() and time.time() - unreachable.stat().st_mtime < RETRY_AFTER:
                return None
            say(f"no Odoo 17.0 on this machine; trying the official archive {OFFICIAL_ARCHIVE}")
            try:
                _download_archive(home)
            except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
                say(f"it cannot be reached ({getattr(error, 'reason', error)}); it is tried again in a day")
                unreachable.touch()
                return None
    return source_tree(home, "the official archive")


def _download_archive(home: Path) -> None:
    with built_in_place(home) as temporary:
        archive = temporary / "odoo.tar.gz"
        with urllib.request.urlopen(OFFICIAL_ARCHIVE, timeout=15) as response, archive.open("wb") as file:
            while block := response.read(1 << 20):
                file.write(block)
        with tarfile.open(archive) as tar:
            for member in tar:
                member.name = member.name.partition("/")[2]  # all lies in one folder named after the day
                if member.name and ".." not in Path(member.name).parts:
                    tar.extract(member, temporary)
        archive.unlink()


def fetch_19() -> Odoo:
    """Debian's Odoo 19.0, fetched into the cache on the first call (some 125 MB)."""
    home = cache_dir() / f"{re.sub('[^a-z0-9.+-]', '-', DEBIAN_ODOO)}"
    make_once(
        home,
        cache_dir() / "odoo-19.0.lock",
        "fetching Odoo 19.0",
        f"fetching Odoo 19.0 (Debian {DEBIAN_SUITE}, {DEBIAN_ODOO}) into {home}",
        _fetch_debian_odoo,
    )
    python_path = home / DIST_PACKAGES
    origin = f"Debian's {DEBIAN_ODOO}"
    return Odoo("19.0", origin, home / "usr/bin/odoo", python_path, (python_path / "odoo" / "addons",))


def _fetch_debian_odoo(destination: Path) -> None:
    try:
        _unpack_packages(DEBIAN_SUITE, [DEBIAN_ODOO], destination)
    except StackError as error:
        raise StackError(
            f"{error}\nDebian {DEBIAN_SUITE} may have moved on from {DEBIAN_ODOO}. Set ODOO_HOME to an Odoo 17.0 tree, "
            "or put the version that is there into DEBIAN_ODOO in scripts/stack/odoo_source.py and run make test."
        ) from None
    for suite, packages in DEBIAN_COMPANIONS.items():
        _unpack_packages(suite, packages, destination)
    script = destination / DIST_PACKAGES / STRIPPED_SCRIPT
    if not script.exists():
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text("// Left out by Debian; needed for blurred backgrounds in video calls only.\n")


def _unpack_packages(suite: str, packages: list[str], destination: Path) -> None:
    with tempfile.TemporaryDirectory() as directory:
        for archive in PrivateApt(suite, Path(directory)).download(packages):
            unpack(archive, destination, DEBIAN_EXCLUDED)


def _series(home: Path) -> str | None:
    """The series of the `odoo` package in ``home``, read from its release.py without running it."""
    try:
        text = (home / "odoo" / "release.py").read_text()
    except (FileNotFoundError, NotADirectoryError):
        return None
    match = re.search(r"^version_info = \((\d+), (\d+)", text, re.MULTILINE)
    return f"{match[1]}.{match[2]}" if match else None
