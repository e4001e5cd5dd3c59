"""The sheets of labels of chosen devices, as a PDF."""

from werkzeug.exceptions import BadRequest, Forbidden, NotFound

from odoo.http import Controller, content_disposition, request, route

from ..labels import draw_labels


class LabelsController(Controller):
    @route("/iot/labels", type="http", auth="user", methods=["POST"])
    def labels(self, ids="", **_token):
        """A label for each device, in the order of registration: that of the box they came in.

        :param ids: database ids, separated by commas; sent as a form, since an address has no room for thousands
        """
        if not request.env.user.has_group("smart_dairy_farm.group_farm_manager"):
            raise Forbidden()
        try:
            asked = [int(number) for number in ids.split(",")]
        except ValueError as error:
            raise BadRequest() from error
        devices = request.env["iot.device"].with_context(active_test=False).search([("id", "in", asked)], order="id")
        if not devices:
            raise NotFound()
        return request.make_response(
            draw_labels(devices._labels()),
            headers=[
                ("Content-Type", "application/pdf"),
                ("Content-Disposition", content_disposition("device_labels.pdf")),
                ("Cache-Control", "no-store"),
            ],
        )
