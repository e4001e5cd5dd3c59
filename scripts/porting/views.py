"""The architecture of views: lists, forms with a chatter, kanban cards, searches."""

from __future__ import annotations

import re

from lxml import etree

from porting import known
from porting.findings import SourceFile

#: `tree` as a step of an XPath expression.
XPATH_TREE = re.compile(r"(^|::|[/\[(|]\s*)tree(?![\w-])")
XPATH_CHATTER = re.compile(r"""div\[(?:hasclass\(["']oe_chatter["']\)|@class=["']oe_chatter["'])\]""")
CHATTER_FIELDS = {"activity_ids", "message_follower_ids", "message_ids"}

KANBAN_TEMPLATES = {"kanban-box": "card", "kanban-menu": "menu"}
GLOBAL_CLICK = {"oe_kanban_global_click", "oe_kanban_global_click_edit"}
#: Classes for cards that 17.0 styles and 19.0 does not.
KANBAN_CLASS_GONE = re.compile(r"(?:oe_kanban_|o_kanban_record_|o_kanban_image|o_kanban_card_header|o_text_)\w*")
KANBAN_NAMES_GONE = re.compile(
    r"\b(?:kanban_image|kanban_color|kanban_getcolor|kanban_getcolorname|read_only_mode|user_context|isHtmlEmpty)\b"
)
KANBAN_ATTRIBUTES_GONE = {"bold", "color", "data-name", "data-type", "display"}

NEW_TAGS = {"chatter": '<div class="oe_chatter">', "list": "<tree>"}


def port_arch(source: SourceFile, arch: etree._Element) -> None:
    """Port an `arch` field in place."""
    for node in list(arch.iter(etree.Element)):
        if node.tag == "kanban":
            _port_kanban(source, node)
    for node in list(arch.iter(etree.Element)):
        _port_node(source, node)


def _port_node(source: SourceFile, node: etree._Element) -> None:
    if node.tag in NEW_TAGS:
        source.refuse(node.sourceline, f"17.0 has no <{node.tag}>: write {NEW_TAGS[node.tag]}, the port changes it.")
    for name in ("attrs", "states", "banner_route"):
        if name in node.attrib:
            source.refuse(node.sourceline, f"the attribute {name!r} does not run on both series.")
    if node.tag == "tree":
        node.tag = "list"
    elif node.tag == "xpath":
        _port_xpath(source, node)
    elif node.tag == "field":
        _port_field(source, node)
    elif node.tag == "group":
        _check_search_group(source, node)
    elif node.tag == "t" and node.get("t-name"):
        _port_template_name(source, node)
    if "oe_chatter" in node.get("class", "").split():
        _port_chatter(source, node)


def _port_xpath(source: SourceFile, node: etree._Element) -> None:
    expression = XPATH_TREE.sub(r"\1list", node.get("expr", ""))
    expression = XPATH_CHATTER.sub("chatter", expression)
    for old, new in KANBAN_TEMPLATES.items():
        expression = re.sub(rf"""(["']){old}\1""", rf"\1{new}\1", expression)
    for gone in ("oe_chatter", *sorted(GLOBAL_CLICK)):
        if gone in expression:
            source.refuse(node.sourceline, f"an expression with {gone!r} cannot be ported.")
    if expression != node.get("expr", ""):
        node.set("expr", expression)


def _port_field(source: SourceFile, node: etree._Element) -> None:
    if node.get("widget") in known.WIDGETS_GONE:
        source.refuse(node.sourceline, f"19.0 has no widget {node.get('widget')!r}.")
    mode = node.get("mode", "")
    if re.search(r"\btree\b", mode):
        node.set("mode", re.sub(r"\btree\b", "list", mode))


def _check_search_group(source: SourceFile, node: etree._Element) -> None:
    if any(ancestor.tag == "search" for ancestor in node.iterancestors()):
        for name in ("expand", "string"):
            if name in node.attrib:
                message = f"19.0 has no {name!r} on a group of a search: write a plain <group>."
                source.refuse(node.sourceline, message)


def _port_chatter(source: SourceFile, node: etree._Element) -> None:
    children = list(node.iterchildren(etree.Element))
    plain = (
        node.tag == "div"
        and set(node.attrib) == {"class"}
        and node.get("class") == "oe_chatter"
        and all(child.tag == "field" and set(child.attrib) == {"name"} for child in children)
        and {child.get("name") for child in children} <= CHATTER_FIELDS
    )
    if not plain:
        source.refuse(node.sourceline, 'only a plain <div class="oe_chatter"> with its fields becomes <chatter/>.')
        return
    tail = node.tail
    node.clear()
    node.tag, node.tail = "chatter", tail


# Kanban


def _port_template_name(source: SourceFile, node: etree._Element) -> None:
    name = node.get("t-name")
    if name in KANBAN_TEMPLATES:
        node.set("t-name", KANBAN_TEMPLATES[name])
    elif name == "kanban-tooltip":
        source.refuse(node.sourceline, "19.0 has no tooltip template for cards.")
    elif name in KANBAN_TEMPLATES.values():
        source.refuse(node.sourceline, f"17.0 has no template {name!r} for cards: write 'kanban-box' or 'kanban-menu'.")


def _port_kanban(source: SourceFile, kanban: etree._Element) -> None:
    """Port one kanban view, but for the names of its templates.

    On 17.0 a card can be clicked where it has the class `oe_kanban_global_click`; on 19.0 it can unless the view
    says `can_open="0"`.
    """
    box = kanban.find(".//t[@t-name='kanban-box']")
    if box is None:
        return
    if len(list(box.iterchildren(etree.Element))) != 1:
        source.refuse(box.sourceline, "a card must have one root element.")
    can_click = False
    for node in kanban.find(".//templates").iter(etree.Element):
        _check_card_node(source, node)
        classes = node.get("class", "").split()
        if GLOBAL_CLICK & set(classes):
            can_click = True
            _set_classes(node, [name for name in classes if name not in GLOBAL_CLICK])
    if not can_click and not kanban.get("action"):
        kanban.set("can_open", "0")


def _set_classes(node: etree._Element, classes: list[str]) -> None:
    if classes:
        node.set("class", " ".join(classes))
    else:
        del node.attrib["class"]


def _check_card_node(source: SourceFile, node: etree._Element) -> None:
    for name, value in node.attrib.items():
        if name in KANBAN_ATTRIBUTES_GONE:
            source.refuse(node.sourceline, f"19.0 has no attribute {name!r} in a card: use classes of Bootstrap.")
        found = KANBAN_NAMES_GONE.search(value) if name.startswith("t-") else None
        if found:
            source.refuse(node.sourceline, f"19.0 gives a card no `{found[0]}`: use a field with a widget.")
        if name == "class" or name.startswith("t-att"):
            for gone in KANBAN_CLASS_GONE.findall(value):
                if gone not in GLOBAL_CLICK or name != "class":
                    source.refuse(node.sourceline, f"19.0 has no style {gone!r} for cards: use classes of Bootstrap.")
    if node.get("type") == "edit":
        source.refuse(node.sourceline, "19.0 has no type 'edit' in a card: write 'open', which both series know.")
