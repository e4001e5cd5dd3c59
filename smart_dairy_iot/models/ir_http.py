"""Errors of the REST API are JSON even where the request does not get as far as one of its endpoints."""

from odoo import models
from odoo.http import request

from ..controllers.api.dispatcher import PREFIX, ApiDispatcher


class IrHttp(models.AbstractModel):
    _inherit = "ir.http"

    @classmethod
    def _handle_error(cls, exception):
        path = request.httprequest.path
        if path == PREFIX or path.startswith(f"{PREFIX}/"):
            return ApiDispatcher(request).handle_error(exception)
        return super()._handle_error(exception)
