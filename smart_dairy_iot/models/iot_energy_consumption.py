"""What the devices of each farm used, from the hourly rollups of every kind of telemetry.

Nothing is stored for it and no view made: the query follows the telemetry models that there are, those of other addons
too, and their tables can be changed and dropped. A filter on the hour reaches the rollups' indexes.
"""

from odoo import fields, models
from odoo.tools import SQL

from .iot_device import DEVICE_TYPES
from .iot_telemetry_mixin import ENERGY_COLUMN

# A device's hour has four numbers, for it may be one of several farms. Hours since 1970 are less than a million until
# 2084, and a browser's numbers go as far as 9e15.
_ROW_ID = "iot_device_id * 4000000::bigint + extract(epoch FROM bucket)::bigint / 900"


class IotEnergyConsumption(models.Model):
    """One row for each device and hour in which it told what it used."""

    _name = "iot.energy.consumption"
    _description = "Energy Consumption"
    _auto = False
    _log_access = False
    _order = "hour desc, id desc"
    _rec_name = "hour"
    _depends = {"iot.device": ["device_type"]}

    hour = fields.Datetime(readonly=True, help="Beginning of the hour")
    iot_device_id = fields.Many2one("iot.device", string="Device", readonly=True)
    device_type = fields.Selection(DEVICE_TYPES, readonly=True)
    farm_id = fields.Many2one("farm.location", readonly=True, help="Where the device was then")
    energy_kwh = fields.Float(string="Energy (kWh)", digits=(16, 3), readonly=True)
    messages = fields.Integer(readonly=True, help="Messages that told what was used")

    def action_view_readings(self):
        """Open what the device measured in the hour."""
        self.ensure_one()
        return self.iot_device_id._action_view_readings_of_hour(self.hour)

    @property
    def _table_query(self):
        specs = self.env["iot.settings"]._telemetry_specs()
        parts = SQL(" UNION ALL ").join(self._of_kind(spec) for spec in specs)
        return SQL(
            "(SELECT part.id, part.hour, part.iot_device_id, device.device_type, part.farm_id,"
            " part.energy_kwh, part.messages"
            " FROM (%s) AS part JOIN iot_device device ON device.id = part.iot_device_id)",
            parts,
        )

    def _of_kind(self, spec):
        rollup = SQL.identifier(spec.rollup_table("hourly"))
        count, total = (SQL.identifier(f"{ENERGY_COLUMN}_{part}") for part in ("count", "sum"))
        # The hour of a device that moved is of no farm: its readings say which are whose.
        return SQL(
            "SELECT %(row_id)s AS id, bucket AS hour, iot_device_id, farm_id,"
            " %(total)s / 1000 AS energy_kwh, %(count)s AS messages"
            " FROM %(rollup)s WHERE %(count)s > 0 AND farm_id IS NOT NULL"
            " UNION ALL"
            " SELECT %(row_id)s + least(row_number() OVER (PARTITION BY iot_device_id, bucket ORDER BY farm_id), 3),"
            " bucket, iot_device_id, farm_id, total / 1000, count"
            " FROM (SELECT mixed.iot_device_id, mixed.bucket, reading.farm_id,"
            " sum(reading.%(energy)s::text::double precision) AS total, count(reading.%(energy)s) AS count"
            " FROM %(rollup)s mixed JOIN %(table)s reading ON reading.iot_device_id = mixed.iot_device_id"
            " AND reading.timestamp >= mixed.bucket AND reading.timestamp < mixed.bucket + interval '1 hour'"
            " WHERE mixed.%(count)s > 0 AND mixed.farm_id IS NULL"
            " GROUP BY 1, 2, 3 HAVING count(reading.%(energy)s) > 0) AS moved",
            row_id=SQL(_ROW_ID),
            rollup=rollup,
            table=SQL.identifier(spec.table),
            energy=SQL.identifier(ENERGY_COLUMN),
            count=count,
            total=total,
        )
