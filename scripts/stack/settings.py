"""What a user may set for the demo, by the environment."""

import os
from dataclasses import dataclass

from .shell import StackError

PORTS = {  # setting -> (default, what listens there)
    "SMART_DAIRY_HTTP_PORT": (8069, "Odoo"),
    "SMART_DAIRY_PG_PORT": (5452, "PostgreSQL"),
    "SMART_DAIRY_MQTT_PORT": (8883, "Mosquitto, over TLS"),
    "SMART_DAIRY_MQTT_WEBSOCKET_PORT": (8084, "Mosquitto, over WebSocket and TLS"),
    "SMART_DAIRY_MODBUS_PORT": (15020, "the first simulated Modbus meter; the others follow"),
}


@dataclass(frozen=True)
class Ports:
    """The TCP ports of the demo, all on the loopback interface."""

    http: int
    pg: int
    mqtt: int
    mqtt_websocket: int
    modbus: int


def ports(environ: dict[str, str] | None = None) -> Ports:
    """The ports as set in the environment, else the defaults."""
    environ = os.environ if environ is None else environ
    values = {}
    for name, (default, _what) in PORTS.items():
        text = environ.get(name, str(default))
        if not text.isdigit() or not 0 < int(text) < 65536:
            raise StackError(f"{name}={text} is no port: a number from 1 to 65535 is wanted.")
        values[name.removeprefix("SMART_DAIRY_").removesuffix("_PORT").lower()] = int(text)
    return Ports(**values)
