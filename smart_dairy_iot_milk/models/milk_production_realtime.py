"""A single reading, judged as the session it belongs to is: by the grade, and by what is usual for the animal."""

from datetime import timedelta

from odoo import _, api, fields, models

from ..quality import GRADES, is_conductivity_abnormal, quality_grade
from ..reactors.milkings import NAME_REUSED, START_TOLERANCE

# A milking that has begun longer before a reading is not looked at: there would be no end to looking back.
_LONGEST_MILKING = timedelta(hours=12)
_NEAREST = """
    SELECT reading.number, nearest.id
      FROM unnest(
               %(numbers)s::int[], %(devices)s::int[], %(channels)s::int[], %(moments)s::timestamp[], %(names)s::text[]
           ) AS reading (number, device_id, channel, moment, name)
      JOIN iot_milk_meter meter ON meter.iot_device_id = reading.device_id
     CROSS JOIN LATERAL (
           SELECT session.id
             FROM milk_session session
            WHERE session.meter_id = meter.id AND session.channel = reading.channel AND session.session_key IS NOT NULL
              AND session.start_time BETWEEN reading.moment - %(longest)s AND reading.moment + %(tolerance)s
              AND session.last_message_at >= reading.moment - CASE
                      WHEN reading.name <> '' AND session.wire_session_id = reading.name THEN %(reused)s
                      ELSE %(tolerance)s
                  END
            ORDER BY coalesce(session.wire_session_id, '') <> reading.name,
                     greatest(
                         session.start_time - reading.moment, reading.moment - session.last_message_at, interval '0'
                     ),
                     session.id
            LIMIT 1
     ) nearest
"""


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
        nearest = self._nearest_sessions()
        # Searched for once more, for the user's rights: a device's reading may be his to see, and the milking not.
        visible = self.env["milk.session"].search([("id", "in", list(nearest.values()))])
        by_id = {session.id: session for session in visible}
        for reading in self:
            reading.milk_session_id = by_id.get(nearest.get(reading), visible.browse())
            reading.animal_id = reading.milk_session_id.animal_id

    def _nearest_sessions(self):
        """dict reading -> id of the session that it lies within, however far apart the readings are.

        Those of its own id go before others, then the nearest; one of its own id may have come at the end of a long
        pause.
        """
        self.env["milk.session"].flush_model()
        self.env.cr.execute(
            _NEAREST,
            {
                "numbers": list(range(len(self))),
                "devices": [reading.iot_device_id.id for reading in self],
                "channels": [reading.channel for reading in self],
                "moments": [reading.timestamp for reading in self],
                "names": [reading.session_id or "" for reading in self],
                "reused": NAME_REUSED,
                "tolerance": START_TOLERANCE,
                "longest": _LONGEST_MILKING,
            },
        )
        return {self[number]: session_id for number, session_id in self.env.cr.fetchall()}

    @api.depends(
        "fat_percentage",
        "protein_percentage",
        "somatic_cell_count",
        "blood_detected",
        "conductivity",
        "milk_temperature",
        "iot_device_id",
    )
    def _compute_quality(self):
        # sudo: the meter may have moved to a farm that is closed to the user; no more is told than "abnormal".
        everything = self.env["iot.milk_meter"].sudo().with_context(active_test=False)
        # By the device: a reading that belongs to no milking has a meter, too.
        meters = everything.search([("iot_device_id", "in", self.iot_device_id.ids)])
        meter_of = {meter.iot_device_id.id: meter for meter in meters}
        for reading in self:
            grade = quality_grade(
                reading.fat_percentage,
                reading.protein_percentage,
                reading.somatic_cell_count,
                reading.blood_detected,
                # sudo: a reading the user may see says its grade, though the farm has been closed to the user since.
                reading.farm_id.sudo()._grade_limits(),
            )
            # sudo: the cow may have moved to a farm that is closed to the user; of her no more is told than "abnormal".
            cow, meter = reading.animal_id.sudo(), meter_of.get(reading.iot_device_id.id, everything)
            # The baselines hold at 25 °C.
            conductivity = reading.conductivity * meter._conductivity_factor(reading.milk_temperature)
            abnormal = is_conductivity_abnormal(conductivity, cow.conductivity_baseline or meter.conductivity_baseline)
            reasons = [_("Graded reject")] * (grade == "reject") + [_("Elevated conductivity")] * abnormal
            reading.quality_grade = grade
            reading.is_abnormal = abnormal
            reading.quality_alert = bool(reasons)
            reading.alert_reason = "; ".join(reasons) or False
