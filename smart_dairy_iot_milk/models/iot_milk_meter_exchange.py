"""The meter of milkings that another system measured."""

from odoo import _, api, models

_IMPORTED = "ADE"


class IotMilkMeter(models.Model):
    _inherit = "iot.milk_meter"

    @api.model
    def _of_visit(self, farm, visit):
        """The farm's meter that a milking visit names by its device ID, else the farm's one for imported milkings."""
        known = [name for name in (visit.measure_device_id, visit.milking_device_id) if name]
        everything = self.with_context(active_test=False)
        of_farm = [("farm_id", "=", farm.id)]
        found = everything.search([*of_farm, ("device_id", "in", known)]) if known else everything.browse()
        measured = found.filtered(lambda meter: meter.device_id == visit.measure_device_id)
        return (measured or found)[:1] or everything._imported(farm)

    def _imported(self, farm):
        """A meter that is none: it is never provisioned, and sends nothing."""
        # A device ID has room for 64 letters.
        device_id = f"{_IMPORTED}-{farm.code}" if len(farm.code) <= 60 else f"{_IMPORTED}-{farm.id}"
        meter = self.search([("device_id", "=", device_id), ("farm_id", "=", farm.id)], limit=1)
        return meter or self.create(
            {
                "name": _("Imported milkings"),
                "device_id": device_id,
                "farm_id": farm.id,
                "manufacturer": "other",
                "communication_type": "api",
                "uses_mqtt": False,
                "has_rfid_reader": False,
                "has_conductivity": False,
                "has_temperature": False,
                "has_flow_sensor": False,
            }
        )
