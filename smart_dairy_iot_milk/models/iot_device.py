"""What the register of devices has to know of milk meters."""

from odoo import models

from .iot_milk_meter import MANUFACTURERS


class IotDevice(models.Model):
    _inherit = "iot.device"

    def _replace_hardware(self, successor, reason, removed_on):
        """A meter's make decides how it is read, and its factors are those of the hardware that was calibrated."""
        result = super()._replace_hardware(successor, reason, removed_on)
        makers = {label.lower(): key for key, label in MANUFACTURERS}
        meters = self.env["iot.milk_meter"].with_context(active_test=False)
        meters.search([("iot_device_id", "in", self.ids)]).write(
            {
                "manufacturer": makers.get((successor.get("manufacturer") or "").strip().lower(), "other"),
                "model_number": successor.get("model"),
                "flow_calibration_factor": 1.0,
                "conductivity_baseline": False,
                "last_calibration": False,
            }
        )
        return result
