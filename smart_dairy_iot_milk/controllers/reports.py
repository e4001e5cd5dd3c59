"""Reports of a farm's milk as files for spreadsheets."""

from werkzeug.exceptions import BadRequest, NotFound

from odoo.http import Controller, content_disposition, request, route

from ..exchange.workbook import csv_file, xlsx

_WRITERS = {
    "xlsx": (xlsx, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "csv": (csv_file, "text/csv; charset=utf-8"),
}


class MilkReportController(Controller):
    @route("/milk/report/<string:name>.<string:file_format>", type="http", auth="user", methods=["GET"])
    def report(self, name, file_format, id=""):
        """The report that a user has chosen in his `milk.report.wizard`.

        :param name: the report
        :param id: of the wizard
        """
        if file_format not in _WRITERS or not id.isascii() or not id.isdigit() or len(id) > 9:
            raise BadRequest()
        wizards = request.env["milk.report.wizard"]
        # A user sees his own wizards alone; the figures are read with his rights, too.
        wizard = wizards.search([("id", "=", int(id)), ("create_uid", "=", request.env.uid), ("report", "=", name)])
        if not wizard:
            raise NotFound()
        write, mime_type = _WRITERS[file_format]
        return request.make_response(
            write(wizard._make()),
            headers=[
                ("Content-Type", mime_type),
                ("Content-Disposition", content_disposition(f"{wizard._file_name()}.{file_format}")),
                ("Cache-Control", "no-store"),
            ],
        )
