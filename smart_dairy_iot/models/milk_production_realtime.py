"""Every reading of every milk meter, over MQTT and Modbus alike. What a milking was in the end is `milk.session`."""

from odoo import fields, models


class MilkProductionRealtime(models.Model):
    _name = "milk.production.realtime"
    _description = "Real-time Milk Production"
    _inherit = "iot.telemetry.mixin"
    _auto = False

    _device_types = ("milk_meter",)
    _payload = {
        "session_id": "session_id",
        "animal_ref": "animal_id",
        "rfid_tag": "rfid_tag",
        "milking": "milking",
        "yield_liters": "yield_liters",
        "flow_rate_lpm": "flow_rate",
        "duration_seconds": "duration_seconds",
        "milking_position": "equipment.milking_position",
        "fat_percentage": "quality.fat_percentage",
        "protein_percentage": "quality.protein_percentage",
        "lactose_percentage": "quality.lactose_percentage",
        "somatic_cell_count": "quality.somatic_cell_count",
        "milk_temperature": "quality.temperature_celsius",
        "conductivity": "quality.conductivity",
        "blood_detected": "quality.blood_detected",
        "vacuum_pressure": "equipment.vacuum_pressure",
        "pulsation_rate": "equipment.pulsation_rate",
        "pulsation_ratio": "equipment.pulsation_ratio",
        "conductivity_lf": "quality.quarters.lf.conductivity",
        "conductivity_rf": "quality.quarters.rf.conductivity",
        "conductivity_lr": "quality.quarters.lr.conductivity",
        "conductivity_rr": "quality.quarters.rr.conductivity",
        "yield_lf": "quality.quarters.lf.yield_liters",
        "yield_rf": "quality.quarters.rf.yield_liters",
        "yield_lr": "quality.quarters.lr.yield_liters",
        "yield_rr": "quality.quarters.rr.yield_liters",
    }
    _rollup_columns = ("flow_rate_lpm", "conductivity", "milk_temperature", "vacuum_pressure", "pulsation_rate")
    # Vacuum and pulsation are held where they are; milk is not.
    _varying_columns = ("conductivity", "milk_temperature")
    _inbox_kind = "milk_meter_data"

    session_id = fields.Char(readonly=True, help="The milking, as the meter names it")
    animal_ref = fields.Char(string="Animal", readonly=True, help="The animal's number as the meter sent it")
    rfid_tag = fields.Char(string="RFID Tag", readonly=True)
    milking = fields.Boolean(readonly=True, help="The milking was still running")
    yield_liters = fields.Float(string="Yield (L)", readonly=True, group_operator="max")
    flow_rate_lpm = fields.Float(string="Flow (L/min)", readonly=True, group_operator="avg")
    duration_seconds = fields.Integer(string="Duration (s)", readonly=True, group_operator="max")
    milking_position = fields.Char(readonly=True)
    fat_percentage = fields.Float(string="Fat (%)", readonly=True, group_operator="avg")
    protein_percentage = fields.Float(string="Protein (%)", readonly=True, group_operator="avg")
    lactose_percentage = fields.Float(string="Lactose (%)", readonly=True, group_operator="avg")
    somatic_cell_count = fields.Integer(string="Somatic Cell Count (1/mL)", readonly=True, group_operator="avg")
    milk_temperature = fields.Float(string="Milk Temperature (°C)", readonly=True, group_operator="avg")
    conductivity = fields.Float(string="Conductivity (mS/cm)", readonly=True, group_operator="avg")
    blood_detected = fields.Boolean(readonly=True)
    vacuum_pressure = fields.Float(string="Vacuum (kPa)", readonly=True, group_operator="avg")
    pulsation_rate = fields.Float(string="Pulsation (1/min)", readonly=True, group_operator="avg")
    pulsation_ratio = fields.Float(string="Pulsation Ratio (%)", readonly=True, group_operator="avg")
    conductivity_lf = fields.Float(string="Conductivity Left Front (mS/cm)", readonly=True, group_operator="avg")
    conductivity_rf = fields.Float(string="Conductivity Right Front (mS/cm)", readonly=True, group_operator="avg")
    conductivity_lr = fields.Float(string="Conductivity Left Rear (mS/cm)", readonly=True, group_operator="avg")
    conductivity_rr = fields.Float(string="Conductivity Right Rear (mS/cm)", readonly=True, group_operator="avg")
    yield_lf = fields.Float(string="Yield Left Front (L)", readonly=True, group_operator="max")
    yield_rf = fields.Float(string="Yield Right Front (L)", readonly=True, group_operator="max")
    yield_lr = fields.Float(string="Yield Left Rear (L)", readonly=True, group_operator="max")
    yield_rr = fields.Float(string="Yield Right Rear (L)", readonly=True, group_operator="max")
