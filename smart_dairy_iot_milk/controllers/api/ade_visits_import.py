"""Milkings from other systems: one, or many at once."""

import jsonschema_rs

from odoo import _
from odoo.http import Controller

from odoo.addons.smart_dairy_iot.controllers.api.base import Answer, ApiError, Operation, endpoint
from odoo.addons.smart_dairy_iot.controllers.api.errors import HANDLED, as_api_error

from ...exchange.ade_schema import BATCH_RESULT, META, VISIT
from .ade_api import PREFIX, VISITS, find_farm, messages

MOST = 500
_META = jsonschema_rs.validator_for(META, validate_formats=True)
_KNOWN_BY = (
    "A milking is known by `meta.source` and `meta.sourceId`: what comes again with a later `meta.modified` corrects"
    " it, an older version changes nothing, and `meta.isDeleted` cancels it as long as its milk is not recorded as the"
    " animal's. Its meter is the farm's with the device ID `measureDeviceId` or `milkingDeviceId`, else one that"
    " stands for imported milkings."
)


class AdeVisitsImport(Controller):
    @endpoint(
        "POST",
        VISITS,
        Operation(
            summary="Add a milking",
            description=_KNOWN_BY,
            body=VISIT,
            answer=VISIT,
            envelope=False,
            status=201,
            other_answers={200: "It was there already, and is now as sent, or stays as it is."},
        ),
        PREFIX,
    )
    def add_milking_visit(self, call):
        """icarMilkingVisitEventResource, as it is here now."""
        farm = find_farm(call)
        _check_may_import(call)
        session, outcome = call.env["milk.session"]._import_ade(farm, call.body)
        resource = session._ade_resource() if session else call.body
        return Answer(resource, status=201 if outcome == "created" else 200)

    @endpoint(
        "POST",
        f"/batches{VISITS}",
        Operation(
            summary="Add milkings",
            description=f"Milking visits as above, up to {MOST} at once. The answer has one result for each, in their"
            f" order; those that could not be taken have messages of severity Error.\n\n{_KNOWN_BY}",
            body={"type": "array", "minItems": 1, "maxItems": MOST, "items": {"type": "object"}},
            entries_alone=True,
            answer={"type": "array", "items": BATCH_RESULT},
            envelope=False,
            other_answers={207: "Some could not be taken."},
        ),
        PREFIX,
    )
    def add_milking_visits(self, call):
        """icarBatchResult of each."""
        farm = find_farm(call)
        _check_may_import(call)
        results = [_import_one(call.env, farm, resource) for resource in call.body]
        failed = any(result["messages"] for result in results)
        return Answer(results, status=207 if failed else 200)


def _check_may_import(call):
    if not call.env.user.has_group("smart_dairy_farm.group_farm_manager"):
        raise ApiError(403, _("Milkings are added by farm managers."))


def _import_one(env, farm, resource):
    """icarBatchResult of one milking visit; what fails changes nothing, and keeps back no other."""
    meta = resource.get("meta")
    result = {"meta": meta, "messages": []} if _META.is_valid(meta) else {"messages": []}
    try:
        with env.cr.savepoint():
            session, _outcome = env["milk.session"]._import_ade(farm, resource)
    except HANDLED as error:
        return {**result, "messages": messages(as_api_error(env, error))}
    return {**result, "id": session._ade_id()} if session else result
