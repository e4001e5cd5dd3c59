"""One quantity of a register map: where it stands, and in which form."""

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..modbus.profile import BYTE_ORDERS, DATA_TYPES, Line, ProfileError

QUANTITIES = [
    ("milking", "Milking in progress"),
    ("yield_liters", "Yield (L)"),
    ("flow_rate", "Flow rate (L/min)"),
    ("duration_seconds", "Session time (s)"),
    ("rfid_tag", "RFID tag"),
    ("conductivity", "Conductivity (mS/cm)"),
    ("temperature_celsius", "Milk temperature (°C)"),
    ("fat_percentage", "Fat (%)"),
    ("protein_percentage", "Protein (%)"),
    ("lactose_percentage", "Lactose (%)"),
    ("somatic_cell_count", "Somatic cells (1/mL)"),
    ("blood_detected", "Blood detected"),
    ("vacuum_pressure", "Vacuum (kPa)"),
    ("pulsation_rate", "Pulsation (1/min)"),
]


class IotModbusProfileLine(models.Model):
    _name = "iot.modbus.profile.line"
    _description = "Modbus Register"
    _inherit = ["iot.registry.mixin"]
    _order = "profile_id, address, id"
    _rec_name = "quantity"

    profile_id = fields.Many2one("iot.modbus.profile", required=True, index=True, ondelete="cascade")
    quantity = fields.Selection(QUANTITIES, required=True)
    address = fields.Integer(
        required=True, help="Of the first register, counted from 0 as on the wire: 40001 of a manual is 0."
    )
    data_type = fields.Selection(
        [(data_type, data_type) for data_type in DATA_TYPES], required=True, default="float32", string="Type"
    )
    byte_order = fields.Selection(
        [(order, order) for order in BYTE_ORDERS],
        required=True,
        default="ABCD",
        help="How the bytes of a value follow each other, e.g. 123.45 as float32: ABCD 42F6 E666, CDAB E666 42F6, "
        "BADC F642 66E6, DCBA 66E6 F642.",
    )
    length = fields.Integer(default=1, string="Registers", help="Of a string; other types bring their own length.")
    bit = fields.Integer(help="Of the register, for the type bit; 0 is the least significant.")
    scale = fields.Float(required=True, default=1.0, digits=(16, 8), help="Value = register × scale + offset.")
    value_offset = fields.Float(string="Offset", digits=(16, 8))

    _sql_constraints = [
        ("quantity_unique", "UNIQUE(profile_id, quantity)", "A profile names each quantity once."),
        ("scale_not_zero", "CHECK(scale <> 0)", "A scale of 0 makes every value the same."),
    ]

    @api.constrains("quantity", "address", "data_type", "byte_order", "length", "bit")
    def _check_line(self):
        for line in self:
            try:
                line._as_line()
            except ProfileError as error:
                raise ValidationError(str(error)) from error

    def _as_line(self):
        """This register as the poller's `Line`."""
        self.ensure_one()
        return Line(
            self.quantity,
            self.address,
            self.data_type,
            self.byte_order,
            self.length,
            self.bit,
            self.scale,
            self.value_offset,
        )
