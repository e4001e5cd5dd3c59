"""A farm's milkings for other systems, page by page, in the order in which they changed."""

from urllib.parse import quote, urlencode

from odoo import _
from odoo.http import Controller, request

from odoo.addons.smart_dairy_iot.controllers.api.base import ApiError, Operation, endpoint

from ...exchange.ade import parse_moment
from ...exchange.ade_schema import VIEW, VISIT
from ...exchange.paging import Cursor
from .ade_api import PREFIX, VISITS, find_farm

MOST = 500
DEFAULT = 100
_FROM = ("modified-from", "meta-modified-from")
_TO = "meta-modified-to"


def _moment(description):
    return {"type": "string", "format": "date-time", "description": description}


class AdeVisits(Controller):
    @endpoint(
        "GET",
        VISITS,
        Operation(
            summary="The milkings of a farm",
            description="The completed milkings of known animals, in the order of their last change; cancelled ones"
            " have `meta.isDeleted`. A milking whose animal becomes known later comes then, with that change's time;"
            " one whose animal is taken off again, or that is deleted, comes with `meta.isDeleted`, as it was before."
            " That is told for two years: whoever has not asked for so long reads all anew."
            "\n\nWhoever keeps up asks again with `modified-from` set to the last `meta.modified` minus five minutes: a"
            " change that took long is stored with the time at which it began. What comes twice has the same"
            " `meta.sourceId`.",
            query={
                _FROM[0]: _moment("Only what changed at this time or later."),
                _FROM[1]: _moment("The same, under ICAR's name."),
                _TO: _moment("Only what changed before this time."),
                "limit": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MOST,
                    "default": DEFAULT,
                    "description": "At most so many on a page.",
                },
                "cursor": {"type": "string", "description": "Of the next page: `view.next` has it."},
            },
            answer={
                "type": "object",
                "required": ["view", "member"],
                "properties": {"view": VIEW, "member": {"type": "array", "items": VISIT}},
            },
            envelope=False,
        ),
        PREFIX,
    )
    def list_milking_visits(self, call):
        """icarMilkingVisitEventCollection."""
        farm = find_farm(call)
        since, until, cursor = _span(call.query)
        limit = call.query.get("limit", DEFAULT)
        sessions = call.env["milk.session"]
        after = cursor and (cursor.moment, cursor.last_id)
        # One more than asked for tells whether there is a next page.
        found = sessions._ade_changed(farm, since, until, after, limit + 1)
        page, page_number = found[:limit], cursor.page if cursor else 1
        view = {"pageSize": limit, "currentPage": page_number, "first": _address(call.query)}
        if not cursor:
            total = sessions._ade_count(farm, since, until)
            view |= {"totalItems": total, "totalPages": -(-total // limit)}
        if len(found) > limit:
            following = Cursor(page[-1].moment, page[-1].session_id, page_number + 1)
            view["next"] = _address(call.query, following)
        return {"view": view, "member": sessions._ade_resources(page)}


def _span(query):
    """(since, until, cursor) of the query, each None where it is not given."""
    given = [query[name] for name in _FROM if name in query]
    if len(set(given)) > 1:
        raise ApiError(400, _("modified-from and meta-modified-from contradict each other."))
    since = given[0] if given else None
    return _read(parse_moment, since), _read(parse_moment, query.get(_TO)), _read(Cursor.parse, query.get("cursor"))


def _read(parse, text):
    try:
        return None if text is None else parse(text)
    except ValueError as error:
        raise ApiError(400, _("The query is not as it has to be: %s", error)) from error


def _address(query, cursor=None):
    """The full address of the first page, or of the one that a cursor tells."""
    http = request.httprequest
    asked = {name: value for name, value in query.items() if name != "cursor"}
    asked |= {"cursor": str(cursor)} if cursor else {}
    address = http.host_url.rstrip("/") + quote(http.path)
    return f"{address}?{urlencode(asked)}" if asked else address
