"""The base of every telemetry model: readings that the bridge writes and the ORM only reads."""

from odoo import api, fields, models

from ..telemetry.spec import Column, TelemetrySpec
from ..telemetry.tables import ensure_table

#: What every kind of device may tell. Not a counter: what is used between two messages can be summed up by hour, day,
#: device and farm, and a lost, repeated or late message, or a device whose counter starts anew, spoils no sum.
ENERGY_COLUMN = "energy_wh"

# How a field is kept in a telemetry table. Times are UTC without zone, as everywhere in Odoo. Seven digits are more
# than sensors have, and take half the room, compressed even less.
_PG_TYPES = {
    "float": "real",
    "integer": "integer",
    "boolean": "boolean",
    "char": "text",
    "selection": "text",
    "many2one": "integer",
}

_REAL_DIGITS = 7


class IotTelemetryMixin(models.AbstractModel):
    """A telemetry model names its device types, the place of each value in the payload and what is rolled up.

    Its table with indexes, the hourly and daily rollups and the way from the message to the row follow from that. The
    table is no table of the ORM's: no foreign keys, no write from a user.
    """

    _name = "iot.telemetry.mixin"
    _description = "Telemetry"
    _auto = False
    _log_access = False
    _order = "timestamp desc, id desc"
    _rec_name = "timestamp"

    #: Device types whose data messages this model keeps.
    _device_types = ()
    #: {field: dotted path in the payload}; an addon that extends a model names the fields that it adds.
    _payload = {ENERGY_COLUMN: "energy_wh"}
    #: Fields whose count, sum, least and greatest value are kept per hour and day; those of the mixin are, too.
    _rollup_columns = ()
    #: Those of them that never stay the same for hours while the sensor works, see `iot.data.quality`.
    _varying_columns = ()
    #: Kind under which new readings go to the inbox too, if they are business.
    _inbox_kind = None

    iot_device_id = fields.Many2one("iot.device", string="Device", readonly=True)
    timestamp = fields.Datetime(readonly=True, help="When the device took the reading, by its own clock")
    channel = fields.Integer(
        readonly=True, help="Milking point, or sequence number of readings that a device took in one instant"
    )
    farm_id = fields.Many2one("farm.location", readonly=True)
    in_maintenance = fields.Boolean(readonly=True, help="The device was in maintenance: no alert comes of this reading")
    received_at = fields.Datetime(readonly=True, help="When the platform received the reading")
    energy_wh = fields.Float(
        string="Energy (Wh)", readonly=True, help="What the device used since its previous message, if it tells"
    )

    @api.model
    def _telemetry_spec(self):
        """The `TelemetrySpec` of this model."""
        return TelemetrySpec(
            model=self._name,
            table=self._table,
            device_types=tuple(self._device_types),
            columns=tuple(
                Column(name, self._pg_type(self._fields[name]), path) for name, path in self._whole_payload().items()
            ),
            rollup_columns=(*self._rollup_columns, ENERGY_COLUMN),
            varying_columns=tuple(self._varying_columns),
            inbox_kind=self._inbox_kind,
        )

    @api.model
    def _pg_type(self, field):
        """The PostgreSQL type of a field's column; a float that names more digits than a `real` has gets them."""
        digits = field.type == "float" and field.get_digits(self.env)
        return "double precision" if digits and digits[0] > _REAL_DIGITS else _PG_TYPES[field.type]

    @api.model
    def _whole_payload(self):
        """`_payload` of the model and of every addon that extends it: an extension names its own fields alone."""
        payload = {}
        for definition in reversed(type(self).mro()):
            payload.update(vars(definition).get("_payload", {}))
        return payload

    def init(self):
        """Make the tables on installation and complete them on every upgrade."""
        result = super().init()
        if not self._abstract:
            ensure_table(self.env.cr, self._telemetry_spec())
        return result
