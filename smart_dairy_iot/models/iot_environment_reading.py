"""Readings of the devices without a table of their own: gates, waterers and environmental sensors."""

from odoo import fields, models


class IotEnvironmentReading(models.Model):
    _name = "iot.environment.reading"
    _description = "Environment Reading"
    _inherit = "iot.telemetry.mixin"
    _auto = False

    _device_types = ("gate", "waterer", "environmental")
    _payload = {
        "event": "event",
        "position": "position",
        "animal_ref": "animal_id",
        "rfid_tag": "rfid_tag",
        "volume_liters": "volume_liters",
        "flow_rate": "flow_rate",
        "temperature": "temperature",
        "humidity": "humidity",
        "co2_ppm": "co2_ppm",
        "nh3_ppm": "nh3_ppm",
        "thi": "thi",
        "light_lux": "light_lux",
        "wind_speed": "wind_speed",
        "rain_mm": "rain_mm",
    }
    _rollup_columns = ("volume_liters", "temperature", "humidity", "co2_ppm", "nh3_ppm", "thi", "light_lux")
    # Light is 0 all night, ammonia where there is none; a gate and a waterer say the same when nothing happens.
    _varying_columns = ("temperature", "humidity", "co2_ppm", "thi")

    event = fields.Selection([("opened", "Opened"), ("closed", "Closed"), ("passage", "Passage")], readonly=True)
    position = fields.Char(readonly=True)
    animal_ref = fields.Char(string="Animal", readonly=True, help="The animal's number as the device sent it")
    rfid_tag = fields.Char(string="RFID Tag", readonly=True)
    volume_liters = fields.Float(string="Volume (L)", readonly=True)
    flow_rate = fields.Float(string="Flow (L/min)", readonly=True, group_operator="avg")
    temperature = fields.Float(string="Temperature (°C)", readonly=True, group_operator="avg")
    humidity = fields.Float(string="Relative Humidity (%)", readonly=True, group_operator="avg")
    co2_ppm = fields.Float(string="CO2 (ppm)", readonly=True, group_operator="avg")
    nh3_ppm = fields.Float(string="NH3 (ppm)", readonly=True, group_operator="avg")
    thi = fields.Float(string="Temperature-Humidity Index", readonly=True, group_operator="avg")
    light_lux = fields.Float(string="Light (lx)", readonly=True, group_operator="avg")
    wind_speed = fields.Float(string="Wind (m/s)", readonly=True, group_operator="avg")
    rain_mm = fields.Float(string="Rain (mm)", readonly=True)
