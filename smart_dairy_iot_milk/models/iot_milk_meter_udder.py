"""At what temperature a meter's conductivity holds."""

from odoo import fields, models


class IotMilkMeter(models.Model):
    _inherit = "iot.milk_meter"

    conductivity_reported_at = fields.Selection(
        [("25", "25 °C"), ("milk", "The milk's temperature")],
        required=True,
        default="25",
        help="Most meters convert their conductivity to 25 °C themselves. Of one that does not, it is converted here, "
        "by the milk's temperature and the farm's conductivity per degree.",
    )

    def _conductivity_factor(self, temperature):
        """What a conductivity has to be multiplied with to hold at 25 °C.

        :param temperature: of the milk in °C, 0 where it was not measured
        """
        if self.conductivity_reported_at != "milk" or not temperature:
            return 1.0
        return 1 / (1 + self.farm_id.conductivity_per_degree * (temperature - 25))
