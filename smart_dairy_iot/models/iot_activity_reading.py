"""Readings of activity collars."""

from odoo import fields, models


class IotActivityReading(models.Model):
    _name = "iot.activity.reading"
    _description = "Activity Reading"
    _inherit = "iot.telemetry.mixin"
    _auto = False

    _device_types = ("collar",)
    _payload = {
        "animal_ref": "animal_id",
        "activity_level": "activity_level",
        "rumination_minutes": "rumination_minutes",
        "lying_time_minutes": "lying_time_minutes",
        "standing_time_minutes": "standing_time_minutes",
        "steps": "steps",
        "latitude": "location.latitude",
        "longitude": "location.longitude",
        "zone": "location.zone",
        "temperature": "temperature",
        "heart_rate": "heart_rate",
        "battery_level": "battery_level",
    }
    _rollup_columns = ("activity_level", "rumination_minutes", "lying_time_minutes", "steps")
    # A collar that nobody wears tells the same activity for ever.
    _varying_columns = ("activity_level",)

    animal_ref = fields.Char(string="Animal", readonly=True, help="The animal's number as the collar sent it")
    activity_level = fields.Integer(readonly=True, group_operator="avg", help="Activity index of the collar, 0 to 100")
    rumination_minutes = fields.Integer(string="Rumination (min)", readonly=True)
    lying_time_minutes = fields.Integer(string="Lying (min)", readonly=True)
    standing_time_minutes = fields.Integer(string="Standing (min)", readonly=True)
    steps = fields.Integer(readonly=True)
    # A centimetre, which is more than a collar knows, and less than a `real` could tell.
    latitude = fields.Float(readonly=True, group_operator=False, digits=(10, 7))
    longitude = fields.Float(readonly=True, group_operator=False, digits=(10, 7))
    zone = fields.Char(readonly=True)
    temperature = fields.Float(string="Temperature (°C)", readonly=True, group_operator="avg")
    heart_rate = fields.Integer(string="Heart Rate (1/min)", readonly=True, group_operator="avg")
    battery_level = fields.Float(string="Battery (%)", readonly=True, group_operator="min")
