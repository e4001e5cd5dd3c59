"""What a broker must know of the devices: their users, their passwords and what each may publish and read.

One interface (`Broker`), one implementation per kind of broker. The package knows neither Odoo nor its database:
it is told what a device may do and carries that to the broker, every command confirmed.
"""

from .base import (
    CONNECTION_EFFECTS,
    Broker,
    BrokerBusy,
    BrokerError,
    BrokerUnreachable,
    BrokerUser,
    Change,
    DeviceAccess,
    FoundUser,
    PasswordHash,
    effect_on_connection,
)
from .emqx import EmqxBroker
from .mosquitto import MosquittoBroker

BROKERS = {"emqx": EmqxBroker, "mosquitto": MosquittoBroker}


def broker_for(config):
    """The broker of the configuration, not yet connected: use it as a context manager.

    :param config: an object with the attributes of `bridge.config.Config`
    """
    return BROKERS[config.mqtt_broker_type](config)
