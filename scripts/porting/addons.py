"""Finds the addons, sends each of their files to its kind, writes the result."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from porting import known
from porting.data_files import check_csv, port_xml
from porting.findings import Finding, SourceFile
from porting.groups import Categories, categories_of
from porting.javascript import port_javascript, registered_services
from porting.manifest import port_manifest
from porting.python import port_python

SKIPPED = shutil.ignore_patterns("__pycache__", "*.pyc")
PORTED_SUFFIXES = {".csv", ".js", ".py", ".xml"}


class PortError(Exception):
    """The port cannot be made at all: the reason, in a sentence."""


@dataclass
class Port:
    """The addons of one source tree for 19.0: each file's text by its path below the root, and what is against it."""

    root: Path
    addons: list[str]
    texts: dict[Path, str]
    changed: int
    findings: list[Finding]


def port_tree(root: Path) -> Port:
    """Port every addon below `root`, in memory."""
    addons = sorted(path.parent.name for path in root.glob(f"{known.OWN_PREFIX}*/__manifest__.py"))
    if not addons:
        raise PortError(f"there is no {known.OWN_PREFIX}*/__manifest__.py in {root}.")
    sources = {path: _read(root, path) for addon in addons for path in _ported_files(root, addon)}
    categories = categories_of([source for path, source in sources.items() if path.suffix == ".xml"])
    services = set().union(*(registered_services(s.text) for p, s in sources.items() if p.suffix == ".js"))
    texts = {path: _port_file(source, categories, services) for path, source in sources.items()}
    return Port(
        root=root,
        addons=addons,
        texts=texts,
        changed=sum(texts[path] != source.text for path, source in sources.items()),
        findings=sorted(finding for source in sources.values() for finding in source.findings),
    )


def write_port(port: Port, target: Path) -> None:
    """Make `target` hold the ported addons and nothing else."""
    clear_target(port.root, target)
    for addon in port.addons:
        shutil.copytree(port.root / addon, target / addon, ignore=SKIPPED)
    for path, text in port.texts.items():
        (target / path).write_bytes(text.encode())


def clear_target(root: Path, target: Path) -> None:
    """Remove an earlier port. Anything that does not look like one is left, with a PortError."""
    source, target = root.resolve(), target.resolve()
    if target == source or target in source.parents:
        raise PortError(f"{target} holds the sources.")
    if target.exists():
        foreign = [path.name for path in target.iterdir() if not path.name.startswith(known.OWN_PREFIX)]
        if foreign:
            raise PortError(f"{target} holds {foreign[0]!r}, which is no addon of ours: it is not wiped.")
        shutil.rmtree(target)


def _ported_files(root: Path, addon: str) -> Iterator[Path]:
    """Paths below the root of the files that may differ; libraries of others are copied as they are."""
    for path in sorted((root / addon).rglob("*")):
        relative = path.relative_to(root)
        if path.suffix in PORTED_SUFFIXES and path.is_file() and "static/lib" not in relative.as_posix():
            yield relative


def _read(root: Path, path: Path) -> SourceFile:
    return SourceFile(path=path, addon=path.parts[0], text=(root / path).read_bytes().decode())


def _port_file(source: SourceFile, categories: Categories, services: set[str]) -> str:
    if source.path.name == "__manifest__.py":
        return port_manifest(source)
    if source.path.suffix == ".py":
        return port_python(source)
    if source.path.suffix == ".xml":
        return port_xml(source, categories)
    if source.path.suffix == ".js":
        return port_javascript(source, services)
    return check_csv(source)
