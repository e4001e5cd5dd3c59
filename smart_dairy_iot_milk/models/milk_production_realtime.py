"""A single reading, judged as the session it belongs to is: by the grade, and by what is usual for the animal."""

from collections import defaultdict
from datetime import timedelta

from odoo import _, api, fields, models

from ..quality import GRADES, is_conductivity_abnormal, quality_grade
from ..reactors.milkings import NAME_REUSED, START_TOLERANCE


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

    @api.depends("session_id", "iot_device_id", "channel", "timestamp")
    def _compute_milk_session_id(self):
        """By point and time: a meter may use its session ids again, and may give none."""
        sessions = defaultdict(list)
        if self:
            for session in self.env["milk.session"].search(
                [
                    ("meter_id.iot_device_id", "in", self.iot_device_id.ids),
                    ("session_key", "!=", False),
                    ("start_time", "<=", max(self.mapped("timestamp")) + START_TOLERANCE),
                    ("last_message_at", ">=", min(self.mapped("timestamp")) - NAME_REUSED),
                ]
            ):
                sessions[session.meter_id.iot_device_id, session.channel].append(session)
        for reading in self:
            at_point = sessions[reading.iot_device_id, reading.channel]
            reading.milk_session_id = min(
                filter(reading._may_be_of, at_point), key=reading._distance, default=self.env["milk.session"]
            )
            reading.animal_id = reading.milk_session_id.animal_id

    def _may_be_of(self, session):
        """Whether this reading lies within a session; one of its own id may have come at the end of a long pause."""
        is_named = bool(self.session_id) and self.session_id == session.wire_session_id
        pause = NAME_REUSED if is_named else START_TOLERANCE
        return session.start_time - START_TOLERANCE <= self.timestamp <= session.last_message_at + pause

    def _distance(self, session):
        """What ranks sessions for this reading: those of its own id first, then the nearest."""
        outside = max(session.start_time - self.timestamp, self.timestamp - session.last_message_at, timedelta())
        return session.wire_session_id != self.session_id, outside, session.id

    @api.depends(
        "fat_percentage",
        "protein_percentage",
        "somatic_cell_count",
        "blood_detected",
        "conductivity",
        "milk_temperature",
    )
    def _compute_quality(self):
        for reading in self:
            grade = quality_grade(
                reading.fat_percentage,
                reading.protein_percentage,
                reading.somatic_cell_count,
                reading.blood_detected,
                # sudo: a reading the user may see says its grade, though the farm has been closed to the user since.
                reading.farm_id.sudo()._grade_limits(),
            )
            # sudo: cow or meter may have moved to a farm that is closed to the user; no more is told than "abnormal".
            cow, meter = reading.animal_id.sudo(), reading.milk_session_id.sudo().meter_id
            # The baselines hold at 25 °C.
            conductivity = reading.conductivity * meter._conductivity_factor(reading.milk_temperature)
            abnormal = is_conductivity_abnormal(conductivity, cow.conductivity_baseline or meter.conductivity_baseline)
            reasons = [_("Graded reject")] * (grade == "reject") + [_("Elevated conductivity")] * abnormal
            reading.quality_grade = grade
            reading.is_abnormal = abnormal
            reading.quality_alert = bool(reasons)
            reading.alert_reason = "; ".join(reasons) or False
