"""The devices themselves: listed, shown, registered, provisioned and decommissioned."""

from odoo import _
from odoo.exceptions import AccessError
from odoo.http import Controller

from .apis import PREFIX
from .base import Answer, Operation, endpoint
from .device_rows import check_references, checked_values
from .device_schemas import (
    DETAILED_DEVICE,
    DEVICE,
    NEW_DEVICE,
    STATE,
    TOPICS,
    TYPE,
    details,
    summary,
    topics,
)
from .operations import COUNT, DATABASE_ID, NULLABLE_TEXT, PAGE, page

MOST_AT_ONCE = 500
SORTABLE = ("name", "device_id", "device_type", "state", "last_seen", "id")

_LAST_SEEN = """
    SELECT device.id
      FROM unnest(%s::int[]) AS device (id)
 LEFT JOIN iot_device_state AS known ON known.iot_device_id = device.id
  ORDER BY {order}, device.id
     LIMIT %s OFFSET %s
"""
LAST_SEEN_ORDERS = {
    "last_seen": _LAST_SEEN.replace("{order}", "known.last_seen ASC NULLS FIRST"),
    "-last_seen": _LAST_SEEN.replace("{order}", "known.last_seen DESC NULLS LAST"),
}
"""Query by sort key: what was last heard is no field of the register, which the ORM could sort by."""

CREDENTIALS = {
    "type": ["object", "null"],
    "description": "Null for a device that does not connect over MQTT.",
    "required": ["username", "password", "client_id", "broker_host", "broker_port", "use_tls"],
    "properties": {
        "username": {"type": "string"},
        "password": {
            **NULLABLE_TEXT,
            "description": "Shown this once, and kept nowhere. Null for a device that identifies itself by a"
            " certificate.",
        },
        "client_id": {"type": "string"},
        "broker_host": {"type": "string"},
        "broker_port": {"type": "integer"},
        "use_tls": {"type": "boolean"},
    },
}


class DeviceApi(Controller):
    @endpoint(
        "GET",
        "/devices",
        Operation(
            summary="List devices",
            description="Devices that the user may see, without archived ones.",
            query={
                "farm_id": {**DATABASE_ID, "description": "Of this farm."},
                "device_type": {**TYPE, "description": "Of this type."},
                "state": {**STATE, "description": "In this state."},
                "is_online": {"type": "boolean", "description": "Heard from lately, or not."},
                "search": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 100,
                    "description": "Part of the name, the device ID or the serial number.",
                },
                "sort": {
                    "type": "string",
                    "enum": [f"{sign}{name}" for name in SORTABLE for sign in ("", "-")],
                    "default": "name",
                    "description": "By what to sort; with a - before it downwards.",
                },
                **PAGE,
            },
            answer={
                "count": {**COUNT, "description": "Of the devices in this answer."},
                "total": {**COUNT, "description": "Of all devices that fit."},
                "devices": {"type": "array", "items": DEVICE},
            },
        ),
    )
    def list_devices(self, call):
        """A page of the devices that the caller sees."""
        devices = call.env["iot.device"]
        domain = _domain(call.query)
        found = _page(devices, domain, call.query)
        return {
            "count": len(found),
            "total": devices.search_count(domain),
            "devices": [summary(device) for device in found],
        }

    @endpoint(
        "GET",
        "/devices/{id}",
        Operation(
            summary="Show a device",
            description="A device may ask for itself.",
            callers=("user", "device"),
            answer={"device": DETAILED_DEVICE},
        ),
    )
    def get_device(self, call):
        """Everything about one device."""
        return {"device": details(call.device)}

    @endpoint(
        "POST",
        "/devices/register",
        Operation(
            summary="Register a device",
            description="It may connect once it is provisioned.",
            body=NEW_DEVICE,
            status=201,
            answer={
                "device": DETAILED_DEVICE,
                "mqtt_credentials": {
                    "type": "object",
                    "description": "As what it will connect; its password comes with provisioning.",
                    "required": ["username", "client_id", "topics"],
                    "properties": {"username": {"type": "string"}, "client_id": {"type": "string"}, "topics": TOPICS},
                },
            },
        ),
    )
    def register_device(self, call):
        """Register one device."""
        _check_may_register(call.env)
        check_references(call.env, [call.body])
        # JSON Schema takes 1.0 for an integer.
        ids = {name: int(call.body[name]) for name in ("farm_id", "location_id") if name in call.body}
        call.device = device = call.env["iot.device"].create({**call.body, **ids})
        return Answer(
            {
                "device": details(device),
                "mqtt_credentials": {
                    "username": device.mqtt_username,
                    "client_id": device.mqtt_client_id,
                    "topics": topics(device),
                },
            },
            status=201,
            headers={"Location": f"{PREFIX}/devices/{device.device_id}"},
        )

    @endpoint(
        "POST",
        "/devices/bulk",
        Operation(
            summary="Register many devices",
            description=f"All of them, up to {MOST_AT_ONCE}, or where one is wrong none: `details` then tells what is"
            " wrong in which, e.g. of `devices.3.mac_address` (the first is 0).",
            body={
                "type": "object",
                "required": ["devices"],
                "additionalProperties": False,
                "properties": {
                    "devices": {"type": "array", "minItems": 1, "maxItems": MOST_AT_ONCE, "items": NEW_DEVICE}
                },
            },
            status=201,
            answer={"count": COUNT, "devices": {"type": "array", "items": DEVICE}},
        ),
    )
    def register_devices(self, call):
        """Register many devices, or none."""
        _check_may_register(call.env)
        values = checked_values(call.env, call.body["devices"])
        devices = call.env["iot.device"].with_context(mail_create_nosubscribe=True).create(values)
        call.device = devices[0]
        return {"count": len(devices), "devices": [summary(device) for device in devices]}

    @endpoint(
        "POST",
        "/devices/{id}/provision",
        Operation(
            summary="Provision a device",
            description="Lets it connect. The password is in this answer alone; a repetition with the same idempotency"
            " key is refused. With `renew` a device in service gets a new password; on a broker that can have two the"
            " old one stays good for the hours of grace that the settings give.",
            body={
                "type": "object",
                "additionalProperties": False,
                "properties": {"renew": {"type": "boolean", "default": False}},
            },
            body_required=False,
            secret=True,
            answer={"device": DETAILED_DEVICE, "credentials": CREDENTIALS, "topics": TOPICS},
        ),
    )
    def provision_device(self, call):
        """Provision a device, or give it a new password."""
        device = call.device
        if device.state == "provisioning" or not call.body.get("renew"):
            issued = device._provision()
        else:
            issued = device._renew_passwords(grace=True)
        return {
            "device": details(device),
            "credentials": _credentials(device, issued) if device.uses_mqtt else None,
            "topics": topics(device),
        }

    @endpoint(
        "DELETE",
        "/devices/{id}",
        Operation(
            summary="Decommission a device",
            description="It is disconnected and refused from now on, for good. What it measured stays.",
            answer={"device": DETAILED_DEVICE},
        ),
    )
    def decommission_device(self, call):
        """Take a device out of service, for good."""
        call.device.action_decommission()
        return {"device": details(call.device)}


def _domain(query):
    domain = [(name, "=", query[name]) for name in ("farm_id", "device_type", "state", "is_online") if name in query]
    if "search" in query:
        fields = ("name", "device_id", "serial_number")
        domain += ["|", "|", *((name, "ilike", query["search"]) for name in fields)]
    return domain


def _page(devices, domain, query):
    """The devices of a page, sorted."""
    sort = query.get("sort", "name")
    if sort not in LAST_SEEN_ORDERS:
        order = f"{sort.lstrip('-')} {'desc' if sort.startswith('-') else 'asc'}, id"
        return devices.search(domain, order=order, **page(query))
    found, part = devices.search(domain), page(query)
    devices.env.cr.execute(LAST_SEEN_ORDERS[sort], [found.ids, part["limit"], part["offset"]])
    return devices.browse(number for (number,) in devices.env.cr.fetchall())


def _check_may_register(env):
    """Before rows are judged: who may not register learns nothing about what is registered."""
    if not env.user.has_group("smart_dairy_farm.group_farm_manager"):
        raise AccessError(_("Only farm managers register devices."))


def _credentials(device, issued):
    """:param issued: what `iot.device.auth` issued, [] where it issued nothing"""
    config = device.env["iot.settings"]._get_config()
    port = config.mqtt_device_port or config.mqtt_broker_port
    if device.auth_method == "certificate":
        port = config.mqtt_certificate_port or port
    return {
        "username": device.mqtt_username,
        "password": issued[0]["password"] if issued else None,
        "client_id": device.mqtt_client_id,
        "broker_host": config.mqtt_device_host or config.mqtt_broker_host,
        "broker_port": port,
        "use_tls": config.mqtt_use_tls,
    }
