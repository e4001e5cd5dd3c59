"""The web client's JavaScript. Nothing is changed in it: what both series have is kept, the rest is refused."""

from __future__ import annotations

import re

from porting import known, known_web
from porting.findings import SourceFile

IMPORT = re.compile(r"""^import\s+(?P<names>[^;"']*?)\s+from\s+["'](?P<module>[^"']+)["']""", re.M)
BARE_IMPORT = re.compile(r"""^import\s+["'](?P<module>[^"']+)["']|\bimport\(|\brequire\(""", re.M)
SERVICE = re.compile(r"""useService\(\s*["'](?P<hook>[\w.]+)["']\s*\)|\benv\.services\.(?P<env>\w+)""")
DEPENDENCIES = re.compile(r"dependencies:\s*\[(?P<names>[^\]]*)\]")
OWN_SERVICE = re.compile(r"""category\(\s*["']services["']\s*\)\s*\.add\(\s*["'](?P<name>[\w.]+)["']""")
SESSION_KEY = re.compile(r"\bsession\.(?P<key>\w+)")
ORM_CALL = re.compile(r"\borm\s*\.(?P<method>\w+)\(")
STRING_OR_COMMENT = re.compile(
    r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`""", re.S
)

#: Words that one of the series does not have, each with what to write.
WORDS_GONE = {
    r"\bQUnit\b": "19.0 has no QUnit: test with a tour or an HttpCase.",
    r"\b_lt\(": "19.0 has no `_lt`: use `_t`.",
    r"(?<![\w.])\$\(": "19.0 has no jQuery.",
    r"\bjQuery\b": "19.0 has no jQuery.",
    r"\$anchor\b": "19.0 has no jQuery: look the element up with `document.querySelector`.",
    r"""["'](?:[a-z]+,)*tree(?:,[a-z]+)*["']""": "the view mode 'tree': write 'list', which both series understand.",
}


def port_javascript(source: SourceFile, own_services: set[str]) -> str:
    """The file as it is; `own_services` are the services that the addons themselves register."""
    _check_imports(source)
    _check_services(source, own_services)
    _check_words(source)
    if "web_tour.tours" in source.text:
        _check_tour(source)
    return source.text


def registered_services(text: str) -> set[str]:
    """The services that a file adds to the registry."""
    return {match["name"] for match in OWN_SERVICE.finditer(text)}


def _without_comments(text: str) -> str:
    """The text with its comments blanked, every other character where it was."""
    return STRING_OR_COMMENT.sub(
        lambda match: re.sub(r"[^\n]", " ", match[0]) if match[0].startswith(("//", "/*")) else match[0], text
    )


def _check_imports(source: SourceFile) -> None:
    code = _without_comments(source.text)
    for match in BARE_IMPORT.finditer(code):
        source.refuse(source.line_at(match.start()), "an import other than `import { name } from` is not known.")
    for match in IMPORT.finditer(code):
        module, line = match["module"], source.line_at(match.start())
        if module.startswith((".", f"@{known.OWN_PREFIX}")):
            continue
        names = match["names"].strip()
        if not names.startswith("{"):
            source.refuse(line, f"import what you need of {module!r} by name.")
            continue
        for name in filter(None, (part.strip() for part in names.strip("{}").split(","))):
            imported = name.split(" as ")[0].strip()
            if imported not in known_web.JAVASCRIPT_IMPORTS.get(module, ()):
                source.refuse(line, f"`{imported}` of {module!r} is not known to be the same on 17.0 and 19.0.")


def _check_services(source: SourceFile, own_services: set[str]) -> None:
    code = _without_comments(source.text)
    for match in SERVICE.finditer(code):
        line = source.line_at(match.start())
        if match["hook"] == "bus_service":
            source.refuse(line, "`useService` of the bus throws on 17.0: use `this.env.services.bus_service`.")
        else:
            _check_service(source, line, match["hook"] or match["env"], own_services)
    for match in DEPENDENCIES.finditer(code):
        for name in re.findall(r"""["']([\w.]+)["']""", match["names"]):
            _check_service(source, source.line_at(match.start()), name, own_services)


def _check_service(source: SourceFile, line: int, name: str, own_services: set[str]) -> None:
    if name in known_web.SERVICES_GONE:
        source.refuse(line, f"the service {name!r} is not there on both series: {known_web.SERVICES_GONE[name]}.")
    elif name not in known_web.SERVICES | own_services:
        source.refuse(line, f"the service {name!r} is not known to be the same on 17.0 and 19.0.")


def _check_words(source: SourceFile) -> None:
    code = _without_comments(source.text)
    for pattern, message in WORDS_GONE.items():
        for match in re.finditer(pattern, code):
            source.refuse(source.line_at(match.start()), message)
    for match in SESSION_KEY.finditer(code):
        if match["key"] in known_web.SESSION_KEYS_GONE:
            source.refuse(source.line_at(match.start()), f"19.0 deletes `session.{match['key']}`: ask the server.")
    for match in ORM_CALL.finditer(code):
        if match["method"] in known_web.ORM_METHODS_GONE:
            hint = known_web.ORM_METHODS_GONE[match["method"]]
            source.refuse(source.line_at(match.start()), f"`orm.{match['method']}`: {hint}.")


def _check_tour(source: SourceFile) -> None:
    """Every step of a tour has only what both series know, and says what it does."""
    masked = STRING_OR_COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), source.text)
    for match in re.finditer(r"\btrigger\s*:", masked):
        start, end = _enclosing_braces(masked, match.start())
        line = source.line_at(match.start())
        keys = _keys(masked[start + 1 : end])
        for key in sorted(keys - known_web.TOUR_STEP_KEYS):
            source.refuse(line, f"a tour's step with {key!r} does not run on both series.")
        if "run" not in keys:
            source.refuse(line, '17.0 clicks by itself, 19.0 does nothing: write `run: "click"` or `run() {}`.')
    for match in re.finditer(r"""\brun\s*:\s*["'](?P<word>[^"']*)["']""", source.text):
        if match["word"] not in known_web.TOUR_RUN_WORDS:
            message = f"the action {match['word']!r} is not known to both series: write a function."
            source.refuse(source.line_at(match.start()), message)


def _enclosing_braces(text: str, position: int) -> tuple[int, int]:
    """The braces around a position, in a text without strings and comments."""
    depth, start = 0, position
    while start > 0 and depth >= 0:
        start -= 1
        depth += {"}": 1, "{": -1}.get(text[start], 0)
    depth, end = 1, start
    while depth and end < len(text) - 1:
        end += 1
        depth += {"{": 1, "}": -1}.get(text[end], 0)
    return start, end


def _keys(body: str) -> set[str]:
    """The keys of an object literal, given without its braces: only those of the outermost level."""
    flat, depth = [], 0
    for character in body:
        depth -= character in "})]"
        flat.append(character if not depth else " ")
        depth += character in "{(["
    return set(re.findall(r"(?:^|,)\s*(?:async\s+)?(\w+)\s*(?=[:({,]|$)", "".join(flat)))
