"""The end of a milking, what follows from it, and what others are told.

`_on_completed`, `_on_late_data` and `_on_identified` are where everything that is made of a milking hangs on: an
extension calls `super()` first, and bears being called twice.
"""

from odoo import _, fields, models
from odoo.exceptions import UserError
from odoo.tools.misc import formatLang

from odoo.addons.smart_dairy_iot.bridge.timestamps import format_timestamp


class MilkSession(models.Model):
    _inherit = "milk.session"

    # ------------------------------------------------------------------ actions

    def action_complete(self):
        """End a session by hand."""
        for session in self:
            if session.state != "in_progress":
                raise UserError(_("%s is not in progress.", session.name))
            if session.source == "manual" and not (session.total_yield or session.current_yield):
                raise UserError(_("%s has no yield yet: enter it first.", session.name))
        self._complete(fields.Datetime.now())
        self._tell_screens()

    def action_cancel(self):
        """Declare a session void, with its production record: what its meter still says of it is ignored."""
        self._as_platform().state = "cancelled"
        self._tell_screens()

    def _tell_screens(self):
        """Open dashboards of the sessions' farms fetch what has changed."""
        for farm in self.farm_id:
            sessions = self.filtered(lambda session, farm=farm: session.farm_id == farm)
            self.env["iot.live"]._changed(farm, "milk", {"session_ids": sessions.ids})

    # ------------------------------------------------------------------ completion

    def _complete(self, end_time):
        """End the sessions when a person said, else at their last message, else at `end_time` (naive UTC)."""
        sessions = self._as_platform()
        for session in sessions.with_context(from_meter=True):
            session.write(
                session._completion_vals(
                    {
                        "last_message_at": session.last_message_at or end_time,
                        "start_time": session.start_time,
                        "current_yield": session.current_yield,
                    }
                )
            )
        sessions._on_completed()

    def _completion_vals(self, values):
        """What a session becomes at its end.

        :param values: dict with `last_message_at`, `start_time` and `current_yield` as they will be
        """
        vals, typed = {"state": "completed"}, self.typed_values or ()
        # An end that stands while the milking runs was entered with it.
        if not self.end_time or (self.state == "completed" and "end_time" not in typed):
            vals["end_time"] = max(values["last_message_at"].replace(microsecond=0), values["start_time"])
        if "total_yield" not in typed:
            vals["total_yield"] = max(values["current_yield"], self.total_yield)
        return vals

    def _on_completed(self):
        """Called once for each session, when it is completed."""
        self._settle_completed()
        for session in self:
            session._publish_complete()

    def _on_late_data(self):
        """Called for sessions that changed: what was told of those completed before is put right."""
        self._settle_completed()

    def _on_identified(self):
        """Called for sessions whose animal became known, another one, or unknown again: of completed ones it counts."""
        self._settle_completed()

    def _settle_completed(self):
        completed = self.filtered(lambda session: session.state == "completed")
        # Most messages are of milkings that run.
        if completed:
            completed._settle()

    def _settle(self):
        """Draw the conclusions from completed sessions as they are now."""
        self._store_flow_curve()
        self._settle_parts()._flow_to_production()
        self._record_rejected()

    def _record_rejected(self):
        """Record the event of milk that must not be delivered. Of a meter in maintenance nothing raises an alert."""
        # Sessions are not tracked while messages come in; what others make of the event is.
        events = self.env["iot.event"].with_context(tracking_disable=False)
        for session in self.filtered(lambda session: session.quality_grade == "reject"):
            if session.meter_id.state == "maintenance":
                continue
            events.record(
                "milk_rejected",
                timestamp=session.end_time,
                device=session.meter_id.iot_device_id,
                animal=session.animal_id,
                farm=session.farm_id,
                severity="high",
                message=session._reject_message(),
                data={
                    "session": session.name,
                    "yield_liters": session.total_yield,
                    "somatic_cell_count": session.somatic_cell_count,
                    "fat_percentage": session.fat_percentage,
                    "protein_percentage": session.protein_percentage,
                    "blood_detected": session.blood_detected,
                },
                dedup_key=f"milk_rejected:{session.name}",
            )

    def _reject_message(self):
        reasons = self._reject_reasons()
        # Without any, by limits that the farm has changed since.
        return _("Milk graded reject: %s", "; ".join(reasons)) if reasons else _("Milk graded reject")

    def _reject_reasons(self):
        """Why the milk must not be delivered, as a list of texts: what of its measured values is beyond the limits."""
        self.ensure_one()
        limits = self.farm_id._grade_limits()
        reasons = []
        if self.blood_detected:
            reasons.append(_("blood"))
        if self.somatic_cell_count > limits.scc_limit:
            cells = formatLang(self.env, self.somatic_cell_count, digits=0)
            reasons.append(_("somatic cells %s/mL", cells))
        measured = self.fat_percentage and self.protein_percentage
        if measured and self.fat_percentage < limits.c_fat:
            reasons.append(
                _(
                    "fat %(fat)s %%, protein %(protein)s %%",
                    fat=formatLang(self.env, self.fat_percentage, digits=2),
                    protein=formatLang(self.env, self.protein_percentage, digits=2),
                )
            )
        return reasons

    def _publish_complete(self):
        """Tell other systems, on the meter's events topic."""
        self.ensure_one()
        # The topic is no secret of a farm, and a session is completed whoever may read topics.
        topic = (
            self.env["iot.topic.hierarchy"]
            .sudo()
            .search(
                [("device_type", "=", "milk_meter"), ("message_type", "=", "events"), ("is_active", "=", True)], limit=1
            )
        )
        if topic and self.session_key:
            # Publishing is the platform's alone; whoever completed the session had the right to.
            self.env["iot.mqtt.service"].sudo().publish(
                topic.generate_topic(self.farm_id.code, self.meter_id.device_id),
                {
                    "event": "session_complete",
                    "session_id": self.session_key,
                    "session": self.name,
                    "meter_id": self.meter_id.device_id,
                    # sudo: she may have left for a farm that the user does not see.
                    "animal_id": self.animal_id.sudo().name or None,
                    "yield_liters": self.total_yield,
                    "duration_seconds": self.duration_seconds,
                    "quality_grade": self.quality_grade or None,
                    "timestamp": format_timestamp(self.end_time),
                },
                qos=int(topic.qos_level),
                retain=topic.retain,
            )
