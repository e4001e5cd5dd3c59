from odoo import api, models

from ..modbus.poller import poller_for


class IotSettings(models.AbstractModel):
    _inherit = "iot.settings"

    @api.model
    def _workers(self, context):
        """Beside the others the poller of the Modbus meters."""
        return [*super()._workers(context), poller_for(context)]
