from odoo import api, models


class IotInbox(models.Model):
    _inherit = "iot.inbox"

    @api.model
    def _handlers(self):
        return {
            **super()._handlers(),
            "milk_meter_data": ("milk.session", "_react_meter_data"),
            "milk_meter_unreadable": ("iot.milk_meter.state", "_react_unreadable"),
        }
