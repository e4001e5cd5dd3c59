"""The REST APIs of the platform: its own for devices, and those that an addon serves in another's format.

They have callers, limits, errors and the audit trail in common; each has its own addresses, its own description and its
own form of an error.
"""

from collections.abc import Callable
from dataclasses import dataclass

PREFIX = "/api/v1/iot"


@dataclass(frozen=True)
class Api:
    """Addresses below one prefix.

    :param prefix: without a slash at its end
    :param title: of its description
    :param description: Markdown
    :param error_body: function of an `ApiError` that gives the body of its answer
    :param error_schema: JSON Schema of that body
    """

    prefix: str
    title: str
    description: str
    error_body: Callable
    error_schema: dict

    def has(self, path):
        """Whether a path of a request is below its prefix."""
        return path == self.prefix or path.startswith(f"{self.prefix}/")


_APIS = {}


def register(api):
    """Have requests below the API's prefix served, and answered in its form where there is nothing to serve."""
    _APIS[api.prefix] = api


def api_of(prefix):
    """The `Api` that is registered with a prefix."""
    return _APIS[prefix]


def api_at(path):
    """The `Api` that a request's path belongs to, None where it is none's."""
    return next((api for api in _APIS.values() if api.has(path)), None)
