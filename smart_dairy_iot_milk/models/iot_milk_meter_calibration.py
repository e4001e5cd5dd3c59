"""Which factor a meter's values are multiplied with, at any time, and when it is to be calibrated again."""

from odoo import _, api, fields, models
from odoo.exceptions import AccessError, UserError

from .iot_calibration import IN_ACTION

#: Days before a calibration is due on which people are told.
NOTICE_DAYS = (30, 7, 0)
CALIBRATION_ACTIVITY = "smart_dairy_iot_milk.activity_calibration_due"


class IotMilkMeter(models.Model):
    _inherit = "iot.milk_meter"

    calibration_ids = fields.One2many("iot.calibration", "meter_id", string="Calibrations")
    is_calibrated = fields.Boolean(
        compute="_compute_is_calibrated", help="The factor in force comes of a calibration and is not typed."
    )

    @api.depends("calibration_ids.state", "calibration_ids.ended_at")
    def _compute_is_calibrated(self):
        for meter in self:
            meter.is_calibrated = any(not calibration.ended_at for calibration in meter._factor_history())

    def write(self, vals):
        if "flow_calibration_factor" in vals and self.env.context.get("iot_calibration_action") is not IN_ACTION:
            for meter in self:
                if meter.is_calibrated and meter.flow_calibration_factor != vals["flow_calibration_factor"]:
                    raise UserError(_("The factor of %s is that of its calibration: calibrate it anew.", meter.name))
        return super().write(vals)

    # ------------------------------------------------------------------ the factor

    def _factor_history(self):
        """The meter's calibrations that set a factor, in the order of time."""
        self.ensure_one()
        # The factor is the same whoever asks, also where a calibration was made on a farm that he does not see.
        passed = self.sudo().calibration_ids.filtered(lambda each: each.state == "passed" and each.sets_factor)
        return passed.sorted(lambda calibration: (calibration.calibrated_at, calibration.id))

    def _factor_at(self, moment):
        """What the values that the meter showed at a moment are multiplied with.

        It is that of the last calibration until then. Before the first one, and after the hardware was replaced, it is
        the factor from which the next one set out; without any it is the meter's own.

        :param moment: naive UTC
        """
        self.ensure_one()
        history = self._factor_history()
        earlier = history.filtered(lambda calibration: calibration.calibrated_at <= moment)[-1:]
        if earlier and (not earlier.ended_at or moment < earlier.ended_at):
            return earlier.factor_after
        later = history.filtered(lambda calibration: calibration.calibrated_at > moment)[:1]
        return later.factor_before or self.flow_calibration_factor

    def _follow_calibrations(self, otherwise=None):
        """Bring the factor that is polled with, and the dates, in line with the calibrations there are.

        :param otherwise: the factor where there is none in force any more, by default it stays
        """
        for meter in self.with_context(iot_calibration_action=IN_ACTION):
            latest = meter._factor_history().filtered(lambda calibration: not calibration.ended_at)[-1:]
            factor = latest.factor_after or otherwise or meter.flow_calibration_factor
            day = latest.farm_id._local_date(latest.calibrated_at) if latest else False
            meter.write(
                {
                    "flow_calibration_factor": factor,
                    "last_calibration": latest.calibrated_at,
                    "calibration_date": day,
                    "next_calibration_date": latest.valid_until,
                }
            )
            if latest:
                meter.iot_device_id.activity_unlink([CALIBRATION_ACTIVITY])

    def action_calibrate(self):
        """Open a new calibration of the meter."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": _("Calibration of %s", self.name),
            "res_model": "iot.calibration",
            "view_mode": "form",
            "views": [(False, "form")],
            "context": {"default_meter_id": self.id},
        }

    # ------------------------------------------------------------------ reminders

    @api.model
    def _cron_remind_calibration(self):
        """Once a day: tell the farm's managers of calibrations that come due, 30 and 7 days before and on the day."""
        if not self.env.su:
            raise AccessError(_("Only the platform itself reminds of calibrations."))
        self._remind_calibration(fields.Datetime.now())

    @api.model
    def _remind_calibration(self, now):
        """:param now: naive UTC"""
        due = [("next_calibration_date", "!=", False), ("state", "!=", "decommissioned"), ("farm_id", "!=", False)]
        for meter in self.search(due):
            days = (meter.next_calibration_date - meter.farm_id._local_date(now)).days
            steps = [step for step in NOTICE_DAYS if days <= step]
            if steps:
                meter._remind_of_step(min(steps), days, now)

    def _remind_of_step(self, step, days, now):
        """Tell people once per step and due date."""
        self.ensure_one()
        events = self.env["iot.event"]
        key = f"calibration_due:{self.id}:{self.next_calibration_date}:{step}"
        if events.search_count([("dedup_key", "=", key)]):
            return
        if days > 0:
            text = _("Due on %(date)s, in %(days)s days.", date=self.next_calibration_date, days=days)
        elif days == 0:
            text = _("Due today.")
        else:
            text = _("Overdue since %s.", self.next_calibration_date)
        events.record(
            "calibration_due",
            timestamp=now.replace(microsecond=0),
            device=self.iot_device_id,
            severity="medium",
            message=text,
            data={"meter": self.device_id, "due": str(self.next_calibration_date), "days": days},
            dedup_key=key,
        )
        self.iot_device_id._schedule_calibration(_("Calibrate the meter. %s", text), self.next_calibration_date)


class IotDevice(models.Model):
    _inherit = "iot.device"

    def _replace_hardware(self, successor, reason, removed_on):
        """A factor is that of the hardware that was calibrated: what comes in its place begins anew."""
        meters = self.env["iot.milk_meter"].with_context(active_test=False)
        # The factor of the old hardware ends also where it was calibrated on a farm that this user does not see.
        calibrations = meters.search([("iot_device_id", "in", self.ids)]).sudo().calibration_ids
        settled = calibrations.filtered(lambda each: each.state in ("passed", "failed") and not each.ended_at)
        settled._in_action().write({"ended_at": fields.Datetime.now()})
        return super()._replace_hardware(successor, reason, removed_on)

    def _schedule_calibration(self, summary, deadline):
        """Put the calibration on the list of the farm's managers, in place of an earlier reminder."""
        self.activity_unlink([CALIBRATION_ACTIVITY])
        for user in self._calibration_managers():
            self.activity_schedule(CALIBRATION_ACTIVITY, date_deadline=deadline, summary=summary, user_id=user.id)

    def _calibration_managers(self):
        """The managers named for the farm, else every one of its company, else nobody."""
        users = self.farm_id.user_ids or self.env["res.users"].search(
            [("share", "=", False), ("company_ids", "in", self.company_id.ids)]
        )
        return users.filtered(
            lambda user: (
                user.active
                and user.has_group("smart_dairy_farm.group_farm_manager")
                and self.company_id in user.company_ids
            )
        )
