"""The first state of Mosquitto's dynamic security plug-in: Odoo's two users, and nothing allowed to anybody else.

Afterwards the file is the broker's own, which writes it anew at each of the register's commands.
"""

import base64
import hashlib
import secrets

ADMIN = "sd_admin"
BRIDGE = "sd_bridge"
# The plug-in's own default. 256 random bits need no slow hash, and the broker does nothing else meanwhile.
HASH_ITERATIONS = 101


def initial_security(admin_password: str, bridge_password: str) -> dict:
    """What the plug-in's file says before the first device.

    The administrator's client id is unbound: each of Odoo's processes connects as sd_admin_<random>, and two
    connections of one id would end each other. The ids of the bridge and of every device are bound.
    """
    return {
        "defaultACLAccess": {
            "publishClientSend": False,
            "publishClientReceive": False,
            "subscribe": False,
            "unsubscribe": True,
        },
        "clients": [
            {"username": ADMIN, **_hashed(admin_password), "roles": [{"rolename": "admin"}]},
            {"username": BRIDGE, "clientid": BRIDGE, **_hashed(bridge_password), "roles": [{"rolename": "bridge"}]},
        ],
        "groups": [],
        "roles": [_role("admin", "$CONTROL/dynamic-security/#"), _role("bridge", "dairy/#")],
    }


def _role(name: str, topics: str) -> dict:
    kinds = ["publishClientSend", "publishClientReceive", "subscribePattern"]
    return {
        "rolename": name,
        "acls": [{"acltype": kind, "topic": topics, "priority": 0, "allow": True} for kind in kinds],
    }


def _hashed(password: str) -> dict:
    """The plug-in's form of a stored password: PBKDF2 with SHA-512."""
    salt = secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, HASH_ITERATIONS)
    return {
        "password": base64.b64encode(digest).decode(),
        "salt": base64.b64encode(salt).decode(),
        "iterations": HASH_ITERATIONS,
    }
