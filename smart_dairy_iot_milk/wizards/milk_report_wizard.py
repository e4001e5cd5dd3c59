"""Choosing a report of a farm's milk, its days, and as what it is wanted."""

from datetime import timedelta

from werkzeug.urls import url_encode

from odoo import _, api, fields, models
from odoo.exceptions import UserError, ValidationError

#: The longest span of a report: a lactation with what belongs to it.
MOST_DAYS = 400
ONE_DAY = ("daily", "test_day")


class MilkReportWizard(models.TransientModel):
    _name = "milk.report.wizard"
    _description = "Milk Report"

    report = fields.Selection(
        [
            ("daily", "Daily Production"),
            ("animal", "Milk Record of an Animal"),
            ("quality", "Quality"),
            ("equipment", "Equipment"),
            ("test_day", "Test Day of the Herd"),
        ],
        required=True,
        default="daily",
    )
    farm_id = fields.Many2one(
        "farm.location", required=True, ondelete="cascade", default=lambda self: self._default_farm()
    )
    animal_id = fields.Many2one("farm.animal", ondelete="cascade", domain="[('farm_id', '=', farm_id)]")
    since = fields.Date(string="From", required=True, default=lambda self: self._yesterday() - timedelta(days=29))
    until = fields.Date(
        string="To",
        required=True,
        default=lambda self: self._yesterday(),
        help="The last day; that of one day's report.",
    )
    file_format = fields.Selection(
        [("pdf", "PDF"), ("xlsx", "XLSX"), ("csv", "CSV (its first table)")],
        string="File",
        required=True,
        default="pdf",
    )

    @api.model
    def _default_farm(self):
        animal = self.env["farm.animal"].browse(self.env.context.get("default_animal_id") or [])
        return animal.farm_id or self.env["farm.location"].search([], limit=1)

    @api.model
    def _yesterday(self):
        """The farm's last day that is over."""
        farm, now = self._default_farm(), fields.Datetime.now()
        today = farm._local_date(now) if farm else now.date()
        return today - timedelta(days=1)

    @api.onchange("farm_id")
    def _onchange_farm_id(self):
        if self.animal_id.farm_id != self.farm_id:
            self.animal_id = False

    @api.constrains("since", "until", "report")
    def _check_span(self):
        for wizard in self:
            since, until = wizard._span()
            if since > until:
                raise ValidationError(_("“From” must not be after “To”."))
            if (until - since).days > MOST_DAYS:
                raise ValidationError(_("A report has up to %s days.", MOST_DAYS))

    def action_make(self):
        """Load the report down.

        :raises UserError: where the animal is missing whose record it is
        """
        self.ensure_one()
        if self.report == "animal" and not self.animal_id:
            raise UserError(_("Choose the animal."))
        if self.file_format == "pdf":
            # It has no letterhead, which Odoo would first ask an administrator to choose.
            return self.env.ref("smart_dairy_iot_milk.milk_report_action_report").report_action(self, config=False)
        asked = {"id": self.id}
        name = f"{self.report}.{self.file_format}"
        return {"type": "ir.actions.act_url", "url": f"/milk/report/{name}?{url_encode(asked)}", "target": "self"}

    def _span(self):
        return (self.until, self.until) if self.report in ONE_DAY else (self.since, self.until)

    def _make(self):
        """The report, as `exchange.workbook` describes it, with the user's own rights."""
        self.ensure_one()
        reports, (since, until) = self.env["milk.report"], self._span()
        if self.report == "animal":
            return reports.animal(self.animal_id, since, until)
        if self.report in ONE_DAY:
            return {"daily": reports.daily, "test_day": reports.test_day}[self.report](self.farm_id, until)
        return {"quality": reports.quality, "equipment": reports.equipment}[self.report](self.farm_id, since, until)

    def _file_name(self):
        """Without its ending."""
        since, until = self._span()
        whose = self.animal_id.name if self.report == "animal" else self.farm_id.code
        days = since.isoformat() if since == until else f"{since.isoformat()}_{until.isoformat()}"
        return f"{self.report}_{whose}_{days}"
