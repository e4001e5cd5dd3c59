"""What the web client asks for where it opens a view: the view's own fields, by the calls of either series."""

import ast
from xml.etree import ElementTree

from simulation.rpc import OdooClient

#: Rows and groups of a list's first page, and how far the client has rows counted where a list does not say.
PAGE, COUNT_LIMIT = 80, 10_000
_SUMMED_UP = ("integer", "float", "monetary")


class View:
    """A model's view of a kind, as a user opens it.

    :param series: of Odoo, `17.0`
    :param kind: `form`, `list`, `graph` or `search`
    """

    def __init__(self, client: OdooClient, series: str, model: str, kind: str):
        self._client = client
        self._is_17 = series == "17.0"
        self._model = model
        views = client.call(model, "get_views", [[False, kind]])
        fields = views["models"][model]
        # Odoo 19.0 has them one level below.
        fields = fields.get("fields", fields)
        self._arch = ElementTree.fromstring(views["views"][kind]["arch"])
        self._fields = {name: fields[name] for name in _fields_of(self._arch)}

    @property
    def _count_limit(self) -> int:
        return int(self._arch.get("count_limit", COUNT_LIMIT))

    @property
    def specification(self) -> dict[str, dict]:
        """The fields, as `web_read` and `web_search_read` want them."""
        return {
            name: {"fields": {"display_name": {}}} if field["type"] == "many2one" else {}
            for name, field in self._fields.items()
        }

    def filter_domain(self, name: str) -> list:
        """What a search view's filter looks for, where that does not depend on the time."""
        return ast.literal_eval(self._arch.find(f".//filter[@name='{name}']").attrib["domain"])

    def rows(self, domain: list) -> list[dict]:
        """A list's first page."""
        found = self._client.call(
            self._model, "web_search_read", domain, self.specification, limit=PAGE, count_limit=self._count_limit + 1
        )
        return found["records"]

    def groups(self, domain: list, group_by: str) -> list[dict]:
        """A grouped list's first page."""
        if self._is_17:
            names = list(dict.fromkeys([*self._fields, group_by]))
            arguments = {"orderby": "", "lazy": True, "offset": 0, "limit": PAGE}
            return self._client.call(self._model, "web_read_group", domain, names, [group_by], **arguments)["groups"]
        summed_up = [
            f"{name}:{field['aggregator']}"
            for name, field in self._fields.items()
            if field.get("aggregator") and field["type"] in _SUMMED_UP
        ]
        return self._client.call(
            self._model,
            "web_read_group",
            domain,
            [group_by],
            summed_up,
            limit=PAGE,
            offset=0,
            order="",
            auto_unfold=False,
            opening_info=[],
            unfold_read_specification=self.specification,
            unfold_read_default_limit=PAGE,
            groupby_read_specification={},
        )["groups"]

    def points(self, domain: list) -> list[dict]:
        """What a graph is drawn of."""
        fields = [field.attrib for field in self._arch.iter("field")]
        measures = ["__count", *(f"{field['name']}:sum" for field in fields if field.get("type") == "measure")]
        group_by = [
            f"{field['name']}:{field['interval']}" if "interval" in field else field["name"]
            for field in fields
            if field.get("type") != "measure"
        ]
        context = {"fill_temporal": True}
        if self._is_17:
            arguments = {"lazy": False, "context": context}
            return self._client.call(self._model, "web_read_group", domain, measures, group_by, **arguments)["groups"]
        return self._client.call(self._model, "formatted_read_group", domain, group_by, measures, context=context)


def _fields_of(element: ElementTree.Element) -> dict[str, None]:
    """The names of a view's own fields in their order, without those of the lists in it."""
    found = {}
    for child in element:
        if child.tag == "field":
            found[child.attrib["name"]] = None
        else:
            found |= _fields_of(child)
    return found
