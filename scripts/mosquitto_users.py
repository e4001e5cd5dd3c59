#!/usr/bin/env python3
"""Makes the file of users that a new Mosquitto starts with: Odoo's two, and nothing allowed to anybody else.

    SMART_DAIRY_MQTT_ADMIN_PASSWORD=... SMART_DAIRY_MQTT_BRIDGE_PASSWORD=... mosquitto_users.py FILE

The passwords are those that Odoo and the bridge are given, by the same variables; `openssl rand -hex 32` makes one. A
FILE that is there is left as it is, with exit code 1: it is the broker's own and has the devices in it.
"""

import json
import os
import sys
from pathlib import Path

from stack.dynamic_security import initial_security
from stack.shell import StackError, main_guard, write_private

VARIABLES = ("SMART_DAIRY_MQTT_ADMIN_PASSWORD", "SMART_DAIRY_MQTT_BRIDGE_PASSWORD")
# They are hashed for speed, not against guessing: see HASH_ITERATIONS.
SHORTEST_PASSWORD = 32


def main() -> None:
    if len(sys.argv) != 2:
        raise StackError(__doc__.strip())
    file = Path(sys.argv[1])
    if file.exists():
        raise StackError(f"{file} is there already, and is the broker's own. Take it away first if that is meant.")
    passwords = [os.environ.get(name, "") for name in VARIABLES]
    for name, password in zip(VARIABLES, passwords, strict=True):
        if len(password) < SHORTEST_PASSWORD:
            raise StackError(f"{name} has to have {SHORTEST_PASSWORD} characters or more: openssl rand -hex 32")
    write_private(file, json.dumps(initial_security(*passwords), indent=2))
    print(f"{file}: made, with {' and '.join(user['username'] for user in json.loads(file.read_text())['clients'])}")


if __name__ == "__main__":
    main_guard(main)
