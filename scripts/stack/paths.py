"""Where things lie: the checkout, what a run leaves in it, and the cache that outlives it."""

import ast
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCAL = ROOT / ".local"
BUILD = ROOT / "build"
PROGRAMS = ROOT / "scripts" / "bin"


def cache_dir() -> Path:
    """The folder outside the checkout that keeps what was downloaded, shared by all checkouts of one user."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "smart-dairy-iot"


def addon_dirs(root: Path = ROOT) -> list[Path]:
    """The addons in ``root``, in alphabetical order."""
    return sorted(manifest.parent for manifest in root.glob("smart_dairy_*/__manifest__.py"))


def with_dependencies(names: list[str], root: Path = ROOT) -> set[str]:
    """The addons ``names`` and all of ours that they depend on."""
    found: set[str] = set()
    while names:
        *names, name = names
        manifest = root / name / "__manifest__.py"
        if name not in found and manifest.exists():
            found.add(name)
            names = names + ast.literal_eval(manifest.read_text()).get("depends", [])
    return found
