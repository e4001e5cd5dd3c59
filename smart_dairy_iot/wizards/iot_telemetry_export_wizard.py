"""Choosing which readings to export, and as what."""

import pytz
from werkzeug.urls import url_encode

from odoo import _, api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import date_utils

from ..models.iot_telemetry_export import ExportSpan
from ..telemetry.export import formats


class IotTelemetryExportWizard(models.TransientModel):
    _name = "iot.telemetry.export.wizard"
    _description = "Export of Readings"

    kind = fields.Selection("_kinds", string="Readings", required=True)
    since = fields.Datetime(string="From", required=True, default=lambda self: self._month()[0])
    until = fields.Datetime(string="To", required=True, default=lambda self: self._month()[1])
    farm_id = fields.Many2one("farm.location", ondelete="cascade")
    file_format = fields.Selection("_formats", string="File", required=True, default="csv")

    @api.model
    def _kinds(self):
        specs = self.env["iot.settings"]._telemetry_specs()
        return [(spec.model, self.env[spec.model]._description) for spec in specs]

    @api.model
    def _formats(self):
        names = {"csv": "CSV", "parquet": "Parquet"}
        return [(name, names[name]) for name in formats()]

    @api.model
    def _month(self):
        """The month before this one, which is over, so that nothing but late readings is missing.

        It is that of the user's time zone.

        :return: its beginning and end, naive UTC
        """
        zone = pytz.timezone(self.env.context.get("tz") or self.env.user.tz or "UTC")
        here = pytz.utc.localize(fields.Datetime.now()).astimezone(zone).replace(tzinfo=None)
        end = date_utils.start_of(here, "month")
        begin = date_utils.subtract(end, months=1)
        return tuple(zone.localize(moment).astimezone(pytz.utc).replace(tzinfo=None) for moment in (begin, end))

    @api.constrains("since", "until")
    def _check_span(self):
        for wizard in self:
            try:
                wizard._span()
            except ValueError as error:
                raise ValidationError(_("“From” must be before “To”.")) from error

    def action_export(self):
        """Load the file down.

        :raises UserError: where there is nothing to export, or more than a file may have
        """
        self.ensure_one()
        # Asked here too: the address of a file can tell what is wrong on a page of its own only.
        if not self.env[self.kind]._check_fits_file(self._span()):
            raise UserError(_("There are no such readings: choose another kind, other times or another farm."))
        asked = {
            "kind": self.kind,
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "farm": self.farm_id.id or "",
            "file_format": self.file_format,
        }
        return {"type": "ir.actions.act_url", "url": f"/iot/telemetry/export?{url_encode(asked)}", "target": "self"}

    def _span(self):
        return ExportSpan(self.since, self.until, self.farm_id.id or None)
