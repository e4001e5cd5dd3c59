"""The description of one kind of telemetry, from which its table, rollups and write statement follow."""

from dataclasses import dataclass
from functools import cached_property

#: Columns that every telemetry table has, with their PostgreSQL types.
#: (iot_device_id, timestamp, channel) identifies a reading: that is what makes a redelivery harmless.
BASE_COLUMNS = (
    ("iot_device_id", "integer"),
    ("timestamp", "timestamp"),
    ("channel", "smallint"),
    ("farm_id", "integer"),
    ("in_maintenance", "boolean"),
    ("received_at", "timestamp"),
)


@dataclass(frozen=True)
class Column:
    """One measured value: its column, its PostgreSQL type and where in the payload it stands (dotted path)."""

    name: str
    pg_type: str
    path: str

    @cached_property
    def steps(self):
        return tuple(self.path.split("."))


@dataclass(frozen=True)
class TelemetrySpec:
    """One kind of telemetry.

    :param model: the Odoo model, `iot.temperature.reading`
    :param table: its table
    :param device_types: the device types whose `data` messages it stores
    :param columns: the measured values
    :param rollup_columns: names of numeric columns that the hourly and daily rollups summarise
    :param varying_columns: those of them that never stay the same for hours while the sensor works
    :param inbox_kind: the kind under which each new reading is also handed to the reactors, or None
    """

    model: str
    table: str
    device_types: tuple
    columns: tuple
    rollup_columns: tuple = ()
    varying_columns: tuple = ()
    inbox_kind: "str | None" = None

    def rollup_table(self, period):
        """:param period: `hourly` or `daily`"""
        return f"{self.table}_{period}"


#: Rollup period -> the unit of PostgreSQL's `date_trunc`.
ROLLUP_PERIODS = {"hourly": "hour", "daily": "day"}
