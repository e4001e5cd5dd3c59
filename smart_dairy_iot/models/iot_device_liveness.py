"""What was last heard from a device, as the bridge has it, and whether it counts as online."""

from datetime import timedelta

from psycopg2 import sql

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

# By the moments of `_online_since`. Of a device that was never heard there is no row, or one without `last_seen`.
_CONNECTION = sql.SQL(
    "CASE WHEN state.last_seen IS NULL THEN 'never' WHEN state.last_seen >= threshold.since"
    " AND state.reported_status IS DISTINCT FROM 'offline' AND device.state NOT IN %(off)s"
    " THEN 'online' ELSE 'offline' END"
    " FROM iot_device_state state"
    " JOIN iot_device device ON device.id = state.iot_device_id"
    " JOIN unnest(%(types)s, %(since)s) AS threshold (device_type, since) ON threshold.device_type = device.device_type"
)
_HEARD = sql.SQL("SELECT state.iot_device_id, {}, {} WHERE state.iot_device_id = ANY(%(devices)s)").format(
    sql.SQL(", ").join(sql.Identifier("state", column) for column in LIVENESS_FIELDS.values()), _CONNECTION
)
_SEEN = sql.SQL("SELECT state.iot_device_id, {} WHERE state.last_seen IS NOT NULL").format(_CONNECTION)


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
        # No right is passed over: it reads the rows of just the devices in self.
        rows = {row[0]: row for row in self._heard(_HEARD, self.ids)}
        nothing = (*[None] * (1 + len(LIVENESS_FIELDS)), "never")
        # Of a form that is being edited the record is a new one, with the device as its origin.
        _ids, *heard, connections = zip(*(rows.get(key or key.origin, nothing) for key in self._ids), strict=True)
        for name, values in zip(LIVENESS_FIELDS, heard, strict=True):
            self._set_each(name, values)
        self._set_each("connection", connections)
        self._set_each("is_online", [connection == "online" for connection in connections])

    def _set_each(self, name, values):
        """Set a computed field of all at once: the ORM's way, one by one, takes longer than all else of a long list.

        :param values: one for each as the database has it, None for none
        """
        field = self._fields[name]
        none = field.convert_to_cache(None, self)
        self.env.cache.update(self, field, [none if value is None else value for value in values])

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
        seen = {"online": [], "offline": []}
        for device_id, connection in self._heard(_SEEN):
            seen[connection].append(device_id)
        return seen

    @api.model
    def _heard(self, statement, device_ids=()):
        """The rows of a statement on `_CONNECTION`.

        Read by SQL, as the bridge writes it by SQL: what the ORM has in its cache would be out of date.
        """
        self.flush_model(["device_type", "state"])
        since = self._online_since()
        values = {"types": list(since), "since": list(since.values())}
        self.env.cr.execute(statement, {**values, "off": STATES_OFF_THE_BROKER, "devices": list(device_ids)})
        return self.env.cr.fetchall()

    @api.model
    def _online_since(self):
        """{device type: moment (naive UTC)}; a device last seen before it is offline."""
        config, now = self.env["iot.settings"]._get_config(), fields.Datetime.now()
        return {
            device_type: now - timedelta(minutes=config.offline_minutes_of(device_type))
            for device_type in DEVICE_TYPE_PATHS
        }
