"""Liveness and counters of each device, written by the bridge alone.

They are kept apart from `iot.device`, so that a user's edit and the bridge never wait for, or undo, one another.
"""

from odoo import fields, models

from ..telemetry.tables import set_fill_factor

_TABLE = """
    CREATE TABLE IF NOT EXISTS iot_device_state (
        iot_device_id integer PRIMARY KEY,
        -- What the ORM addresses rows by: the device's own id.
        id integer NOT NULL UNIQUE GENERATED ALWAYS AS (iot_device_id) STORED,
        last_seen timestamp,
        last_message_timestamp timestamp,
        messages_received bigint NOT NULL DEFAULT 0,
        messages_sent bigint NOT NULL DEFAULT 0,
        error_count bigint NOT NULL DEFAULT 0,
        battery_level real,
        signal_strength real,
        reported_status text,
        firmware_version text,
        error_code text,
        error_message text,
        config_version integer,
        silent boolean NOT NULL DEFAULT false
    )
"""


class IotDeviceState(models.Model):
    _name = "iot.device.state"
    _description = "Device State"
    _auto = False
    _log_access = False
    _rec_name = "iot_device_id"

    iot_device_id = fields.Many2one("iot.device", string="Device", readonly=True)
    last_seen = fields.Datetime(readonly=True)
    last_message_timestamp = fields.Datetime(string="Last Message", readonly=True)
    messages_received = fields.Integer(readonly=True)
    messages_sent = fields.Integer(readonly=True)
    error_count = fields.Integer(readonly=True)
    battery_level = fields.Float(readonly=True)
    signal_strength = fields.Float(readonly=True)
    reported_status = fields.Char(readonly=True)
    firmware_version = fields.Char(readonly=True)
    error_code = fields.Char(readonly=True)
    error_message = fields.Char(readonly=True)
    config_version = fields.Integer(string="Configuration Version", readonly=True)
    silent = fields.Boolean(readonly=True)

    def init(self):
        self.env.cr.execute(_TABLE)
        # Of a table that is there already the statement above adds no column.
        self.env.cr.execute("ALTER TABLE iot_device_state ADD COLUMN IF NOT EXISTS config_version integer")
        # The bridge updates rows with every batch.
        set_fill_factor(self.env.cr, self._table)
