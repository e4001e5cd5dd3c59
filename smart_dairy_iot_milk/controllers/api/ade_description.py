"""The description of the ADE API: an OpenAPI 3.1 document, and a page to read. Both are public."""

from odoo.http import Controller

from odoo.addons.smart_dairy_iot.controllers.api.base import Operation, endpoint
from odoo.addons.smart_dairy_iot.controllers.api.openapi import document_response, page_response

from .ade_api import PREFIX


class AdeDescription(Controller):
    @endpoint(
        "GET",
        "/openapi.json",
        Operation(
            summary="This description, as an OpenAPI 3.1 document",
            callers=("anybody",),
            answer={},
            content="application/vnd.oai.openapi+json",
        ),
        PREFIX,
    )
    def ade_document(self, _call):
        """The document."""
        return document_response(PREFIX)

    @endpoint(
        "GET",
        "/docs",
        Operation(summary="This description, to read", callers=("anybody",), answer={}, content="text/html"),
        PREFIX,
    )
    def ade_page(self, _call):
        """The document as a page that needs nothing from elsewhere."""
        return page_response(PREFIX)
