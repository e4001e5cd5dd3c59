"""The poller hears of changes to what it polls, and how, as soon as they are committed."""

from odoo import api, models


class IotModbusRegistryMixin(models.AbstractModel):
    _name = "iot.modbus.registry.mixin"
    _description = "What the Modbus Poller Reads"

    @api.model_create_multi
    def create(self, vals_list):
        records = super().create(vals_list)
        self.env["iot.settings"]._notify_registry()
        return records

    def write(self, vals):
        result = super().write(vals)
        self.env["iot.settings"]._notify_registry()
        return result

    def unlink(self):
        result = super().unlink()
        self.env["iot.settings"]._notify_registry()
        return result
