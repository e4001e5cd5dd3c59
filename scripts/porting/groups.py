"""Groups and their categories: 19.0 puts a privilege between the two.

Each category of ours that a group refers to gets a privilege of its own, right after it; the group then refers to the
privilege. A group may stand in another file or addon than its category, hence the look through all files first.
"""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from porting.findings import SourceFile


@dataclass(frozen=True)
class Categories:
    """The module categories that the addons define, and those that their groups refer to, as full XML ids."""

    defined: frozenset[str]
    used: frozenset[str]


def categories_of(sources: list[SourceFile]) -> Categories:
    """Look through the XML files of all addons."""
    defined, used = set(), set()
    for source in sources:
        root = parse_xml(source)
        for record in root.iter("record") if root is not None else ():
            if record.get("model") == "ir.module.category":
                defined.add(full_id(record.get("id", ""), source.addon))
            if record.get("model") == "res.groups":
                categories = record.findall("field[@name='category_id']")
                used |= {full_id(category.get("ref", ""), source.addon) for category in categories}
    return Categories(frozenset(defined), frozenset(used))


def port_group(source: SourceFile, category: etree._Element | None, categories: Categories) -> None:
    """Let a group refer to its category's privilege, given its field `category_id`."""
    if category is None:
        return
    reference = category.get("ref")
    if not reference:
        source.refuse(category.sourceline, "the category of a group must be given by `ref`.")
    elif full_id(reference, source.addon) not in categories.defined:
        message = f"19.0 wants a privilege for the category {reference!r}, which is not one of these addons'."
        source.refuse(category.sourceline, message)
    else:
        category.set("name", "privilege_id")
        category.set("ref", _privilege_id(reference))


def add_privilege(source: SourceFile, record: etree._Element, categories: Categories) -> None:
    """Put the privilege after the record of a category that has groups."""
    xmlid = record.get("id", "")
    if full_id(xmlid, source.addon) not in categories.used:
        return
    fields = {field.get("name"): field for field in record.iterchildren("field")}
    if "name" not in fields:
        source.refuse(record.sourceline, "a category with groups needs its name here, for the privilege.")
        return
    privilege = etree.Element("record", id=_privilege_id(xmlid), model="res.groups.privilege")
    privilege.text = record.text
    for name in ("name", "sequence"):
        if name in fields:
            copy = etree.SubElement(privilege, "field", dict(fields[name].attrib))
            copy.text, copy.tail = fields[name].text, record.text
    etree.SubElement(privilege, "field", name="category_id", ref=xmlid).tail = record[-1].tail
    _insert_after(record, privilege)


def full_id(xmlid: str, addon: str) -> str:
    """An XML id with the addon in front, in a file of `addon`."""
    return xmlid if "." in xmlid else f"{addon}.{xmlid}"


def parse_xml(source: SourceFile) -> etree._Element | None:
    """The root element, or nothing if it is not XML."""
    try:
        return etree.fromstring(source.text.encode(), etree.XMLParser(strip_cdata=False, resolve_entities=False))
    except etree.XMLSyntaxError:
        return None


def _privilege_id(xmlid: str) -> str:
    addon, dot, name = xmlid.rpartition(".")
    return f"{addon}{dot}privilege_{name}"


def _insert_after(record: etree._Element, addition: etree._Element) -> None:
    """Insert a record on lines of its own, indented as its neighbour."""
    tail = record.tail or ""
    previous = record.getprevious()
    before = (previous.tail if previous is not None else record.getparent().text) or ""
    record.addnext(addition)
    addition.tail = tail
    record.tail = "\n" + before.rpartition("\n")[2]
