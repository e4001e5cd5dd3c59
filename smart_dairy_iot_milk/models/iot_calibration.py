"""Calibrations of milk meters: pairs of meter and scale, what they say, and the factor that follows.

A calibration is a draft until somebody settles it. What is settled is not changed any more: it can be cancelled, as if
it had never been. Neither writes to a milking: its values are those of the factor that was in force then.
"""

from datetime import timedelta

from odoo import _, api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError

from ..calibration import LEAST_PAIRS, figures

#: In the context while the product itself writes what follows from the pairs; no client can send it.
IN_ACTION = object()
_FACTS = {"name", "meter_id", "milking_point", "method", "calibrated_at", "user_id", "pair_ids", "notes"}
_FIGURES = {"bias_kg", "sd_kg", "mean_percent", "limit_bias", "limit_sd", "has_figures", "bias_holds", "sd_holds"}
_FACTORS = {"factor_before", "factor_tested", "factor_after", "sets_factor"}
_VERDICT = {"state", "serial_number", "valid_until", "ended_at", "retest_of_id"}
#: What follows from the facts.
_FOLLOWING = _FIGURES | _FACTORS | _VERDICT


class IotCalibration(models.Model):
    _name = "iot.calibration"
    _description = "Calibration of a Milk Meter"
    _inherit = ["mail.thread", "farm.owned.mixin"]
    _order = "calibrated_at desc, id desc"
    _rec_names_search = ["name", "meter_id"]
    _owner_fields = frozenset({"company_id", "farm_id", "meter_id"})

    name = fields.Char(string="Calibration", required=True, readonly=True, copy=False, default=lambda self: _("New"))
    meter_id = fields.Many2one(
        "iot.milk_meter", string="Milk Meter", required=True, index=True, ondelete="cascade", tracking=True
    )
    milking_point = fields.Many2one(
        "iot.milk_meter.point",
        domain="[('meter_id', '=', meter_id)]",
        help="Empty: the meter as a whole. The check of one point of several is recorded and leaves the meter's "
        "factor alone.",
    )
    farm_id = fields.Many2one(
        "farm.location", compute="_compute_farm_id", store=True, precompute=True, required=True, index=True
    )
    company_id = fields.Many2one(related="farm_id.company_id", store=True, index=True)
    serial_number = fields.Char(
        readonly=True, copy=False, help="Of the meter as it was when the calibration was settled."
    )
    method = fields.Selection(
        [("scale", "Milkings on a scale"), ("water", "Water test")], required=True, default="scale"
    )
    calibrated_at = fields.Datetime(required=True, default=fields.Datetime.now, index=True, tracking=True)
    user_id = fields.Many2one(
        "res.users", string="Calibrated by", required=True, default=lambda self: self.env.user, tracking=True
    )
    pair_ids = fields.One2many("iot.calibration.pair", "calibration_id", string="Pairs", copy=False)
    notes = fields.Text()
    state = fields.Selection(
        [("draft", "Draft"), ("passed", "Passed"), ("failed", "Failed"), ("cancelled", "Cancelled")],
        string="Status",
        required=True,
        readonly=True,
        default="draft",
        copy=False,
        index=True,
        tracking=True,
    )

    bias_kg = fields.Float(string="Bias (kg)", digits=(8, 3), compute="_compute_figures", store=True)
    sd_kg = fields.Float(string="Spread (kg)", digits=(8, 3), compute="_compute_figures", store=True)
    mean_percent = fields.Float(string="Mean Difference (%)", digits=(8, 3), compute="_compute_figures", store=True)
    limit_bias = fields.Float(string="Limit of the Bias (kg)", digits=(8, 3), compute="_compute_figures", store=True)
    limit_sd = fields.Float(string="Limit of the Spread (kg)", digits=(8, 3), compute="_compute_figures", store=True)
    has_figures = fields.Boolean(compute="_compute_figures", store=True, help="There are pairs enough.")
    bias_holds = fields.Boolean(compute="_compute_figures", store=True)
    sd_holds = fields.Boolean(compute="_compute_figures", store=True)

    factor_before = fields.Float(
        string="Factor in Force",
        digits=(8, 5),
        compute="_compute_factor_before",
        store=True,
        help="With which the meter showed what it showed.",
    )
    factor_tested = fields.Float(
        digits=(8, 5),
        compute="_compute_factor_tested",
        store=True,
        help="The factor that is judged: the one in force, or the one that a failed calibration proposed.",
    )
    factor_after = fields.Float(
        string="New Factor",
        digits=(8, 5),
        compute="_compute_figures",
        store=True,
        help="With which the meter would have shown, on average, what was weighed. In force from the calibration on "
        "once it has passed; only proposed by one that failed.",
    )
    sets_factor = fields.Boolean(
        compute="_compute_sets_factor", store=True, help="It is of the meter as a whole, or of its only point."
    )
    valid_until = fields.Date(readonly=True, copy=False)
    ended_at = fields.Datetime(
        string="Hardware Replaced", readonly=True, copy=False, help="Its factor ended with the hardware."
    )
    retest_of_id = fields.Many2one(
        "iot.calibration", string="Retest of", readonly=True, copy=False, ondelete="set null", index="btree_not_null"
    )

    _sql_constraints = [
        ("name_unique", "UNIQUE(name)", "A calibration's number is unique."),
    ]

    # ------------------------------------------------------------------ constraints

    @api.constrains("meter_id", "milking_point")
    def _check_milking_point(self):
        for calibration in self:
            if calibration.milking_point and calibration.milking_point.meter_id != calibration.meter_id:
                raise ValidationError(_("The milking point is not one of %s.", calibration.meter_id.name))

    @api.constrains("calibrated_at")
    def _check_calibrated_at(self):
        if any(calibration.calibrated_at > fields.Datetime.now() + timedelta(minutes=5) for calibration in self):
            raise ValidationError(_("A calibration cannot have been made in the future."))

    # ------------------------------------------------------------------ computes

    # Not of meter_id.farm_id: where it was calibrated does not change when the meter moves.
    @api.depends("meter_id")
    def _compute_farm_id(self):
        for calibration in self:
            calibration.farm_id = calibration.meter_id.farm_id

    @api.depends("meter_id", "calibrated_at", "state")
    def _compute_factor_before(self):
        for calibration in self:
            if calibration.state == "draft" and calibration.meter_id and calibration.calibrated_at:
                calibration.factor_before = calibration.meter_id._factor_at(calibration.calibrated_at)
            else:
                calibration.factor_before = calibration.factor_before

    @api.depends("factor_before", "retest_of_id", "state")
    def _compute_factor_tested(self):
        for calibration in self:
            if calibration.state == "draft":
                calibration.factor_tested = calibration.retest_of_id.factor_after or calibration.factor_before
            else:
                calibration.factor_tested = calibration.factor_tested

    @api.depends("pair_ids.shown_kg", "pair_ids.weighed_kg", "factor_tested", "farm_id", "state")
    def _compute_figures(self):
        """What the pairs say. Once settled it stays, whatever the farm's limits become."""
        names = ("bias_kg", "sd_kg", "mean_percent", "limit_bias", "limit_sd", "bias_holds", "sd_holds", "factor_after")
        for calibration in self:
            if calibration.state != "draft":
                for name in (*names, "has_figures"):
                    calibration[name] = calibration[name]
                continue
            pairs = [(pair.shown_kg, pair.weighed_kg) for pair in calibration.pair_ids if pair.weighed_kg > 0]
            found = calibration.farm_id and figures(pairs, calibration.farm_id._calibration_limits())
            calibration.has_figures = bool(found)
            for name in names[:-1]:
                calibration[name] = getattr(found, name) if found else False
            calibration.factor_after = found.factor(calibration.factor_tested) if found else 0.0

    @api.depends("milking_point", "meter_id.milking_point_count", "state")
    def _compute_sets_factor(self):
        for calibration in self:
            if calibration.state == "draft":
                whole = not calibration.milking_point or calibration.meter_id.milking_point_count == 1
                calibration.sets_factor = whole
            else:
                calibration.sets_factor = calibration.sets_factor

    # ------------------------------------------------------------------ life

    @api.model
    def default_get(self, fields_list):
        """What follows from the facts has no default but the field's own, whatever context and users' defaults say."""
        defaults = super().default_get([name for name in fields_list if name not in _FOLLOWING])
        own = {name: self._fields[name].default for name in _FOLLOWING.intersection(fields_list)}
        return defaults | {name: default(self) for name, default in own.items() if default}

    @api.model_create_multi
    def create(self, vals_list):
        # What vals leave out, the ORM takes from the context.
        defaults = (name for name in self.env.context if name.startswith("default_"))
        by_context = {name.removeprefix("default_"): self.env.context[name] for name in defaults}
        for vals in vals_list:
            self._refuse_verdict(by_context | vals)
            if vals.get("name", _("New")) == _("New"):
                vals["name"] = self.env["ir.sequence"].next_by_code("iot.calibration.sequence")
        return super().create(vals_list)

    def write(self, vals):
        if _FACTS & vals.keys():
            self._refuse_settled()
        self._refuse_verdict(vals)
        return super().write(vals)

    def _in_action(self):
        return self.with_context(iot_calibration_action=IN_ACTION)

    @api.model
    def _refuse_verdict(self, vals):
        """What follows from the pairs is written by nobody, or a certificate would say what somebody likes."""
        in_action = self.env.context.get("iot_calibration_action") is IN_ACTION
        if not in_action and _FOLLOWING & vals.keys():
            raise AccessError(_("Figures and verdict of a calibration follow from its pairs: nobody writes them."))

    def _refuse_settled(self):
        for calibration in self:
            if calibration.state != "draft":
                raise UserError(_("%s is settled: cancel it and enter a new one.", calibration.name))

    @api.ondelete(at_uninstall=False)
    def _unlink_except_settled(self):
        if any(calibration.state in ("passed", "failed") for calibration in self):
            raise UserError(_("A calibration that is settled belongs to the meter's history: cancel it."))

    # ------------------------------------------------------------------ actions

    def action_settle(self):
        """Judge the pairs: passed or failed. What has passed is in force from its date on."""
        # What is computed of a draft is computed while it is one.
        self.flush_recordset()
        for calibration in self:
            calibration._refuse_settled()
            if not calibration.has_figures:
                raise UserError(_("A calibration takes %s pairs at least.", LEAST_PAIRS))
            passed = calibration.bias_holds and calibration.sd_holds
            day = calibration.farm_id._local_date(calibration.calibrated_at)
            calibration._in_action().write(
                {
                    "state": "passed" if passed else "failed",
                    "serial_number": calibration.meter_id.serial_number,
                    "valid_until": passed and day + timedelta(days=calibration.farm_id.calibration_days),
                }
            )
            if passed and calibration.sets_factor:
                calibration.meter_id._follow_calibrations()
            calibration._record_verdict()

    def action_cancel(self):
        """Declare a calibration void. The meter has the factor again that it would have without it."""
        for calibration in self:
            if calibration.state == "cancelled":
                raise UserError(_("%s is cancelled already.", calibration.name))
            in_force = calibration.state == "passed" and calibration.sets_factor and not calibration.ended_at
            calibration._in_action().write({"state": "cancelled"})
            if in_force:
                calibration.meter_id._follow_calibrations(otherwise=calibration.factor_before)

    def action_retest(self):
        """Open a draft that tests the factor which a failed calibration proposes, on pairs of its own."""
        self.ensure_one()
        if self.state != "failed" or not self.sd_holds:
            raise UserError(_("A new factor mends a bias alone: the meter itself has to be serviced first."))
        retest = self._in_action().create(
            {
                "meter_id": self.meter_id.id,
                "milking_point": self.milking_point.id,
                "method": self.method,
                "retest_of_id": self.id,
            }
        )
        return {
            "type": "ir.actions.act_window",
            "res_model": "iot.calibration",
            "res_id": retest.id,
            "view_mode": "form",
            "views": [(False, "form")],
        }

    def action_print_certificate(self):
        """The certificate as a PDF, kept with the calibration when it is printed first."""
        self.ensure_one()
        if self.state not in ("passed", "failed"):
            raise UserError(_("There is a certificate of what is settled."))
        return self.env.ref("smart_dairy_iot_milk.report_iot_calibration").report_action(self, config=False)

    def _calibrated_text(self):
        """When it was calibrated, by the farm's clock, which is named."""
        self.ensure_one()
        return f"{self.farm_id._local_datetime(self.calibrated_at):%Y-%m-%d %H:%M} ({self.farm_id.tz})"

    def _record_verdict(self):
        """Record the event of the verdict. Figures are in it; the meter is named beside it."""
        self.ensure_one()
        where = _("Point %s: ", self.milking_point.name) if self.milking_point else ""
        text = where + _(
            "bias %(bias)s kg (limit %(limit_bias)s), spread %(sd)s kg (limit %(limit_sd)s).",
            bias=f"{self.bias_kg:+.3f}",
            limit_bias=f"{self.limit_bias:.3f}",
            sd=f"{self.sd_kg:.3f}",
            limit_sd=f"{self.limit_sd:.3f}",
        )
        passed = self.state == "passed"
        self.env["iot.event"].record(
            "calibration_passed" if passed else "calibration_failed",
            timestamp=self.calibrated_at,
            device=self.meter_id.iot_device_id,
            farm=self.farm_id,
            severity="low" if passed else "high",
            message=text[0].upper() + text[1:],
            data={
                "meter": self.meter_id.device_id,
                "calibration": self.name,
                "bias_kg": self.bias_kg,
                "sd_kg": self.sd_kg,
                "limit_bias": self.limit_bias,
                "limit_sd": self.limit_sd,
                "factor_before": self.factor_before,
                "factor_after": self.factor_after,
            },
            dedup_key=f"calibration:{self.name}:{self.state}",
        )
