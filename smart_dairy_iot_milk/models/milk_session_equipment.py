"""What a milking tells of the machine that milked."""

from datetime import timedelta

from odoo import _, fields, models

from ..equipment import Milking, own_flows, problems

_FLOW_DAYS = timedelta(days=30)


class MilkSession(models.Model):
    _inherit = "milk.session"

    equipment_reasons = fields.Text(
        string="Machine", readonly=True, copy=False, help="What was outside of the farm's norms in this milking."
    )

    def _on_completed(self):
        result = super()._on_completed()
        self._judge_equipment()
        return result

    def _on_late_data(self):
        result = super()._on_late_data()
        self.filtered(lambda session: session.state == "completed")._judge_equipment()
        return result

    def _on_identified(self):
        result = super()._on_identified()
        # Whether a milking was slow is known of a cow alone.
        self.filtered(lambda session: session.state == "completed")._judge_equipment()
        return result

    def _judge_equipment(self):
        """Write what is outside of the norms, or that nothing is any more."""
        flows = self._own_flows()
        norms = {farm: farm._equipment_norms() for farm in self.farm_id}
        for session in self:
            found = problems(session._equipment_milking(), norms[session.farm_id], flows.get(session.animal_id.id))
            text = "\n".join(session._equipment_text(problem) for problem in found) or False
            if (session.equipment_reasons or False) != text:
                # It follows from what the meter says; nobody typed it.
                session.with_context(from_meter=True).equipment_reasons = text

    def _equipment_milking(self):
        """The session as `equipment.Milking`."""
        self.ensure_one()
        return Milking(
            point=self.milking_point.id or self.channel,
            cow=self.animal_id.id,
            liters=self.total_yield,
            vacuum=self.vacuum_level,
            pulsation_rate=self.pulsation_rate,
            pulsation_ratio=self.pulsation_ratio,
            kick_offs=self.kick_off_count,
            mean_flow=self.avg_flow_rate,
        )

    def _own_flows(self):
        """dict id of the animal -> its median of mean flows (L/min) in the 30 days before, where there are enough."""
        if not self.animal_id:
            return {}
        first = min(self.mapped("start_time"))
        earlier = self.search_read(
            [
                ("animal_id", "in", self.animal_id.ids),
                ("state", "=", "completed"),
                ("start_time", ">=", first - _FLOW_DAYS),
                ("start_time", "<", max(self.mapped("start_time"))),
                ("id", "not in", self.ids),
            ],
            ["animal_id", "avg_flow_rate"],
            load=None,
        )
        return own_flows((values["animal_id"], values["avg_flow_rate"]) for values in earlier)

    def _equipment_text(self, problem):
        """One thing that is outside of a norm, in words."""
        figures = {
            "value": _number(problem.value),
            "low": _number(problem.low),
            "high": _number(problem.high),
        }
        if problem.kind == "vacuum":
            return _("Vacuum %(value)s kPa (norm %(low)s to %(high)s)", **figures)
        if problem.kind == "pulsation_rate":
            return _("Pulsation %(value)s a minute (norm %(low)s to %(high)s)", **figures)
        if problem.kind == "pulsation_ratio":
            return _("Pulsation ratio %(value)s %% (norm %(low)s to %(high)s)", **figures)
        if problem.kind == "kick_offs":
            return _("%(value)s kick-offs (norm: %(high)s at most)", **figures)
        return _("Slow: %(value)s L/min (her own: %(low)s)", **figures)


def _number(value):
    """A figure as people write it, without digits that say nothing."""
    return "" if value is None else f"{round(value, 2):g}"
