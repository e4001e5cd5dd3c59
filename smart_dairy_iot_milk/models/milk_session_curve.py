"""The course of a milking's flow, and what is read from it."""

from odoo import fields, models

from ..flow_curve import features, make_curve


class MilkSession(models.Model):
    _inherit = "milk.session"

    flow_curve = fields.Json(
        readonly=True,
        copy=False,
        help='{"step_seconds": seconds, "flow_lpm": [L/min, or null where nothing was heard]} from the start on.',
    )
    time_to_peak_seconds = fields.Integer(
        string="Time to Peak Flow (s)", readonly=True, copy=False, group_operator="avg"
    )
    low_flow_seconds = fields.Integer(string="Low Flow (s)", readonly=True, copy=False, group_operator="avg")
    kick_off_count = fields.Integer(string="Kick-offs", readonly=True, copy=False)
    pulsation_ratio = fields.Float(string="Pulsation Ratio (%)", digits=(5, 2), group_operator="avg")

    def _store_flow_curve(self):
        """Keep the course of the flow of ended sessions, and what is read from it, as the telemetry has it now."""
        for session in self.filtered(lambda session: session.session_key and session.end_time):
            curve = make_curve(session._flow_points(), session.start_time, session.end_time)
            # Where readings have been deleted for their age, what was made of them stays.
            if curve and curve != session.flow_curve:
                session.with_context(from_meter=True).write(
                    {"flow_curve": curve, **features(curve, session.peak_flow_rate)}
                )

    def _flow_points(self):
        """Moments and flows, L/min, that were read during this milking."""
        self.env.cr.execute(
            """
            SELECT timestamp, flow_rate_lpm FROM milk_production_realtime
             WHERE iot_device_id = %s AND channel = %s AND timestamp BETWEEN %s AND %s AND flow_rate_lpm IS NOT NULL
            """,
            [self.meter_id.iot_device_id.id, self.channel, self.start_time, self.end_time],
        )
        factor = self._message_factor()
        return [(moment, flow * factor) for moment, flow in self.env.cr.fetchall()]
