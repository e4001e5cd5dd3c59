"""One quantity of a register map: where it stands, in which form, and what it can be."""

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..modbus.profile import BYTE_ORDERS, DATA_TYPES, LINE_COLUMNS, UNITS, ProfileError, line_from_columns

QUANTITIES = [
    ("milking", "Milking in progress"),
    ("yield_liters", "Yield (L)"),
    ("flow_rate", "Flow rate (L/min)"),
    ("duration_seconds", "Session time (s)"),
    ("session_number", "Session number"),
    ("rfid_tag", "RFID tag"),
    ("conductivity", "Conductivity (mS/cm)"),
    ("conductivity_lf", "Conductivity, left front (mS/cm)"),
    ("conductivity_rf", "Conductivity, right front (mS/cm)"),
    ("conductivity_lr", "Conductivity, left rear (mS/cm)"),
    ("conductivity_rr", "Conductivity, right rear (mS/cm)"),
    ("yield_lf", "Yield, left front (L)"),
    ("yield_rf", "Yield, right front (L)"),
    ("yield_lr", "Yield, left rear (L)"),
    ("yield_rr", "Yield, right rear (L)"),
    ("temperature_celsius", "Milk temperature (°C)"),
    ("fat_percentage", "Fat (%)"),
    ("protein_percentage", "Protein (%)"),
    ("lactose_percentage", "Lactose (%)"),
    ("somatic_cell_count", "Somatic cells (1/mL)"),
    ("blood_detected", "Blood detected"),
    ("vacuum_pressure", "Vacuum (kPa)"),
    ("pulsation_rate", "Pulsation (1/min)"),
    ("pulsation_ratio", "Pulsation ratio (%)"),
]
REGISTER_TYPES = [
    ("holding", "Holding register (3)"),
    ("input", "Input register (4)"),
    ("coil", "Coil (1)"),
    ("discrete", "Discrete input (2)"),
]


class IotModbusProfileLine(models.Model):
    _name = "iot.modbus.profile.line"
    _description = "Modbus Register"
    _inherit = ["iot.registry.mixin"]
    _order = "profile_id, register_type, address, id"
    _rec_name = "quantity"

    profile_id = fields.Many2one("iot.modbus.profile", required=True, index=True, ondelete="cascade")
    name = fields.Char(help="The maker's word for it.")
    quantity = fields.Selection(QUANTITIES, string="Meaning", required=True, help="What a milking takes from it.")
    register_type = fields.Selection(
        REGISTER_TYPES, required=True, default="holding", help="With the Modbus function that reads it."
    )
    address = fields.Integer(
        required=True, help="Of the first register, counted from 0 as on the wire: 40001 of a manual is 0."
    )
    data_type = fields.Selection(
        [(data_type, data_type) for data_type in DATA_TYPES],
        required=True,
        default="float32",
        string="Type",
        help="bit: one bit of a register; bool: any bit of it, or a coil.",
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
    unit = fields.Char(compute="_compute_unit", store=True, readonly=False, help="Of the value; shown, not converted.")
    minimum = fields.Float(
        digits=(16, 4),
        help="A value below is not taken over. Minimum and maximum are those of the value; both 0 is no range.",
    )
    maximum = fields.Float(digits=(16, 4), help="A value above is not taken over.")
    unavailable = fields.Char(
        string="Not Available",
        help="Numbers by which the meter says that it has no value, before scale and offset, e.g. 0xFFFF, -9999.",
    )

    _sql_constraints = [
        ("quantity_unique", "UNIQUE(profile_id, quantity)", "A profile names each quantity once."),
        ("scale_not_zero", "CHECK(scale <> 0)", "A scale of 0 makes every value the same."),
    ]

    @api.constrains(*LINE_COLUMNS)
    def _check_line(self):
        for line in self:
            try:
                line._as_line()
            except ProfileError as error:
                raise ValidationError(str(error)) from error

    @api.depends("quantity")
    def _compute_unit(self):
        for line in self:
            line.unit = UNITS.get(line.quantity, False)

    def _as_line(self):
        """This register as the poller's `Line`; raises ProfileError where it makes no sense."""
        self.ensure_one()
        return line_from_columns(*(self[column] for column in LINE_COLUMNS))
