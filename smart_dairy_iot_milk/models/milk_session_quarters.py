"""What a meter that tells the quarters apart measured of each."""

from odoo import fields, models

from ..reactors import meter_data

#: Quarters of the udder: left and right, front and rear.
QUARTERS = meter_data.QUARTERS


class MilkSession(models.Model):
    _inherit = "milk.session"

    yield_lf = fields.Float(string="Yield Left Front (L)", digits=(10, 3))
    yield_rf = fields.Float(string="Yield Right Front (L)", digits=(10, 3))
    yield_lr = fields.Float(string="Yield Left Rear (L)", digits=(10, 3))
    yield_rr = fields.Float(string="Yield Right Rear (L)", digits=(10, 3))
    conductivity_lf = fields.Float(string="Conductivity Left Front (mS/cm)", digits=(6, 3), group_operator="avg")
    conductivity_rf = fields.Float(string="Conductivity Right Front (mS/cm)", digits=(6, 3), group_operator="avg")
    conductivity_lr = fields.Float(string="Conductivity Left Rear (mS/cm)", digits=(6, 3), group_operator="avg")
    conductivity_rr = fields.Float(string="Conductivity Right Rear (mS/cm)", digits=(6, 3), group_operator="avg")
