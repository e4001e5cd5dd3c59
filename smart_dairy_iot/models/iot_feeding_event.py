"""What feed dispensers gave, to which animal, and how full their bins are."""

from odoo import fields, models


class IotFeedingEvent(models.Model):
    _name = "iot.feeding.event"
    _description = "Feeding Event"
    _inherit = "iot.telemetry.mixin"
    _auto = False

    _device_types = ("feeder",)
    _payload = {
        "animal_ref": "animal_id",
        "rfid_tag": "rfid_tag",
        "feed_type": "feed_type",
        "quantity_kg": "quantity_kg",
        "duration_seconds": "duration_seconds",
        "bin_level_percent": "bin_level_percent",
        "status": "status",
    }
    _rollup_columns = ("quantity_kg", "bin_level_percent")

    animal_ref = fields.Char(string="Animal", readonly=True, help="The animal's number as the dispenser sent it")
    rfid_tag = fields.Char(string="RFID Tag", readonly=True)
    feed_type = fields.Char(readonly=True)
    quantity_kg = fields.Float(string="Quantity (kg)", readonly=True)
    duration_seconds = fields.Integer(string="Duration (s)", readonly=True)
    bin_level_percent = fields.Float(string="Bin Level (%)", readonly=True, group_operator="min")
    status = fields.Selection(
        [
            ("idle", "Idle"),
            ("dispensing", "Dispensing"),
            ("error", "Error"),
            ("maintenance", "Maintenance"),
        ],
        readonly=True,
    )
