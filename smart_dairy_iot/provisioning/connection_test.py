"""Whether everything that provisioning talks to answers, asked without changing anything."""

import socket
import ssl

from . import BrokerError, broker_for
from .emqx_api import EmqxApi

TIMEOUT_S = 5
NOBODY = "sd_connection_test"
"""A client id that no device has: to have its rights forgotten proves address and key, and does nothing."""


def find_problems(config):
    """Ask each part in turn.

    :param config: see `bridge.config.Config`
    :return: {part: None, or a sentence on what is wrong}, the parts being "broker" and, with EMQX, "database" and "api"
    """
    if config.mqtt_broker_type != "emqx":
        return {"broker": _problem(lambda: _enter_broker(config))}
    return {
        "broker": _problem(lambda: _reach_broker(config)),
        "database": _problem(lambda: _enter_broker(config)),
        "api": _problem(lambda: _ask_api(config)),
    }


def _problem(ask):
    try:
        ask()
    except BrokerError as error:
        return str(error)
    return None


def _enter_broker(config):
    """Mosquitto: the administrator logs in. EMQX: the authentication database is opened."""
    with broker_for(config):
        pass


def _reach_broker(config):
    """A connection as a device makes it, without credentials: the bridge's own would end the bridge's connection."""
    address = f"{config.mqtt_broker_host}:{config.mqtt_broker_port}"
    context = _tls_context(config) if config.mqtt_use_tls else None
    try:
        with socket.create_connection((config.mqtt_broker_host, config.mqtt_broker_port), TIMEOUT_S) as connection:
            if context:
                context.wrap_socket(connection, server_hostname=config.mqtt_broker_host).close()
    except ssl.SSLCertVerificationError as error:
        raise BrokerError(
            f"The certificate of the broker at {address} is not trusted: {error.verify_message}."
        ) from error
    except OSError as error:
        raise BrokerError(f"The broker at {address} cannot be reached: {error}.") from error


def _tls_context(config):
    try:
        return ssl.create_default_context(cafile=config.mqtt_ca_file or None)
    except OSError as error:
        raise BrokerError(f"The CA file {config.mqtt_ca_file} cannot be used: {error}.") from error


def _ask_api(config):
    with EmqxApi(config) as api:
        api.forget_rights([NOBODY])
