"""What the bridge's process keeps in memory is read again as soon as a change of it is committed."""

from odoo import api, models


class IotRegistryMixin(models.AbstractModel):
    """Of models that the bridge, or a worker beside it, reads by SQL and keeps: schemas, meters, register maps."""

    _name = "iot.registry.mixin"
    _description = "What the Bridge Knows"

    @api.model_create_multi
    def create(self, vals_list):
        records = super().create(vals_list)
        records._tell_bridge()
        return records

    def write(self, vals):
        result = super().write(vals)
        self._tell_bridge()
        return result

    def unlink(self):
        result = super().unlink()
        self._tell_bridge()
        return result

    def _tell_bridge(self):
        """Where there is something to tell: code that sees to many devices often has none to see to."""
        if self:
            self.env["iot.settings"]._notify_registry()
