"""A single reading, judged as the session it belongs to is: by the grade, and by what is usual for the animal."""

from odoo import _, api, fields, models

from ..quality import GRADES, is_conductivity_abnormal, quality_grade


class MilkProductionRealtime(models.Model):
    _inherit = "milk.production.realtime"

    milk_session_id = fields.Many2one("milk.session", string="Milking Session", compute="_compute_milk_session_id")
    animal_id = fields.Many2one("farm.animal", string="Milked Animal", compute="_compute_milk_session_id")
    quality_grade = fields.Selection(GRADES, compute="_compute_quality")
    is_abnormal = fields.Boolean(string="Abnormal Reading", compute="_compute_quality")
    quality_alert = fields.Boolean(
        compute="_compute_quality", help="The reading is abnormal, or of milk to be rejected."
    )
    alert_reason = fields.Char(compute="_compute_quality")

    @api.depends("session_id", "iot_device_id")
    def _compute_milk_session_id(self):
        sessions = self.env["milk.session"].search(
            [
                ("session_key", "in", [key for key in self.mapped("session_id") if key]),
                ("meter_id.iot_device_id", "in", self.iot_device_id.ids),
            ]
        )
        by_key = {(session.meter_id.iot_device_id, session.session_key): session for session in sessions}
        for reading in self:
            reading.milk_session_id = by_key.get((reading.iot_device_id, reading.session_id))
            reading.animal_id = reading.milk_session_id.animal_id

    @api.depends("fat_percentage", "protein_percentage", "somatic_cell_count", "blood_detected", "conductivity")
    def _compute_quality(self):
        for reading in self:
            grade = quality_grade(
                reading.fat_percentage, reading.protein_percentage, reading.somatic_cell_count, reading.blood_detected
            )
            # sudo: the cow may have moved to a farm that is closed to the user; of her no more is told than "abnormal".
            baseline = reading.animal_id.sudo().conductivity_baseline
            abnormal = is_conductivity_abnormal(reading.conductivity, baseline)
            reasons = [_("Graded reject")] * (grade == "reject") + [_("Elevated conductivity")] * abnormal
            reading.quality_grade = grade
            reading.is_abnormal = abnormal
            reading.quality_alert = bool(reasons)
            reading.alert_reason = "; ".join(reasons) or False
