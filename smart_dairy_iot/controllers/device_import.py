"""The empty file to import devices from."""

from odoo.http import Controller, content_disposition, request, route

from ..device_import.columns import template_file

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class DeviceImportController(Controller):
    @route("/iot/import/template", type="http", auth="user", methods=["GET"])
    def template(self):
        """The file with all columns, an example and their explanation; nothing of the database is in it."""
        return request.make_response(
            template_file(),
            headers=[("Content-Type", XLSX), ("Content-Disposition", content_disposition("devices.xlsx"))],
        )
