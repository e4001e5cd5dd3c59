"""Readings of temperature sensors: barn, cold storage, transport, and the bulk tank."""

from odoo import fields, models


class IotTemperatureReading(models.Model):
    _name = "iot.temperature.reading"
    _description = "Temperature Reading"
    _inherit = "iot.telemetry.mixin"
    _auto = False

    _device_types = ("temperature",)
    _payload = {
        "temperature": "temperature",
        "humidity": "humidity",
        "location": "location",
        "location_type": "location_type",
        "battery_level": "battery_level",
        "signal_strength": "signal_strength",
    }
    _rollup_columns = ("temperature", "humidity")
    _varying_columns = ("temperature", "humidity")

    temperature = fields.Float(string="Temperature (°C)", readonly=True, group_operator="avg")
    humidity = fields.Float(string="Relative Humidity (%)", readonly=True, group_operator="avg")
    location = fields.Char(readonly=True)
    location_type = fields.Selection(
        [
            ("bulk_tank", "Bulk Tank"),
            ("cold_storage", "Cold Storage"),
            ("transport", "Transport"),
            ("barn", "Barn"),
            ("processing", "Processing"),
        ],
        readonly=True,
    )
    battery_level = fields.Float(string="Battery (%)", readonly=True, group_operator="min")
    signal_strength = fields.Float(string="Signal (dBm)", readonly=True, group_operator="avg")
