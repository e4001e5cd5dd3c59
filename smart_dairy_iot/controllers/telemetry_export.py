"""Readings of a span of time as one file, for archives."""

from datetime import datetime

from werkzeug.exceptions import BadRequest, Forbidden

from odoo.exceptions import UserError
from odoo.http import Controller, Response, content_disposition, request, route

from ..models.iot_telemetry_export import ExportSpan
from ..telemetry.export import MIME_TYPES, PAGE, formats, pieces


class TelemetryExportController(Controller):
    @route("/iot/telemetry/export", type="http", auth="user", methods=["GET"])
    def export(self, kind="", since="", until="", farm="", file_format="csv"):
        """The readings of one kind that the user may see, in the order of time.

        :param kind: the telemetry model
        :param since: the first moment, ISO 8601 of UTC; `until` is the first that is left out
        :param farm: database id of a farm, or empty for all
        :param file_format: one of `formats()`
        """
        if not request.env.user.has_group("smart_dairy_farm.group_farm_manager"):
            raise Forbidden()
        readings, span = _asked(kind, since, until, farm, file_format)
        try:
            readings._check_fits_file(span)
        except UserError as error:
            # Odoo's own answer to it is another one in each series.
            raise BadRequest(str(error)) from error
        # The first page is read now, so that what is wrong is an error and not a broken file.
        first = readings._export_page(span, None, PAGE)
        name = f"{readings._table}_{span.since:%Y%m%d}_{span.until:%Y%m%d}.{file_format}"
        return Response(
            pieces(file_format, readings._export_columns(), readings._export_pages(span, PAGE, first)),
            headers=[
                ("Content-Type", MIME_TYPES[file_format]),
                ("Content-Disposition", content_disposition(name)),
                ("Cache-Control", "no-store"),
            ],
            direct_passthrough=True,
        )


def _asked(kind, since, until, farm, file_format):
    try:
        span = ExportSpan(datetime.fromisoformat(since), datetime.fromisoformat(until), int(farm) if farm else None)
    except ValueError as error:
        raise BadRequest() from error
    kinds = {spec.model for spec in request.env["iot.settings"]._telemetry_specs()}
    if kind not in kinds or file_format not in formats():
        raise BadRequest()
    return request.env[kind], span
