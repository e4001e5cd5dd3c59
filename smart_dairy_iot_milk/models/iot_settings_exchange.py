"""What the platform tells of itself in exchanged data, and what a litre of milk weighs."""

import uuid

from odoo import _, api, models
from odoo.exceptions import UserError

from ..exchange.units import DENSITY_KG_PER_L

#: Nothing that a cow gives is lighter or heavier.
_LIGHTEST, _HEAVIEST = 0.95, 1.1


class IotSettings(models.AbstractModel):
    _inherit = "iot.settings"

    @api.model
    def _milk_density(self):
        """Kilograms per litre of milk: the system parameter `iot.milk_density_kg_per_l`.

        :raises UserError: where it is none
        """
        text = self._exchange_parameter("iot.milk_density_kg_per_l")
        try:
            density = float(text) if text else DENSITY_KG_PER_L
        except ValueError:
            density = 0.0
        if not _LIGHTEST <= density <= _HEAVIEST:
            raise UserError(_("The system parameter iot.milk_density_kg_per_l has to be kilograms per litre: %s", text))
        return density

    @api.model
    def _ade_source(self):
        """What this platform calls itself where ADE asks for a source: `iot.ade_source`, a URI or a reversed domain."""
        return self._exchange_parameter("iot.ade_source") or f"urn:uuid:{self._database_uuid()}"

    @api.model
    def _database_uuid(self):
        return uuid.UUID(self._exchange_parameter("database.uuid"))

    @api.model
    def _exchange_parameter(self, key):
        # Readable for administrators only; these are told to everybody who exchanges data.
        return self.env["ir.config_parameter"].sudo().get_param(key)
