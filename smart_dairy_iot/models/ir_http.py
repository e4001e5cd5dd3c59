"""Errors of the REST API are JSON even where the request does not get as far as one of its endpoints."""

from werkzeug.exceptions import HTTPException

from odoo import models
from odoo.http import request

from ..controllers.api.apis import api_at
from ..controllers.api.dispatcher import ApiDispatcher


class IrHttp(models.AbstractModel):
    _inherit = "ir.http"

    @classmethod
    def _match(cls, path):
        try:
            return super()._match(path)
        except HTTPException as error:
            if error.code and cls._is_of_api():
                # 19.0 asks nobody how to answer a method that an address does not take. Nor has anybody looked whether
                # the language that was asked for is installed.
                request.update_context(lang=None)
                error.error_response = cls._handle_error(error)
            raise

    @classmethod
    def _handle_error(cls, exception):
        if cls._is_of_api():
            return ApiDispatcher(request).handle_error(exception)
        return super()._handle_error(exception)

    @classmethod
    def _is_of_api(cls):
        return api_at(request.httprequest.path) is not None
