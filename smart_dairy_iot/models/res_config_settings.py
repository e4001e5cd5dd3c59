"""The settings page of the platform. Environment and Odoo's configuration file win over what is typed here.

The page says of each setting where that is so, and which value is in force; of a password only that there is one.
"""

import re

from odoo import _, api, fields, models
from odoo.exceptions import AccessError, ValidationError

from ..bridge.config import URLS, Config, ConfigError, check_value, value_range
from ..bridge.topics import DEVICE_TYPE_PATHS
from ..provisioning.connection_test import find_problems

PREFIX = "iot."
BOOLEANS = ("mqtt_use_tls", "bridge_enabled")
PASSWORDS = (
    "mqtt_admin_password",
    "mqtt_bridge_password",
    "mqtt_auth_db_password",
    "emqx_api_password",
    "emqx_webhook_password",
)
DEVICE_ID_PATTERNS = tuple(f"device_id_pattern_{device_type}" for device_type in DEVICE_TYPE_PATHS)
TELEMETRY_TABLES = (
    "milk_production_realtime",
    "iot_temperature_reading",
    "iot_activity_reading",
    "iot_feeding_event",
    "iot_environment_reading",
)
NUMBERS = (
    "mqtt_broker_port",
    "mqtt_device_port",
    "mqtt_certificate_port",
    "mqtt_auth_db_port",
    "password_grace_hours",
    "bridge_batch_size",
    "bridge_flush_ms",
    "bridge_receive_maximum",
    "telemetry_retention_days",
    "dead_letters_per_hour",
    "dead_letter_retention_days",
    "api_requests_per_minute",
    "api_failed_logins_per_minute",
    "api_max_body_kb",
    "api_audit_days",
    "offline_minutes",
    *(f"offline_minutes_{device_type}" for device_type in DEVICE_TYPE_PATHS),
    *(f"telemetry_retention_days_{table}" for table in TELEMETRY_TABLES),
)
ZERO_MEANS_ZERO = ("password_grace_hours",)
"""Numbers of which Odoo must not take 0 for "not set"."""


def _number(name, **attributes):
    return fields.Integer(config_parameter=f"{PREFIX}{name}", default=getattr(Config, name), **attributes)


def _text(name, **attributes):
    return fields.Char(config_parameter=f"{PREFIX}{name}", default=getattr(Config, name), **attributes)


def _password(string):
    return fields.Char(string=string, compute="_compute_passwords", inverse="_inverse_passwords")


def _offline_minutes(device_type, string):
    return _number(f"offline_minutes_{device_type}", string=string)


def _retention(table, string):
    return _number(f"telemetry_retention_days_{table}", string=string)


def _id_pattern(device_type):
    return fields.Char(config_parameter=f"{PREFIX}device_id_pattern_{device_type}")


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    mqtt_broker_type = fields.Selection(
        [("mosquitto", "Mosquitto (dynamic security)"), ("emqx", "EMQX (PostgreSQL authentication)")],
        config_parameter=f"{PREFIX}mqtt_broker_type",
        default=Config.mqtt_broker_type,
    )
    mqtt_broker_type_in_force = fields.Char(compute="_compute_iot_overrides")
    mqtt_broker_host = _text("mqtt_broker_host", string="Broker Host")
    mqtt_broker_port = _number("mqtt_broker_port", string="Broker Port")
    mqtt_device_host = _text("mqtt_device_host", string="Broker Host for Devices")
    mqtt_device_port = _number("mqtt_device_port", string="Broker Port for Devices")
    mqtt_certificate_port = _number("mqtt_certificate_port", string="Broker Port for Certificates")
    mqtt_use_tls = fields.Boolean(string="Use TLS")
    mqtt_ca_file = _text("mqtt_ca_file", string="CA File")
    mqtt_admin_username = _text("mqtt_admin_username", string="Administrator")
    mqtt_admin_password = _password("Administrator's Password")
    mqtt_bridge_username = _text("mqtt_bridge_username", string="Bridge User")
    mqtt_bridge_client_id = _text("mqtt_bridge_client_id", string="Bridge Client ID")
    mqtt_bridge_password = _password("Bridge Password")
    mqtt_auth_db_host = _text("mqtt_auth_db_host", string="Authentication Database Host")
    mqtt_auth_db_port = _number("mqtt_auth_db_port", string="Authentication Database Port")
    mqtt_auth_db_name = _text("mqtt_auth_db_name", string="Authentication Database")
    mqtt_auth_db_user = _text("mqtt_auth_db_user", string="Authentication Database User")
    mqtt_auth_db_password = _password("Authentication Database Password")
    emqx_api_url = _text("emqx_api_url", string="EMQX API Address")
    emqx_api_key = _text("emqx_api_key", string="EMQX API Key")
    emqx_api_password = _password("EMQX API Secret Key")
    emqx_webhook_password = _password("EMQX Webhook Secret")
    emqx_webhook_address = fields.Char(string="EMQX Webhook Address", compute="_compute_emqx_webhook_address")
    password_grace_hours = _number("password_grace_hours", string="Hours of Grace")
    device_ca_dir = _text("device_ca_dir", string="Device CA Directory")
    bridge_enabled = fields.Boolean(string="Run the Bridge")
    bridge_batch_size = _number("bridge_batch_size", string="Batch Size")
    bridge_flush_ms = _number("bridge_flush_ms", string="Longest Wait for a Batch")
    bridge_receive_maximum = _number("bridge_receive_maximum", string="Messages in Flight")
    offline_minutes = _number("offline_minutes", string="Offline After")
    offline_minutes_milk_meter = _offline_minutes("milk_meter", "Milk Meters Offline After")
    offline_minutes_temperature = _offline_minutes("temperature", "Temperature Sensors Offline After")
    offline_minutes_collar = _offline_minutes("collar", "Collars Offline After")
    offline_minutes_feeder = _offline_minutes("feeder", "Feeders Offline After")
    offline_minutes_gate = _offline_minutes("gate", "Gates Offline After")
    offline_minutes_waterer = _offline_minutes("waterer", "Waterers Offline After")
    offline_minutes_environmental = _offline_minutes("environmental", "Environmental Sensors Offline After")
    api_requests_per_minute = _number("api_requests_per_minute", string="API Requests per Minute")
    api_failed_logins_per_minute = _number("api_failed_logins_per_minute", string="Failed API Logins per Minute")
    api_max_body_kb = _number("api_max_body_kb", string="Largest API Request")
    api_audit_days = _number("api_audit_days", string="Keep API Requests")
    telemetry_retention_days = _number("telemetry_retention_days", string="Keep Readings")
    telemetry_retention_days_milk_production_realtime = _retention(
        "milk_production_realtime", "Keep Readings of Milk Meters"
    )
    telemetry_retention_days_iot_temperature_reading = _retention("iot_temperature_reading", "Keep Temperatures")
    telemetry_retention_days_iot_activity_reading = _retention("iot_activity_reading", "Keep Activity")
    telemetry_retention_days_iot_feeding_event = _retention("iot_feeding_event", "Keep Feeding")
    telemetry_retention_days_iot_environment_reading = _retention("iot_environment_reading", "Keep Environment")
    dead_letters_per_hour = _number("dead_letters_per_hour", string="Dead Letters Stored per Hour")
    dead_letter_retention_days = _number("dead_letter_retention_days", string="Keep Dead Letters")

    device_id_pattern_milk_meter = _id_pattern("milk_meter")
    device_id_pattern_temperature = _id_pattern("temperature")
    device_id_pattern_collar = _id_pattern("collar")
    device_id_pattern_feeder = _id_pattern("feeder")
    device_id_pattern_gate = _id_pattern("gate")
    device_id_pattern_waterer = _id_pattern("waterer")
    device_id_pattern_environmental = _id_pattern("environmental")

    iot_overrides = fields.Json(
        compute="_compute_iot_overrides", help="{setting: {source, value}} of what the server's own settings decide."
    )

    @api.constrains(*NUMBERS, *URLS)
    def _check_iot_values(self):
        for settings in self:
            for name in (*NUMBERS, *URLS):
                try:
                    check_value(name, settings[name] or type(getattr(Config, name))())
                except ConfigError as error:
                    raise ValidationError(settings._iot_value_problem(name)) from error

    def _iot_value_problem(self, name):
        label = self._fields[name]._description_string(self.env)
        bounds = value_range(name)
        if bounds:
            return _(
                "“%(setting)s” must be from %(least)s to %(most)s.", setting=label, least=bounds[0], most=bounds[1]
            )
        return _("“%s” is an address such as http://localhost:18083/api/v5, without a password in it.", label)

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

    # The page is opened as a new record, of which Odoo computes only what depends on something.
    @api.depends("mqtt_broker_type")
    def _compute_iot_overrides(self):
        self._check_may_change_settings()
        shown = {
            # Of a password nobody is told more than that there is one.
            name: {"source": source, "value": None if "password" in name else text}
            for name, (source, text) in self.env["iot.settings"]._overrides().items()
        }
        for settings in self:
            settings.iot_overrides = shown
            decided = shown.get("mqtt_broker_type")
            settings.mqtt_broker_type_in_force = decided["value"] if decided else settings.mqtt_broker_type

    @api.model
    def _check_may_change_settings(self):
        """What is computed of a form that is not stored, and what a button does, Odoo gives to everybody."""
        if not self.env.user._is_system():
            raise AccessError(_("The settings of the platform are for those who may change them."))

    @api.depends("mqtt_broker_type")
    def _compute_emqx_webhook_address(self):
        for settings in self:
            settings.emqx_webhook_address = f"{settings.get_base_url()}/iot/emqx/webhook"

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
        for name in ZERO_MEANS_ZERO:
            self.env["ir.config_parameter"].set_param(f"{PREFIX}{name}", str(self[name]))
        return result

    def action_test_iot_connections(self):
        """Ask the broker, and what else provisioning talks to, with the settings in force; nothing is changed there."""
        self._check_may_change_settings()
        problems = find_problems(self.env["iot.settings"]._get_config())
        names = {"broker": _("broker"), "database": _("authentication database"), "api": _("REST API")}
        answering = [names[part] for part, problem in problems.items() if not problem]
        sentences = [problem for problem in problems.values() if problem]
        if answering:
            sentences.append(_("In order: %s.", ", ".join(answering)))
        failed = any(problems.values())
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "title": _("Connection Test"),
                "message": " ".join(sentences),
                "type": "danger" if failed else "success",
                "sticky": failed,
            },
        }
