"""What the bridge's process keeps in memory is read again as soon as a change of it is committed."""

from odoo import api, models


class IotRegistryMixin(models.AbstractModel):
    """Of models that the bridge, or a worker beside it, reads by SQL and keeps: schemas, meters, register maps."""

    _name = "iot.registry.mixin"
    _description = "What the Bridge Knows"

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
