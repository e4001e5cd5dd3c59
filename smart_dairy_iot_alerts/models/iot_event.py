"""Each new event meets the rules."""

from odoo import models


class IotEvent(models.Model):
    _inherit = "iot.event"

    def _on_recorded(self):
        result = super()._on_recorded()
        self.env["iot.alert.rule"]._apply(self)
        return result
