"""Which browser may listen to which farm.

A browser asks for the text ``farm.location_<id>``. On the server the channel is the farm's *record*, put in place of
the text after an access check: anybody, even a portal user, may subscribe to any text, so nothing of ours is ever
sent to one.
"""

import re

from odoo import models

FARM_CHANNEL = re.compile(r"farm\.location_([1-9][0-9]{0,8})")
OWN_PREFIXES = ("farm.", "iot.", "iot_live", "milk.")


class IrWebsocket(models.AbstractModel):
    _inherit = "ir.websocket"

    def _build_bus_channel_list(self, channels):
        """Replace the text channels of farms by the records that the user may see; drop every other text of ours."""
        own = [channel for channel in channels if isinstance(channel, str) and channel.startswith(OWN_PREFIXES)]
        matches = [FARM_CHANNEL.fullmatch(channel) for channel in own]
        farms = self._watchable_farms([int(match[1]) for match in matches if match])
        others = [channel for channel in channels if channel not in own]
        return super()._build_bus_channel_list([*others, *farms])

    def _watchable_farms(self, farm_ids):
        """Return those farms that the current user may see, as his record rules say; portal and public users: none."""
        farms = self.env["farm.location"]
        if not farm_ids or not self.env.user.has_group("smart_dairy_farm.group_farm_user"):
            return farms
        return farms.search([("id", "in", farm_ids)])
