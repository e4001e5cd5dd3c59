"""Where a device is: on the network, and on the map."""

import ipaddress
import re

from odoo import _, api, fields, models
from odoo.exceptions import ValidationError

MAC_ADDRESS = re.compile(
    r"[0-9A-F]{2}([-: .]?)(?:[0-9A-F]{2}\1){4}[0-9A-F]{2}"  # 00-1A-2B-3C-4D-5E, 001A2B3C4D5E
    r"|[0-9A-F]{4}([-:.])[0-9A-F]{4}\2[0-9A-F]{4}"  # 001A.2B3C.4D5E
)
MAP_URL = (
    "https://www.openstreetmap.org/?mlat={latitude:.6f}&mlon={longitude:.6f}#map=18/{latitude:.6f}/{longitude:.6f}"
)


def normalised_mac_address(text):
    """The one form in which a MAC address is kept, 00:1A:2B:3C:4D:5E, from any in which it is printed.

    :raises ValueError: for anything else
    """
    text = text.strip().upper()
    if not MAC_ADDRESS.fullmatch(text):
        raise ValueError(f"{text!r} is no MAC address")
    digits = re.sub(r"[^0-9A-F]", "", text)
    return ":".join(digits[start : start + 2] for start in range(0, 12, 2))


def normalised_ip_address(text):
    """An IPv4 or IPv6 address in its shortest form.

    :raises ValueError: for anything else
    """
    return str(ipaddress.ip_address(text.strip()))


NORMALISED = {"mac_address": normalised_mac_address, "ip_address": normalised_ip_address}


class IotDevice(models.Model):
    _inherit = "iot.device"

    mac_address = fields.Char(
        string="MAC Address", copy=False, tracking=True, help="In any printed form; kept as 00:1A:2B:3C:4D:5E."
    )
    ip_address = fields.Char(string="IP Address", copy=False, help="IPv4 or IPv6.")
    latitude = fields.Float(digits=(10, 7), help="Degrees, north positive.")
    longitude = fields.Float(digits=(10, 7), help="Degrees, east positive.")
    map_url = fields.Char(string="On the Map", compute="_compute_map_url")

    _sql_constraints = [
        (
            "mac_address_unique",
            "EXCLUDE USING btree (mac_address WITH =) WHERE (state != 'decommissioned')",
            "MAC Address must be unique!",
        ),
        ("latitude_range", "CHECK(latitude BETWEEN -90 AND 90)", "A latitude lies between -90 and 90 degrees."),
        ("longitude_range", "CHECK(longitude BETWEEN -180 AND 180)", "A longitude lies between -180 and 180 degrees."),
    ]

    @api.constrains("mac_address", "ip_address")
    def _check_addresses(self):
        """Whatever way a value has come, from a default for instance, it is one in its normal form."""
        for device in self:
            for name in NORMALISED:
                if device[name] and device._normalised(name, device[name]) != device[name]:
                    raise ValidationError(
                        _(
                            "“%(text)s” is to be written %(normal)s.",
                            text=device[name],
                            normal=device._normalised(name, device[name]),
                        )
                    )

    @api.depends("latitude", "longitude")
    def _compute_map_url(self):
        for device in self:
            known = device.latitude or device.longitude
            position = MAP_URL.format(latitude=device.latitude, longitude=device.longitude)
            device.map_url = position if known else False

    @api.model_create_multi
    def create(self, vals_list):
        return super().create([self._with_normal_addresses(vals) for vals in vals_list])

    def write(self, vals):
        return super().write(self._with_normal_addresses(vals))

    @api.model
    def _with_normal_addresses(self, vals):
        found = {name: vals[name] for name in NORMALISED if name in vals}
        return {**vals, **{name: self._normalised(name, text) for name, text in found.items()}}

    @api.model
    def _normalised(self, name, text):
        if not (text or "").strip():
            return False
        try:
            return NORMALISED[name](text)
        except ValueError as error:
            if name == "mac_address":
                raise ValidationError(_("“%s” is no MAC address, like 00:1A:2B:3C:4D:5E.", text)) from error
            raise ValidationError(
                _("“%s” is no IP address, like 192.168.1.20 or 2001:db8::20 (without a port).", text)
            ) from error
