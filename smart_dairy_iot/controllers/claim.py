"""Where the QR code on a device's label leads: to claim the device, or to its form."""

from odoo import _
from odoo.http import Controller, request, route


class ClaimController(Controller):
    @route("/iot/claim", type="http", auth="user", methods=["GET"])
    def claim_by_hand(self, code=None):
        """Ask for the code, for who cannot read the QR code with his phone."""
        return self.claim(code) if code else self._page()

    @route("/iot/claim/<string:code>", type="http", auth="user", methods=["GET"])
    def claim(self, code):
        """Open the device of a label: its form, or the form to claim it while it waits for that.

        Whatever is not the user's to see gets one and the same answer, whether there is such a device or not.
        """
        devices = request.env["iot.device"]
        waiting = devices._claimable(code)
        if waiting:
            wizard = request.env["iot.device.claim.wizard"].create({"claim_code": waiting.claim_code})
            return self._form("smart_dairy_iot.iot_device_claim_action", wizard)
        device = devices._visible_by_claim_code(code)
        if device:
            return self._form("smart_dairy_iot.iot_device_action", device)
        if request.env.user.has_group("smart_dairy_farm.group_farm_manager"):
            message = _("There is no device with this code that you may see or claim. Is it typed as on the label?")
        else:
            message = _("This code opens no device that you may see. A new device is claimed by a farm manager.")
        return self._page(message, status=404)

    def _form(self, action, record):
        return request.redirect(f"/web#action={action}&id={record.id}&view_type=form")

    def _page(self, message=None, status=200):
        response = request.render("smart_dairy_iot.claim_page", {"message": message})
        response.status_code = status
        return response
