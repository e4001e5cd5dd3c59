"""How Odoo gets a request to the REST API's endpoints, and its answer back: JSON, whatever happens."""

import json

import orjson

from odoo.http import Dispatcher, Response

from .apis import PREFIX, api_at, api_of
from .errors import as_api_error

JSON_TYPE = "application/json; charset=utf-8"
_OPTIONS = orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z | orjson.OPT_OMIT_MICROSECONDS


class ApiDispatcher(Dispatcher):
    """Odoo's way to routes of this type: the query is no keyword argument of theirs, and errors are JSON."""

    routing_type = "iot_api"

    @classmethod
    def is_compatible_with(cls, _request):
        """Whatever a request claims to be: it is this module that says what is wrong with it."""
        return True

    def dispatch(self, endpoint, args):
        """Call the endpoint with the parameters of its path."""
        # Odoo's own addons look at them after each request, for the marks of campaigns.
        self.request.params = dict(args)
        return endpoint(**args)

    def handle_error(self, exc):
        """The answer to what was no fault of the request, or did not get as far as an endpoint."""
        error = as_api_error(self.request.env, exc)
        entry = getattr(self.request, "iot_api_entry", None)
        if entry:
            entry.note_alone(error)
        return error_response(error, self.request.httprequest.path)


def error_response(error, path):
    """An `ApiError` as a response to a request for a path."""
    api = api_at(path) or api_of(PREFIX)
    return json_response(api.error_body(error), error.status, error.headers)


def _dumps(body):
    try:
        return orjson.dumps(body, option=_OPTIONS)
    except orjson.JSONEncodeError:
        # PostgreSQL gives a number such as 1e300 back as its 301 digits, more than orjson writes.
        return json.dumps(body, default=lambda value: orjson.loads(orjson.dumps(value, option=_OPTIONS)))


def json_response(body, status=200, headers=None):
    """A response that nobody may keep."""
    fixed = {"Content-Type": JSON_TYPE, "Cache-Control": "no-store"}
    return Response(_dumps(body), status=status, headers={**fixed, **(headers or {})})
