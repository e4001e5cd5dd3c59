"""What was last heard from a device, as the bridge has it, and whether it counts as online."""

from collections import defaultdict
from datetime import timedelta

from odoo import api, fields, models

from ..bridge.topics import DEVICE_TYPE_PATHS

LIVENESS_FIELDS = {
    "last_seen": "last_seen",
    "last_message_timestamp": "last_message_timestamp",
    "messages_received": "messages_received",
    "messages_sent": "messages_sent",
    "error_count": "error_count",
    "battery_level": "battery_level",
    "signal_strength": "signal_strength",
    "reported_status": "reported_status",
    "reported_error": "error_message",
    "reported_firmware_version": "firmware_version",
}
"""Field of the device → column of `iot_device_state`, which the bridge alone writes."""

STATES_OFF_THE_BROKER = ("provisioning", "inactive", "decommissioned")
"""States in which the broker refuses a device: however lately it was heard, it is not online."""


class IotDevice(models.Model):
    _inherit = "iot.device"

    is_online = fields.Boolean(
        compute="_compute_liveness",
        search="_search_is_online",
        help="Heard from within the time that the settings give a device before it counts as offline, and neither "
        "reported offline by the broker, which speaks for a device that lost its connection (its last will), nor "
        "in a state in which the broker refuses it.",
    )
    connection = fields.Selection(
        [("online", "Online"), ("offline", "Offline"), ("never", "Never Seen")],
        compute="_compute_liveness",
        search="_search_connection",
    )
    last_seen = fields.Datetime(compute="_compute_liveness")
    last_message_timestamp = fields.Datetime(
        string="Last Message", compute="_compute_liveness", help="The time that the device gave its last message."
    )
    messages_received = fields.Integer(compute="_compute_liveness")
    messages_sent = fields.Integer(compute="_compute_liveness")
    error_count = fields.Integer(compute="_compute_liveness")
    battery_level = fields.Float(string="Battery (%)", compute="_compute_liveness")
    signal_strength = fields.Integer(string="Signal (dBm)", compute="_compute_liveness")
    reported_status = fields.Char(compute="_compute_liveness")
    reported_error = fields.Char(compute="_compute_liveness", help="What the device's last status said was wrong.")
    reported_firmware_version = fields.Char(compute="_compute_liveness")

    @api.depends("state", "device_type")
    def _compute_liveness(self):
        # Read by SQL, as the bridge writes it by SQL: what the ORM has in its cache would be out of date.
        # No right is passed over: it reads the rows of just the devices in self.
        rows = {}
        if self.ids:
            self.env.cr.execute(
                "SELECT iot_device_id, last_seen, last_message_timestamp, messages_received, messages_sent,"
                " error_count, battery_level, signal_strength, reported_status, firmware_version, error_message"
                " FROM iot_device_state WHERE iot_device_id IN %s",
                [tuple(self.ids)],
            )
            rows = {row["iot_device_id"]: row for row in self.env.cr.dictfetchall()}
        since = self._online_since()
        # Most devices of a long list have the same value of most fields, and the ORM takes as long for one as for many.
        alike = defaultdict(list)
        for device in self:
            row = rows.get(device._origin.id, {})
            values = {name: row.get(column) or False for name, column in LIVENESS_FIELDS.items()}
            for field_value in {**values, **device._connection(values, since)}.items():
                alike[field_value].append(device.id)
        for (name, value), ids in alike.items():
            self.browse(ids)[name] = value

    def _connection(self, heard, since):
        """The device's `is_online` and `connection`, by what was heard of it and `_online_since`."""
        last_seen = heard["last_seen"]
        is_heard = last_seen and last_seen >= since[self._origin.device_type] and heard["reported_status"] != "offline"
        is_online = bool(is_heard and self.state not in STATES_OFF_THE_BROKER)
        return {
            "is_online": is_online,
            "connection": "never" if not last_seen else "online" if is_online else "offline",
        }

    def _search_is_online(self, operator, value):
        wanted = set(value) if operator in ("in", "not in") else {bool(value)}
        if operator in ("!=", "not in"):
            wanted = {True, False} - wanted
        if len(wanted) != 1:
            return [(1, "=", 1)] if wanted else [(0, "=", 1)]
        return [("id", "in" if True in wanted else "not in", self._seen_devices()["online"])]

    def _search_connection(self, operator, value):
        wanted = set(value) if operator in ("in", "not in") else {value}
        if operator in ("!=", "not in"):
            wanted = {"online", "offline", "never"} - wanted
        seen = self._seen_devices()
        if "never" in wanted:
            unwanted = [device_id for name, ids in seen.items() if name not in wanted for device_id in ids]
            return [("id", "not in", unwanted)]
        return [("id", "in", [device_id for name, ids in seen.items() if name in wanted for device_id in ids])]

    @api.model
    def _seen_devices(self):
        """{"online": ids, "offline": ids} of the devices that have ever been heard."""
        self.flush_model(["device_type", "state"])
        since = self._online_since()
        self.env.cr.execute(
            "SELECT state.iot_device_id,"
            " state.last_seen >= threshold.since AND state.reported_status IS DISTINCT FROM 'offline'"
            " AND device.state NOT IN %s"
            " FROM iot_device_state state"
            " JOIN iot_device device ON device.id = state.iot_device_id"
            " JOIN unnest(%s, %s) AS threshold (device_type, since) ON threshold.device_type = device.device_type"
            " WHERE state.last_seen IS NOT NULL",
            [STATES_OFF_THE_BROKER, list(since), list(since.values())],
        )
        seen = {"online": [], "offline": []}
        for device_id, online in self.env.cr.fetchall():
            seen["online" if online else "offline"].append(device_id)
        return seen

    @api.model
    def _online_since(self):
        """{device type: moment (naive UTC)}; a device last seen before it is offline."""
        config, now = self.env["iot.settings"]._get_config(), fields.Datetime.now()
        return {
            device_type: now - timedelta(minutes=config.offline_minutes_of(device_type))
            for device_type in DEVICE_TYPE_PATHS
        }
