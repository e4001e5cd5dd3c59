"""Data files: the records and templates in XML, and the columns of CSV.

A file in which nothing differs is kept to the byte. One that is changed is written anew by lxml: comments, blank lines
and the order of everything stay, line breaks inside a tag do not.
"""

from __future__ import annotations

import csv
import io
import re
from textwrap import dedent

from lxml import etree

from porting import known
from porting.findings import SourceFile
from porting.groups import Categories, add_privilege, full_id, parse_xml, port_group
from porting.python import TREE_MODE, check_snippet
from porting.views import port_arch

#: What stands before the root element and after it.
PROLOGUE = re.compile(r"\A(?:\s|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>]*>)*", re.S)
EPILOGUE = re.compile(r"(?:\s|<!--(?:(?!-->).)*-->)*\Z", re.S)
DATA_TAGS = {"data", "delete", "field", "function", "menuitem", "odoo", "record", "template", "value"}
#: What stands in domains and contexts and is not the same on both.
TOKENS_GONE = {
    re.compile(r"\bgroups_id\b"): "19.0 has no `groups_id`: use `user.has_group`, or leave it to `groups=`.",
    re.compile(r"\btree_view_ref\b"): "19.0 has no `tree_view_ref`: name the view in the action.",
}


def port_xml(source: SourceFile, categories: Categories) -> str:
    """The file for 19.0."""
    root = parse_xml(source)
    if root is None:
        source.refuse(1, "it is not XML.")
        return source.text
    before = etree.tostring(root)
    if root.tag == "odoo":
        _DataFile(source, categories).port(root)
    elif root.tag == "templates":
        _check_templates(source, root)
    else:
        source.refuse(root.sourceline, f"a file whose root is <{root.tag}> is not known.")
    if etree.tostring(root) == before:
        return source.text
    return _serialise(source.text, root)


def check_csv(source: SourceFile) -> str:
    """The file as it is: a CSV file of data whose columns differ is refused."""
    model = source.path.stem
    gone = known.FIELDS_GONE.get(model, {})
    for column in next(csv.reader(io.StringIO(source.text)), []):
        name = re.split("[/:.]", column)[0]
        if name in gone:
            source.refuse(1, f"the column {column!r} does not run on both series: {gone[name]}.")
        if (model, name) in {("res.groups", "category_id"), ("ir.cron", "numbercall")}:
            source.refuse(1, f"the column {column!r} is ported in XML only.")
    return source.text


def _serialise(original: str, root: etree._Element) -> str:
    text = etree.tostring(root, encoding="unicode", with_tail=False)
    return f"{PROLOGUE.match(original)[0]}{text}{EPILOGUE.search(original)[0]}"


def _text(field: etree._Element) -> str:
    """What a field is given, as text or as an expression."""
    return (field.get("eval") or field.text or "").strip()


def remove_line(node: etree._Element) -> None:
    """Remove an element with the line break before it, so that its neighbours keep their indentation."""
    previous, parent = node.getprevious(), node.getparent()
    tail = node.tail
    parent.remove(node)
    if previous is not None and parent[-1] is previous:
        previous.tail = tail
    elif previous is None and not len(parent):
        parent.text = tail


class _DataFile:
    """Ports one data file in place."""

    def __init__(self, source: SourceFile, categories: Categories):
        self._source = source
        self._categories = categories

    def _refuse(self, node: etree._Element, message: str) -> None:
        self._source.refuse(node.sourceline, message)

    def _is_own(self, reference: str) -> bool:
        return bool(reference) and full_id(reference, self._source.addon).startswith(known.OWN_PREFIX)

    def port(self, root: etree._Element) -> None:
        self._check_tags(root)
        self._check_tokens(root)
        for record in list(root.iter("record")):
            self._port_record(record)
        for template in root.iter("template"):
            self._check_template(template)
        for function in root.iter("function"):
            self._check_function(function)

    def _check_tags(self, root: etree._Element) -> None:
        for node in root.iterchildren(etree.Element):
            if node.tag not in DATA_TAGS:
                self._refuse(node, f"<{node.tag}> is not known to be the same on 17.0 and 19.0.")
            elif node.tag == "data":
                self._check_tags(node)

    def _check_tokens(self, root: etree._Element) -> None:
        for node in root.iter(etree.Element):
            if node.tag == "field" and node.get("name") == "groups_id":
                continue  # refused by name, with its own advice
            for value in (node.text or "", *node.attrib.values()):
                for token, message in TOKENS_GONE.items():
                    if token.search(value):
                        self._refuse(node, message)

    # Records

    def _port_record(self, record: etree._Element) -> None:
        model = record.get("model")
        if model in known.MODELS_GONE:
            self._refuse(record, f"19.0 has no model {model!r}.")
        fields = {field.get("name"): field for field in record.iterchildren("field")}
        for name, advice in known.FIELDS_GONE.get(model, {}).items():
            if name in fields:
                self._refuse(fields[name], f"the field {name!r} of {model} does not run on both series: {advice}.")
        port = {
            "ir.actions.act_window": self._check_window_action,
            "ir.actions.act_window.view": self._port_action_view,
            "ir.actions.server": self._check_code,
            "ir.cron": self._port_cron,
            "ir.module.category": self._add_privilege,
            "ir.rule": self._check_rule,
            "ir.ui.view": self._port_view,
            "res.groups": self._port_group,
        }.get(model)
        if port:
            port(record, fields)

    def _check_window_action(self, record: etree._Element, fields: dict[str, etree._Element]) -> None:
        for name in ("view_mode", "views", "view_type", "binding_view_types"):
            if name in fields and re.search(r"\btree\b", _text(fields[name])):
                self._refuse(fields[name], f"{name!r} with 'tree': write 'list', which both series understand.")
        if "target" in fields and _text(fields["target"]).strip("'\"") == "inline":
            self._refuse(fields["target"], "19.0 has no target 'inline': leave it out.")

    def _port_action_view(self, record: etree._Element, fields: dict[str, etree._Element]) -> None:
        mode = fields.get("view_mode")
        if mode is None:
            return
        if _text(mode) == "list":
            self._refuse(mode, "17.0 wants the view mode 'tree' here: write it so, the port changes it.")
        elif mode.text and TREE_MODE.fullmatch(mode.text.strip()):
            mode.text = re.sub(r"\btree\b", "list", mode.text)

    def _check_code(self, record: etree._Element, fields: dict[str, etree._Element]) -> None:
        code = fields.get("code")
        if code is not None and code.text:
            lead = code.text[: len(code.text) - len(code.text.lstrip())].count("\n")
            check_snippet(self._source, dedent(code.text).strip(), code.sourceline + lead)

    def _port_cron(self, record: etree._Element, fields: dict[str, etree._Element]) -> None:
        self._check_code(record, fields)
        calls, missed = fields.get("numbercall"), fields.get("doall")
        if calls is None and "model_id" in fields:
            self._refuse(record, "17.0 runs a cron without numbercall -1 once only.")
        if calls is not None:
            if _text(calls) != "-1":
                self._refuse(calls, "19.0 has no number of calls: only -1 means the same.")
            remove_line(calls)
        if missed is not None:
            if _text(missed).lower() not in {"false", "0", ""}:
                self._refuse(missed, "19.0 does not repeat missed calls: only doall false means the same.")
            remove_line(missed)

    def _check_rule(self, record: etree._Element, fields: dict[str, etree._Element]) -> None:
        domain = fields.get("domain_force")
        if domain is not None and re.search(r"\btime\.", _text(domain)):
            self._refuse(domain, "19.0 gives the domain of a rule no `time`.")

    def _port_group(self, record: etree._Element, fields: dict[str, etree._Element]) -> None:
        port_group(self._source, fields.get("category_id"), self._categories)

    def _add_privilege(self, record: etree._Element, fields: dict[str, etree._Element]) -> None:
        add_privilege(self._source, record, self._categories)

    # Views

    def _port_view(self, record: etree._Element, fields: dict[str, etree._Element]) -> None:
        for name in ("arch_base", "arch_db", "arch_fs"):
            if name in fields:
                self._refuse(fields[name], "the architecture of a view must be in the field 'arch'.")
        inherited = fields.get("inherit_id")
        if inherited is not None:
            reference = inherited.get("ref") or ""
            if not self._is_own(reference) and reference not in known.INHERITABLE_VIEWS:
                self._refuse(inherited, f"the view {reference!r} is not known to be the same on 17.0 and 19.0.")
        kind = fields.get("type")
        if kind is not None and (kind.text or "").strip() == "tree":
            kind.text = kind.text.replace("tree", "list")
        arch = fields.get("arch")
        if arch is None:
            return
        if arch.get("type") != "xml" or arch.get("file"):
            self._refuse(arch, "the architecture must be XML of type 'xml' in this file.")
            return
        port_arch(self._source, arch)

    # Templates and calls

    def _check_template(self, template: etree._Element) -> None:
        reference = template.get("inherit_id")
        if reference and not self._is_own(reference) and reference not in known.INHERITABLE_TEMPLATES:
            self._refuse(template, f"the template {reference!r} is not known to be the same on 17.0 and 19.0.")

    def _check_function(self, function: etree._Element) -> None:
        name = function.get("name", "")
        if name in known.ATTRIBUTES_GONE:
            self._refuse(function, f"`{name}` does not run on both series: {known.ATTRIBUTES_GONE[name]}.")


def _check_templates(source: SourceFile, root: etree._Element) -> None:
    """The web client's templates: one of ours may not build on one of Odoo's."""
    for node in root.iter(etree.Element):
        parent = node.get("t-inherit")
        if parent and not parent.startswith(known.OWN_PREFIX):
            source.refuse(node.sourceline, f"the template {parent!r} is not known to be the same on 17.0 and 19.0.")
