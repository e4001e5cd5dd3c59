"""When the broker let each device in and when it left, as the broker itself reports it (EMQX's webhook).

Kept apart from `iot.device`, as its liveness is: a user's edit and ten thousand devices that come back at once never
wait for, or undo, one another. Each event is one statement.
"""

from odoo import api, fields, models

_TABLE = """
    CREATE TABLE IF NOT EXISTS iot_device_connection (
        iot_device_id integer PRIMARY KEY REFERENCES iot_device ON DELETE CASCADE,
        -- What the ORM addresses rows by: the device's own id.
        id integer NOT NULL UNIQUE GENERATED ALWAYS AS (iot_device_id) STORED,
        connected_at timestamp,
        ip_address text,
        disconnected_at timestamp,
        disconnect_reason text
    )
"""

# Events may come late, twice and out of order: of each kind the latest stays, whatever came in between.
_NOTE = {
    "client.connected": """
        INSERT INTO iot_device_connection AS known (iot_device_id, connected_at, ip_address)
        SELECT id, %(at)s, %(ip_address)s FROM iot_device
         WHERE mqtt_username = %(username)s AND mqtt_client_id = %(client_id)s
            ON CONFLICT (iot_device_id) DO UPDATE
           SET connected_at = excluded.connected_at, ip_address = excluded.ip_address
         WHERE known.connected_at IS NULL OR known.connected_at < excluded.connected_at
    """,
    "client.disconnected": """
        INSERT INTO iot_device_connection AS known (iot_device_id, disconnected_at, disconnect_reason)
        SELECT id, %(at)s, %(reason)s FROM iot_device
         WHERE mqtt_username = %(username)s AND mqtt_client_id = %(client_id)s
            ON CONFLICT (iot_device_id) DO UPDATE
           SET disconnected_at = excluded.disconnected_at, disconnect_reason = excluded.disconnect_reason
         WHERE known.disconnected_at IS NULL OR known.disconnected_at < excluded.disconnected_at
    """,
}

CONNECTION_FIELDS = {
    "last_login": "connected_at",
    "connection_ip": "ip_address",
    "last_disconnection": "disconnected_at",
    "disconnect_reason": "disconnect_reason",
}
"""Field of the device → column of `iot_device_connection`."""


class IotDeviceConnection(models.Model):
    _name = "iot.device.connection"
    _description = "Device Connection"
    _auto = False
    _log_access = False
    _rec_name = "iot_device_id"

    iot_device_id = fields.Many2one("iot.device", string="Device", readonly=True)
    connected_at = fields.Datetime(readonly=True)
    ip_address = fields.Char(string="IP Address", readonly=True)
    disconnected_at = fields.Datetime(readonly=True)
    disconnect_reason = fields.Char(readonly=True)

    def init(self):
        self.env.cr.execute(_TABLE)

    @api.model
    def _note(self, event):
        """Note a `ConnectionEvent`; of a user that is no device's, and of a device that has come back, nothing."""
        if not event.is_succession:
            self.env.cr.execute(_NOTE[event.kind], vars(event))


class IotDevice(models.Model):
    _inherit = "iot.device"

    last_login = fields.Datetime(compute="_compute_connection_events", help="When the broker last let the device in.")
    connection_ip = fields.Char(
        string="Connected From", compute="_compute_connection_events", help="The address that it came from then."
    )
    last_disconnection = fields.Datetime(compute="_compute_connection_events")
    disconnect_reason = fields.Char(
        compute="_compute_connection_events", help="Why its last connection ended, in the broker's own words."
    )

    def _compute_connection_events(self):
        # Read by SQL, as it is written: what the ORM has in its cache would be out of date.
        # No right is passed over: it reads the rows of just the devices in self.
        rows = {}
        if self.ids:
            self.env.cr.execute(
                "SELECT iot_device_id, connected_at, ip_address, disconnected_at, disconnect_reason"
                " FROM iot_device_connection WHERE iot_device_id IN %s",
                [tuple(self.ids)],
            )
            rows = {row["iot_device_id"]: row for row in self.env.cr.dictfetchall()}
        for device in self:
            row = rows.get(device._origin.id, {})
            for name, column in CONNECTION_FIELDS.items():
                device[name] = row.get(column) or False
