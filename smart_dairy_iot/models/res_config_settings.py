"""The settings page of the platform. Environment and Odoo's configuration file win over what is typed here."""

import re

from odoo import _, api, fields, models
from odoo.exceptions import ValidationError

from ..bridge.config import Config
from ..bridge.topics import DEVICE_TYPE_PATHS

PREFIX = "iot."
BOOLEANS = ("mqtt_use_tls", "bridge_enabled")
PASSWORDS = ("mqtt_admin_password", "mqtt_bridge_password")
DEVICE_ID_PATTERNS = tuple(f"device_id_pattern_{device_type}" for device_type in DEVICE_TYPE_PATHS)


def _number(name, **attributes):
    return fields.Integer(config_parameter=f"{PREFIX}{name}", default=getattr(Config, name), **attributes)


def _text(name, **attributes):
    return fields.Char(config_parameter=f"{PREFIX}{name}", default=getattr(Config, name), **attributes)


def _id_pattern(device_type):
    return fields.Char(config_parameter=f"{PREFIX}device_id_pattern_{device_type}")


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    mqtt_broker_type = fields.Selection(
        [("mosquitto", "Mosquitto (dynamic security)")],
        config_parameter=f"{PREFIX}mqtt_broker_type",
        default=Config.mqtt_broker_type,
    )
    mqtt_broker_host = _text("mqtt_broker_host", string="Broker Host")
    mqtt_broker_port = _number("mqtt_broker_port", string="Broker Port")
    mqtt_use_tls = fields.Boolean(string="Use TLS")
    mqtt_ca_file = _text("mqtt_ca_file", string="CA File")
    mqtt_admin_username = _text("mqtt_admin_username", string="Administrator")
    mqtt_admin_password = fields.Char(
        string="Administrator's Password", compute="_compute_passwords", inverse="_inverse_passwords"
    )
    mqtt_bridge_username = _text("mqtt_bridge_username", string="Bridge User")
    mqtt_bridge_client_id = _text("mqtt_bridge_client_id", string="Bridge Client ID")
    mqtt_bridge_password = fields.Char(
        string="Bridge Password", compute="_compute_passwords", inverse="_inverse_passwords"
    )
    bridge_enabled = fields.Boolean(string="Run the Bridge")
    bridge_batch_size = _number("bridge_batch_size", string="Batch Size")
    bridge_flush_ms = _number("bridge_flush_ms", string="Longest Wait for a Batch")
    bridge_receive_maximum = _number("bridge_receive_maximum", string="Messages in Flight")
    offline_minutes = _number("offline_minutes", string="Offline After")
    telemetry_retention_days = _number("telemetry_retention_days", string="Keep Readings")

    device_id_pattern_milk_meter = _id_pattern("milk_meter")
    device_id_pattern_temperature = _id_pattern("temperature")
    device_id_pattern_collar = _id_pattern("collar")
    device_id_pattern_feeder = _id_pattern("feeder")
    device_id_pattern_gate = _id_pattern("gate")
    device_id_pattern_waterer = _id_pattern("waterer")
    device_id_pattern_environmental = _id_pattern("environmental")

    @api.constrains(*DEVICE_ID_PATTERNS)
    def _check_device_id_patterns(self):
        for settings in self:
            for pattern in filter(None, (settings[name] for name in DEVICE_ID_PATTERNS)):
                try:
                    re.compile(pattern)
                except re.error as error:
                    raise ValidationError(
                        _("“%(pattern)s” is no regular expression: %(error)s", pattern=pattern, error=error)
                    ) from error

    def _compute_passwords(self):
        """A password can be typed, and never read back."""
        for settings in self:
            for name in PASSWORDS:
                settings[name] = False

    def _inverse_passwords(self):
        parameters = self.env["ir.config_parameter"]
        for settings in self:
            for name in PASSWORDS:
                if settings[name]:
                    parameters.set_param(f"{PREFIX}{name}", settings[name])

    @api.model
    def get_values(self):
        values = super().get_values()
        parameters = self.env["ir.config_parameter"]
        for name in BOOLEANS:
            text = parameters.get_param(f"{PREFIX}{name}")
            values[name] = text == "true" if text else getattr(Config, name)
        return values

    def set_values(self):
        result = super().set_values()
        # Odoo deletes a parameter that is false; here a missing one means the default, which is true.
        for name in BOOLEANS:
            self.env["ir.config_parameter"].set_param(f"{PREFIX}{name}", "true" if self[name] else "false")
        return result
