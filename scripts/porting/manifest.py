"""The manifest: its version names the series, its bundles are the web client's."""

from __future__ import annotations

import ast
import re

from porting import known_web
from porting.findings import SourceFile, apply_edits
from porting.text import byte_span

VERSION = re.compile(r"17\.0\.\d+\.\d+\.\d+")


def port_manifest(source: SourceFile) -> str:
    """The manifest for 19.0. A version left at 17.0 would make 19.0 skip the addon without an error."""
    entries = _entries(source)
    if entries is None:
        return source.text
    edits = []
    version = entries.get("version")
    if isinstance(version, ast.Constant) and VERSION.fullmatch(str(version.value)):
        start, _end = byte_span(source.text, version)
        position = source.text.encode().index(b"17.0.", start)
        edits.append((position, position + len(b"17.0."), b"19.0."))
    else:
        source.refuse(version.lineno if version else 1, "the version must be a literal of the form 17.0.x.y.z.")
    _check_bundles(source, entries.get("assets"))
    return apply_edits(source.text.encode(), edits).decode()


def _entries(source: SourceFile) -> dict[str, ast.expr] | None:
    body = ast.parse(source.text).body
    if len(body) == 1 and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Dict):
        manifest = body[0].value
        if all(isinstance(key, ast.Constant) for key in manifest.keys):
            return {key.value: value for key, value in zip(manifest.keys, manifest.values, strict=True)}
    source.refuse(1, "the manifest must be one literal dictionary with literal keys.")
    return None


def _check_bundles(source: SourceFile, assets: ast.expr | None) -> None:
    if assets is None:
        return
    if not isinstance(assets, ast.Dict):
        source.refuse(assets.lineno, "'assets' must be a literal dictionary.")
        return
    for key in assets.keys:
        name = getattr(key, "value", None)
        own = isinstance(name, str) and name.startswith("smart_dairy_")
        if name not in known_web.BUNDLES and not own:
            line = getattr(key, "lineno", assets.lineno)
            source.refuse(line, f"the bundle {name!r} is not known to exist in both series.")
