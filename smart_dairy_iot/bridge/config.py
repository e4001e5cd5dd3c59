"""Settings of the IoT platform: environment over the section `[smart_dairy_iot]` of Odoo's file over settings page.

In the environment a key is written `SMART_DAIRY_MQTT_BROKER_HOST`, in the file `mqtt_broker_host`, among Odoo's system
parameters `iot.mqtt_broker_host`.
"""

import configparser
import os
import re
from dataclasses import dataclass, fields
from urllib.parse import urlsplit

SECTION = "smart_dairy_iot"

RANGES = {
    "mqtt_broker_port": (1, 65535),
    "mqtt_device_port": (0, 65535),
    "mqtt_certificate_port": (0, 65535),
    "mqtt_auth_db_port": (1, 65535),
    "metrics_port": (0, 65535),
    "password_grace_hours": (0, 24 * 30),
    "bridge_batch_size": (1, 100_000),
    "bridge_flush_ms": (1, 60_000),
    # Packet ids have 16 bits, and those under way at once have to stay well below that.
    "bridge_receive_maximum": (1, 32767),
    "telemetry_retention_days": (1, 365 * 100),
    "dead_letters_per_hour": (1, 1_000_000),
    "dead_letter_retention_days": (1, 365 * 100),
    "offline_minutes": (1, 60 * 24 * 365),
    "api_requests_per_minute": (1, 1_000_000),
    "api_failed_logins_per_minute": (1, 1_000_000),
    "api_max_body_kb": (1, 128 * 1024),
    "api_audit_days": (1, 365 * 100),
}
"""The least and the most that a number can be; where a type of device or reading has one of its own, 0 is good."""

_SHARE_GROUP = re.compile(r"[A-Za-z0-9_-]{1,64}")
URLS = ("emqx_api_url",)
BROKER_TYPES = ("mosquitto", "emqx")


class ConfigError(ValueError):
    """A setting has a value that it cannot have."""


@dataclass(frozen=True)
class Config:
    """Every setting with its default. Intervals in the unit that the name says; a port of 0 means none.

    An `offline_minutes_…` or a `telemetry_retention_days_…` of 0 stands for the general one.
    """

    mqtt_broker_type: str = "mosquitto"
    mqtt_broker_host: str = "localhost"
    mqtt_broker_port: int = 8883
    mqtt_use_tls: bool = True
    mqtt_device_host: str = ""
    mqtt_device_port: int = 0
    mqtt_certificate_port: int = 0
    mqtt_ca_file: str = ""
    mqtt_bridge_username: str = "sd_bridge"
    mqtt_bridge_password: str = ""
    mqtt_bridge_client_id: str = "sd_bridge"
    mqtt_admin_username: str = "sd_admin"
    mqtt_admin_password: str = ""
    mqtt_auth_db_host: str = "localhost"
    mqtt_auth_db_port: int = 5432
    mqtt_auth_db_name: str = "emqx_auth"
    mqtt_auth_db_user: str = "emqx_provisioning"
    mqtt_auth_db_password: str = ""
    emqx_api_url: str = "http://localhost:18083/api/v5"
    emqx_api_key: str = ""
    emqx_api_password: str = ""
    emqx_webhook_password: str = ""
    password_grace_hours: int = 24
    device_ca_dir: str = ""
    bridge_enabled: bool = True
    bridge_batch_size: int = 1000
    bridge_flush_ms: int = 20
    bridge_receive_maximum: int = 10000
    bridge_share_group: str = ""
    offline_minutes: int = 5
    offline_minutes_milk_meter: int = 0
    offline_minutes_temperature: int = 0
    offline_minutes_collar: int = 0
    offline_minutes_feeder: int = 0
    offline_minutes_gate: int = 0
    offline_minutes_waterer: int = 0
    offline_minutes_environmental: int = 0
    telemetry_retention_days: int = 730
    telemetry_retention_days_milk_production_realtime: int = 0
    telemetry_retention_days_iot_temperature_reading: int = 0
    telemetry_retention_days_iot_activity_reading: int = 0
    telemetry_retention_days_iot_feeding_event: int = 0
    telemetry_retention_days_iot_environment_reading: int = 0
    dead_letters_per_hour: int = 100
    dead_letter_retention_days: int = 90
    metrics_port: int = 0
    api_requests_per_minute: int = 600
    api_failed_logins_per_minute: int = 30
    api_max_body_kb: int = 1024
    api_audit_days: int = 365

    def offline_minutes_of(self, device_type):
        """After how many minutes of silence a device of this type counts as offline."""
        return getattr(self, f"offline_minutes_{device_type}") or self.offline_minutes

    def retention_days_of(self, table):
        """For how many days the readings in a table are kept; that of an addon's own has the general number."""
        return getattr(self, f"telemetry_retention_days_{table}", 0) or self.telemetry_retention_days

    def __repr__(self):
        # The passwords must not get into a log with the rest.
        shown = ((field.name, getattr(self, field.name)) for field in fields(self) if "password" not in field.name)
        return f"Config({', '.join(f'{name}={value!r}' for name, value in shown)})"


def read_file_section(path):
    """The section `[smart_dairy_iot]` of a configuration file, {} where there is none.

    Odoo 19.0 itself reads `[options]` alone, so the addon reads its section by itself on every series.

    :raises ConfigError: where the file cannot be read as one
    """
    parser = configparser.RawConfigParser()
    if path and os.path.isfile(path):
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            # The parser's own complaint quotes the line, which may be a password's.
            raise ConfigError(f"{path} cannot be read as a configuration file") from None
    return dict(parser.items(SECTION)) if parser.has_section(SECTION) else {}


def load_config(file_section, parameters, environ=os.environ):
    """Put the sources together.

    :param file_section: dict of texts, see `read_file_section`
    :param parameters: {key: text} of the system parameters, without their prefix `iot.`
    :raises ConfigError: naming the setting and what it must be
    """
    texts = {name: text for name, (_source, text) in find_overrides(file_section, environ).items()}
    values = {}
    for field in fields(Config):
        text = texts.get(field.name) or parameters.get(field.name)
        if text not in (None, "", False):
            values[field.name] = _convert(field, text)
            check_value(field.name, values[field.name])
    config = Config(**values)
    if config.bridge_share_group and config.mqtt_broker_type != "emqx":
        # Mosquitto deals the messages of one device out in turn: they would be stored and acted on out of order.
        raise ConfigError("the setting bridge_share_group needs EMQX as the broker")
    return config


def load_metrics_port(file_section, environ=os.environ):
    """The port for the figures of a process, which serves several databases: no settings page has a say in it.

    :raises ConfigError: where it is no port
    """
    _source, text = find_overrides(file_section, environ).get("metrics_port", ("", "0"))
    return load_config({"metrics_port": text}, {}, environ={}).metrics_port


def find_overrides(file_section, environ=os.environ):
    """What wins over the settings page, {name: (source, text)} with the source "environment" or "file"."""
    found = {}
    for field in fields(Config):
        for source, text in (
            ("environment", environ.get(f"SMART_DAIRY_{field.name.upper()}")),
            ("file", file_section.get(field.name)),
        ):
            if text:
                found[field.name] = (source, text)
                break
    return found


def value_range(name):
    """(least, most) of a number, or None where it has no bounds."""
    for general in ("offline_minutes", "telemetry_retention_days"):
        if name.startswith(f"{general}_"):
            return 0, RANGES[general][1]
    return RANGES.get(name)


def check_value(name, value):
    """:raises ConfigError: where the setting cannot have this value, naming it and what it must be"""
    bounds = value_range(name)
    if bounds and not bounds[0] <= value <= bounds[1]:
        raise ConfigError(f"the setting {name} must be from {bounds[0]} to {bounds[1]}, not {value}")
    if name == "bridge_share_group" and not _SHARE_GROUP.fullmatch(value):
        raise ConfigError(f"the setting {name} must consist of at most 64 letters, digits, - and _")
    if name == "mqtt_broker_type" and value not in BROKER_TYPES:
        raise ConfigError(f"the setting {name} must be {' or '.join(BROKER_TYPES)}")
    if name in URLS and not _is_web_address(value):
        raise ConfigError(f"the setting {name} must be an address such as http://localhost:18083/api/v5")


def _is_web_address(text):
    try:
        url = urlsplit(text)
    except ValueError:
        return False
    # What stands before an @ is a password, and an address is shown to everybody.
    return url.scheme in ("http", "https") and bool(url.hostname) and "@" not in url.netloc


def _convert(field, text):
    kind = type(field.default)
    if kind is bool:
        return _boolean(field.name, str(text))
    if kind is int:
        try:
            return int(text)
        except ValueError as error:
            raise ConfigError(f"the setting {field.name} must be a whole number, not {text!r}") from error
    return str(text)


def _boolean(name, text):
    known = configparser.RawConfigParser.BOOLEAN_STATES
    if text.lower() not in known:
        raise ConfigError(f"the setting {name} must be true or false, not {text!r}")
    return known[text.lower()]
