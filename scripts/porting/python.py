"""Python files: models, controllers, commands, tests.

Two things are changed, each in its own bytes only: `_sql_constraints` becomes `models.Constraint`s, and the arguments
of fields that 19.0 has renamed get their new names. All else is looked at and kept or refused.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from porting import known
from porting.constraints import ConstraintError, port_constraints
from porting.findings import SourceFile, apply_edits
from porting.text import byte_span

#: A list of view modes, such as "tree,form".
TREE_MODE = re.compile(r"(?:[a-z]+,)*tree(?:,[a-z]+)*")
TREE_ARCH = re.compile(r"<(?:tree|list|kanban)\b")
BROWSER_SIZE = re.compile(r"\d+,\d+")


def port_python(source: SourceFile) -> str:
    """The file for 19.0."""
    try:
        tree = ast.parse(source.text)
    except SyntaxError as error:
        source.refuse(error.lineno or 1, f"it is not Python: {error.msg}.")
        return source.text
    if not _uses_odoo(tree):
        return source.text
    visitor = _Visitor(source, tree)
    visitor.visit(tree)
    return apply_edits(source.text.encode(), visitor.edits).decode()


def check_snippet(source: SourceFile, code: str, line: int) -> None:
    """Hold the code of a server action or a cron, which begins on `line` of its file, against the same rules."""
    try:
        tree = ast.parse(code)
    except SyntaxError:
        source.refuse(line, "the code is not Python.")
        return
    visitor = _Visitor(source, tree, first_line=line)
    visitor.visit(tree)


def _uses_odoo(tree: ast.Module) -> bool:
    """Whether the ORM's rules hold for the file: what imports nothing of Odoo may call its methods as it likes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "odoo" for alias in node.names):
            return True
        if isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").split(".")[0] == "odoo":
            return True
    return False


def _dotted(node: ast.expr) -> str | None:
    """`a.b.c` of an expression that is nothing else."""
    names = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        return ".".join([node.id, *reversed(names)])
    return None


def _serves_operator_in(method: ast.FunctionDef) -> bool:
    """Whether a search method knows of 'in', hands its operator on, or refuses some: 19.0 then tries '='."""
    for node in ast.walk(method):
        if isinstance(node, ast.Compare) and any(getattr(part, "value", None) == "in" for part in ast.walk(node)):
            return True
        if isinstance(node, ast.Tuple) and any(getattr(part, "id", None) == "operator" for part in node.elts):
            return True
        if isinstance(node, ast.Name) and node.id in {"NotImplemented", "NotImplementedError", "UserError"}:
            return True
    return False


def _imported_modules(tree: ast.Module) -> dict[str, str]:
    """The known modules of Odoo that a file has at hand, by the name it gives them."""
    modules = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = {alias.asname or alias.name.split(".")[0]: alias.asname and alias.name for alias in node.names}
            modules |= {local: full or local for local, full in names.items()}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return {local: full for local, full in modules.items() if full in known.PYTHON_IMPORTS}


def _docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        first = body[0] if isinstance(body, list) and body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            yield first.value


class _Visitor(ast.NodeVisitor):
    """Walks one file, refusing and collecting edits."""

    def __init__(self, source: SourceFile, tree: ast.Module, first_line: int = 1):
        self.source = source
        self.edits: list[tuple[int, int, bytes]] = []
        self._offset = first_line - 1
        self._docstrings = {id(node) for node in _docstrings(tree)}
        self._in_tests = "tests" in source.path.parts
        self._modules = _imported_modules(tree)

    def _refuse(self, node: ast.AST, message: str) -> None:
        self.source.refuse(node.lineno + self._offset, message)

    # Imports

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            if alias.name != "odoo" and alias.name.startswith("odoo."):
                module, _dot, name = alias.name.rpartition(".")
                self._check_name(node, module, name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        if node.level or module.split(".")[0] != "odoo":
            return
        for alias in node.names:
            self._check_name(node, module, alias.name)

    def _check_name(self, node: ast.AST, module: str, name: str) -> None:
        full = f"{module}.{name}"
        if full.startswith(known.CORE_ADDONS + known.OWN_PREFIX) or full in known.PYTHON_IMPORTS:
            return
        for gone in (full, module):
            if gone in known.PYTHON_GONE:
                self._refuse(node, f"`{gone}` does not run on both series: {known.PYTHON_GONE[gone]}.")
                return
        if name not in known.PYTHON_IMPORTS.get(module, ()):
            self._refuse(node, f"`{full}` is not known to be the same on 17.0 and 19.0.")

    def _check_dotted(self, node: ast.Attribute, dotted: str) -> None:
        """Check `odoo.x.y` written out: the first name below the longest module that is known."""
        module, *names = dotted.split(".")
        for name in names:
            inner = f"{module}.{name}"
            if inner not in known.PYTHON_IMPORTS:
                self._check_name(node, module, name)
                return
            module = inner

    # Attributes and strings

    def visit_Attribute(self, node: ast.Attribute) -> None:
        dotted = _dotted(node)
        local, _dot, rest = (dotted or "").partition(".")
        if node.attr == "authenticate" and ast.unparse(node.value).endswith("session"):
            self._refuse(node, "the arguments of `session.authenticate` differ.")
        elif local in self._modules:
            self._check_dotted(node, f"{self._modules[local]}.{rest}")
            return
        if dotted == "self.env._":
            self._refuse(node, "17.0 has no `env._`: use `from odoo import _`.")
        elif node.attr == "_sql_constraints":
            self._refuse(node, "`_sql_constraints` must be a literal list in the class.")
        elif node.attr in known.ATTRIBUTES_GONE:
            self._refuse(node, f"`{node.attr}` does not run on both series: {known.ATTRIBUTES_GONE[node.attr]}.")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if not isinstance(value, str) or id(node) in self._docstrings:
            return
        if TREE_MODE.fullmatch(value):
            self._refuse(node, f"the view mode {value!r}: write 'list', which both series understand.")
        elif value in known.MODELS_GONE:
            self._refuse(node, f"19.0 has no model {value!r}.")
        elif value.split(".")[0] in ("groups_id", "numbercall", "doall"):
            self._refuse(node, f"the field {value!r} does not exist on 19.0.")
        elif TREE_ARCH.search(value):
            self._refuse(node, "a view written in Python is not ported: write it in XML.")

    def visit_Tuple(self, node: ast.Tuple) -> None:
        operator = getattr(node.elts[1], "value", None) if len(node.elts) == 3 else None
        if operator in known.OPERATORS_GONE:
            self._refuse(node, f"the operator {operator!r} does not run on both series.")
        self.generic_visit(node)

    # Calls

    def visit_Call(self, node: ast.Call) -> None:
        function = _dotted(node.func) or ""
        keywords = {keyword.arg: keyword for keyword in node.keywords}
        if function.startswith(("fields.", "odoo.fields.")):
            self._port_field(keywords)
        elif "group_operator" in keywords:
            self._refuse(node, "`group_operator` is ported only in a call of `fields.<Type>(...)`.")
        if function.split(".")[-1] == "route":
            self._check_route(keywords)
        if getattr(node.func, "attr", None) == "name_search" and "args" in keywords:
            self._refuse(node, "19.0 has renamed the argument `args` of `name_search`: give it by position.")
        if not self._in_tests and "apikeys" in ast.unparse(node.func) and ast.unparse(node.func).endswith("._generate"):
            self._refuse(node, "19.0 wants the key's expiry too: only a helper in tests/ may know of both.")
        self.generic_visit(node)

    def _port_field(self, keywords: dict[str | None, ast.keyword]) -> None:
        for name, keyword in keywords.items():
            if name in known.FIELD_ARGUMENTS_GONE:
                self._refuse(keyword, f"the field's argument `{name}`: {known.FIELD_ARGUMENTS_GONE[name]}.")
            elif name in known.FIELD_ARGUMENTS_RENAMED:
                start, _end = byte_span(self.source.text, keyword)
                new_name = known.FIELD_ARGUMENTS_RENAMED[name]
                self.edits.append((start, start + len(name), new_name.encode()))

    def _check_route(self, keywords: dict[str | None, ast.keyword]) -> None:
        kind = keywords.get("type")
        if kind and getattr(kind.value, "value", None) not in known.ROUTE_TYPES:
            self._refuse(kind, "write a route of type 'http' that answers with `request.make_json_response`.")

    # Classes

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        assigned = {
            target.id: statement
            for statement in node.body
            if isinstance(statement, ast.Assign)
            for target in statement.targets
            if isinstance(target, ast.Name)
        }
        if "_sql_constraints" in assigned:
            methods = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
            self._port_constraints(assigned["_sql_constraints"], taken=methods | set(assigned))
        if "browser_size" in assigned:
            self._check_browser_size(assigned["browser_size"])
        if any((_dotted(base) or "").split(".")[-1] == "Command" for base in node.bases):
            self._check_command(node, assigned)
        if "_name" in assigned or "_inherit" in assigned:
            self._check_methods(node)
        self.generic_visit(node)

    def _check_browser_size(self, statement: ast.Assign) -> None:
        value = getattr(statement.value, "value", None)
        if not isinstance(value, str) or not BROWSER_SIZE.fullmatch(value):
            self._refuse(statement, "write the browser's size as '1366,768': Chromium ignores the form with an x.")

    def _check_command(self, node: ast.ClassDef, assigned: dict[str, ast.Assign]) -> None:
        name = getattr(getattr(assigned.get("name"), "value", None), "value", None)
        path = self.source.path
        if name != path.stem or path.parent.name != "cli":
            self._refuse(node, "a command stands in cli/<name>.py and has the same literal `name`.")
        tree = ast.parse(self.source.text)
        for statement in ast.walk(tree):
            if isinstance(statement, ast.ImportFrom) and statement.level:
                self._refuse(statement, "19.0 loads a command outside its addon: import absolutely.")

    def _check_methods(self, node: ast.ClassDef) -> None:
        methods = {item.name: item for item in node.body if isinstance(item, ast.FunctionDef)}
        for name, method in methods.items():
            if name in known.OVERRIDES_GONE:
                self._refuse(method, f"an override of `{name}` cannot serve both: {known.OVERRIDES_GONE[name]}.")
            decorators = {_dotted(decorator) for decorator in method.decorator_list}
            if name.startswith("_search_") and not _serves_operator_in(method):
                self._refuse(method, f"19.0 calls `{name}` with the operator 'in' and a set: serve it, or refuse it.")
            if name == "create" and "api.model" in decorators:
                self._refuse(method, "19.0 gives `create` a list: decorate it with `@api.model_create_multi`.")
        for call in ast.walk(node):
            if isinstance(call, ast.Call):
                for keyword in call.keywords:
                    if keyword.arg == "group_expand":
                        self._check_group_expand(keyword, methods)

    def _check_group_expand(self, keyword: ast.keyword, methods: dict[str, ast.FunctionDef]) -> None:
        name = getattr(keyword.value, "value", None)
        if name is True:
            return
        method = methods.get(name)
        if method is None:
            self._refuse(keyword, "`group_expand` must name a method of the same class.")
            return
        names = [argument.arg for argument in method.args.args]
        if len(names) != 4 or len(method.args.defaults) != 1:
            self._refuse(method, "17.0 gives `group_expand` three arguments, 19.0 two: end them with `order=None`.")

    # Constraints

    def _port_constraints(self, statement: ast.Assign, taken: set[str]) -> None:
        if self._modules.get("models") != "odoo.models":
            self._refuse(statement, "a file with `_sql_constraints` must say `from odoo import models`.")
        try:
            self.edits.append(port_constraints(self.source.text, statement, taken))
        except ConstraintError as error:
            self._refuse(statement, str(error))

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if getattr(node.target, "id", None) == "_sql_constraints":
            self._refuse(node, "`_sql_constraints` must be a literal list in the class.")
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if getattr(node.target, "id", None) == "_sql_constraints":
            self._refuse(node, "`_sql_constraints` must be a literal list in the class, without an annotation.")
        self.generic_visit(node)
